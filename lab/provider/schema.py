"""How a type of AWS is described: a row of the tables, which the engine reads. Adding a type is adding a row.

What replaces, what the cloud fills in and what is only remembered was asked of the real AWS provider
(tests/unit/lab/provider/verdicts.json holds its answers). Expressions are JMESPath (paths.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lab.provider.paths import make, names, search
from lab.provider.values import Inputs, Same, State, same_value

if TYPE_CHECKING:
    from lab.provider.cloud import Cloud

Kind = Literal["text", "number", "flag", "list", "map", "object", "objects"]
How = Literal["ADD", "DELETE", "UPDATE"]
Path = tuple[str, ...]

# Something that is done: it gets the cloud and what is known, and returns what it found. Text is that of a Call.
Act = Callable[["Cloud", State], Any]
Acts = str | Act | tuple[str | Act, ...]


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


@dataclass(frozen=True)
class Call:
    """A call of the API, written `operation arguments -> answer`.

    Such as `ec2.describe_vpcs {VpcIds: [id]} -> Vpcs[0]`. The arguments are an expression over what is known, for an
    object; what comes out as None is left out. The answer is an expression over the API's answer.
    match: chooses from an answer that is a list the first item in which each key finds what its value finds in what
    is known. when: an expression over what is known; the call is made only where it finds something.
    """

    text: str
    match: Mapping[str, str] = field(default_factory=dict)
    when: str = "`true`"

    def __call__(self, cloud: Cloud, known: State) -> Any:
        """Make it, and return what is asked of the answer."""
        if not search(self.when, known):
            return None
        asked, wanted = (*re.split(r"\s->\s", self.text), "@")[:2]
        operation, given = (*asked.split(maxsplit=1), "")[:2]
        arguments = {**known.get("sent", {}), **without_none(make(given, known))}
        answer = search(wanted, cloud.ask(operation, **arguments))
        return self._matching(answer or [], known) if self.match else answer

    def _matching(self, items: list[Any], known: State) -> Any:
        wanted = {where: search(what, known) for where, what in self.match.items()}
        for item in items:
            if all(search(where, item) == value for where, value in wanted.items()):
                return item
        return None


def each(acts: Acts) -> list[Act]:
    """Them one by one."""
    listed = acts if isinstance(acts, tuple) else (acts,)
    return [Call(act) if isinstance(act, str) else act for act in listed]


def do(acts: Acts, cloud: Cloud, known: State) -> list[Any]:
    """Do one after the other, and return what each found."""
    return [act(cloud, known) for act in each(acts)]


def without_none(value: Any) -> Any:
    """The value less every key of an object, however deep, that has none."""
    if isinstance(value, Mapping):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    return [without_none(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Prop:
    """One input.

    api: its name in the API: what the call that makes the resource takes, and where its description has it. A dot goes
        into an object: Placement.AvailabilityZone. Empty for what that call takes in another form, among its arguments.
    read: where the description has it, where that is elsewhere than at `api`. Without both the API does not know it,
        and it is remembered in the state.
    late: the call that makes the resource does not take it; the row's settings set it afterwards.
    kind: its shape; `objects` is a list of objects, in which the order means nothing. fields: of an object, its own
        inputs; their `api` and `read` are within that of the object.
    computed: left to the cloud when not given, so leaving it out changes nothing. replaces: needs another resource.
    same: when two values mean the same. check: returns what is wrong with a value, or None.
    """

    api: str = ""
    kind: Kind = "text"
    read: str = ""
    late: bool = False
    required: bool = False
    computed: bool = False
    replaces: bool = False
    choices: tuple[str, ...] = ()
    fields: Mapping[str, Prop] = field(default_factory=dict)
    same: Same = same_value
    check: Callable[[Any], str | None] | None = None

    @property
    def kept(self) -> bool:
        """True for what only the state knows."""
        return not (self.api or self.read)


@dataclass(frozen=True)
class Tagging:
    """How a type is tagged: what the call that makes it takes (an expression), and how tags are changed."""

    create: str
    change: Acts


@dataclass(frozen=True)
class ResourceType:
    """One type of resource: the columns of the tables.

    type: the engine's name of it. props: its inputs.
    create: the call that makes it, and answers the id. It gets the inputs that the API has a name for, under that name,
        beside the arguments of its own; it also knows `unique`, some text that no other call had.
        before: asked first; what it answers is known to `create`.
    id: an expression over state and description, where the id is not what `create` answered.
    read: the first act answers the API's description, or nothing where it is gone; what the others answer is added to
        it. They know the state, `id`, and `found` (the description so far).
    outputs: an expression over the description, in which `known` is what was known and `ec2` how ARNs of EC2 begin.
    ready: an expression over the description, that finds something once it is usable; for those that take a while, at
        most `seconds`, to get ready, and to be gone. finish: acts that follow then, which may be repeated.
    settings: how inputs are changed in place: their names (a blank between; a dot goes into an object), and acts that
        know the inputs as they are to be, `id`, `found` and `olds`, the state as it was. tags: how it is tagged.
    delete: acts that know the state, `id` and `found`; what does not exist is no error of theirs.
    imports: the form of the id to import it by, where that is not its id.
    named: the input that gets a generated name when the program gives none.
    """

    type: str
    props: Mapping[str, Prop]
    create: Acts
    read: Acts
    delete: Acts
    outputs: str = ""
    before: Acts = ()
    id: str = "id"
    ready: str = ""
    seconds: float = 120.0
    finish: Acts = ()
    settings: Mapping[str, Acts] = field(default_factory=dict)
    tags: Tagging | None = None
    imports: str = ""
    named: str | None = None

    @property
    def short(self) -> str:
        """`aws:ec2/vpc:Vpc` as people write it: `aws:ec2:Vpc`."""
        package, module, name = self.type.split(":")
        return f"{package}:{module.split('/')[0]}:{name}"

    @property
    def told(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return names(self.outputs)


TAGS = Prop(kind="map", read="tags(Tags)")


def ec2_tags(resource: str, id_: str = "id") -> Tagging:
    """The tags of EC2's types: `resource` is what it calls the type, `id_` where in what is known its id is."""
    return Tagging(
        create=f"{{TagSpecifications: (tags && [{{ResourceType: '{resource}', Tags: pairs(tags)}}]) || `null`}}",
        change=change_ec2_tags("tags", id_),
    )


def change_ec2_tags(where: str, id_: str) -> Acts:
    """How the tags at `where` in the inputs are changed to what they are to be."""
    gone = f"without(olds.{where}, {where})"
    return (
        Call(f"ec2.delete_tags {{Resources: [{id_}], Tags: {gone}[].{{Key: @}}}}", when=gone),
        Call(f"ec2.create_tags {{Resources: [{id_}], Tags: pairs({where})}}", when=where),
    )


def iam_tags(resource: str, parameter: str) -> Tagging:
    """The tags of IAM's types, which are called `resource` and named by `parameter`."""
    gone = "without(olds.tags, tags)"
    return Tagging(
        create="{Tags: pairs(tags)}",
        change=(
            Call(f"iam.untag_{resource} {{{parameter}: id, TagKeys: {gone}}}", when=gone),
            Call(f"iam.tag_{resource} {{{parameter}: id, Tags: pairs(tags)}}", when="tags"),
        ),
    )


def inputs_of(props: Mapping[str, Prop], given: Inputs) -> State:
    """What the call that makes a resource gets: those of the inputs that it takes, under their names in the API."""
    sent: State = {}
    for name, prop in props.items():
        if name not in given or not prop.api or prop.late:
            continue
        *way, last = prop.api.split(".")
        place = sent
        for step in way:
            place = place.setdefault(step, {})
        place[last] = within(prop, given[name], inputs_of)
    return sent


def within(prop: Prop, value: Any, do: Callable[[Mapping[str, Prop], Any], Any]) -> Any:
    """The value; of an object, or each of several, what `do` makes of its fields and it."""
    if prop.kind == "objects" and isinstance(value, list):
        return [do(prop.fields, item) for item in value]
    return do(prop.fields, value) if prop.kind == "object" and isinstance(value, Mapping) else value
