"""How a resource type is described: its inputs, what changing them means, and the functions that act.

What replaces, what the cloud fills in and what is only remembered was asked of the real AWS provider
(tests/unit/lab/provider/verdicts.json holds its answers).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lab.provider.values import Inputs, Same, State, same_value

if TYPE_CHECKING:
    from lab.provider.cloud import Cloud

Kind = Literal["text", "number", "flag", "list", "map", "object", "json"]
How = Literal["ADD", "DELETE", "UPDATE"]
Path = tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """One input that is not as the program wants it."""

    path: Path
    how: How
    replaces: bool = False

    @property
    def top(self) -> str:
        """The input it belongs to."""
        return self.path[0]


Replaces = Callable[[Change, Inputs], bool]


def never(_change: Change, _news: Inputs) -> bool:
    """The change is made in place."""
    return False


def always(_change: Change, _news: Inputs) -> bool:
    """The change needs a new resource."""
    return True


def when_it_comes_or_goes(change: Change, _news: Inputs) -> bool:
    """Another value is taken in place, but having one where there was none (or the reverse) is not."""
    return change.how != "UPDATE"


def when(flag: str) -> Replaces:
    """The program says by another input, `flag`, whether this change replaces."""
    return lambda _change, news: bool(news.get(flag))


@dataclass(frozen=True)
class Prop:
    """One input.

    kind: its shape; "json" is text that may also be given as an object.
    default: what Check fills in; computed: left to the cloud when not given, so leaving it out changes nothing.
    kept: the API does not know it, so it is remembered in the state only.
    fields: of an object, its own inputs. check: returns what is wrong with a value, or None.
    """

    kind: Kind = "text"
    required: bool = False
    default: Any = None
    computed: bool = False
    replaces: Replaces = never
    kept: bool = False
    choices: tuple[str, ...] = ()
    fields: Mapping[str, Prop] = field(default_factory=dict)
    same: Same = same_value
    check: Callable[[Any], str | None] | None = None


@dataclass(frozen=True)
class Edit:
    """What an update has to do: `changed` names the inputs; values are in `news`, the old ones in `olds`."""

    id: str
    olds: State
    news: State
    changed: frozenset[str]

    def has(self, *names: str) -> bool:
        """True when any of these inputs changes."""
        return not self.changed.isdisjoint(names)


def _nothing(*_: Any) -> None:
    return None


@dataclass(frozen=True)
class ResourceType:
    """One type of resource: a table of its inputs and outputs, and what to do with the cloud.

    create makes it by one call and returns its id at once; finish does all that must follow (waiting, settings
    that take a call of their own) and can be repeated, so that what a failure left half made is not lost.
    read returns inputs and outputs as they are (None when gone); the last argument is what is known of it, and
    empty on import, when the id may be the import format of pulumi_aws's documentation. The key "id" of what it
    returns, where present, is the real id.
    delete is content when it is gone already.
    rules say what is wrong with inputs taken together.
    named: the input that gets a generated name when the program gives none.
    """

    type: str
    props: Mapping[str, Prop]
    outputs: tuple[str, ...]
    create: Callable[[Cloud, State], str]
    read: Callable[[Cloud, str, State], State | None]
    delete: Callable[[Cloud, str, State], None]
    update: Callable[[Cloud, Edit], None] = _nothing
    finish: Callable[[Cloud, str, State], None] = _nothing
    named: str | None = None
    rules: tuple[Callable[[State], str | None], ...] = ()

    @property
    def short(self) -> str:
        """`aws:ec2/vpc:Vpc` as people write it: `aws:ec2:Vpc`."""
        package, module, name = self.type.split(":")
        return f"{package}:{module.split('/')[0]}:{name}"


TAGS = Prop("map")


def one_of(*names: str) -> Callable[[State], str | None]:
    """A rule: exactly one of these inputs is given."""

    def rule(inputs: State) -> str | None:
        given = [name for name in names if name in inputs]
        if len(given) == 1:
            return None
        got = " and ".join(given) if given else "none"
        return f"exactly one of {', '.join(names)} is needed, got {got}"

    return rule
