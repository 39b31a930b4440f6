"""What the properties of the engine are tried on: programs drawn by Hypothesis, and a stack with a small cloud.

The SDK is left out; resources are registered as it would, dependencies first.
"""

from dataclasses import dataclass, field

from hypothesis import strategies as st

from lab.engine.deployment import StoppedError
from lab.engine.display import Display
from lab.engine.goal import Goal
from lab.engine.run import _deployment, run_destroy, warn_of_unfinished
from lab.engine.session import Session
from lab.engine.state import Checkpoint
from tests.unit.lab.engine.fake_cloud import TYPE, FakeCloud

NAMES = "abcdef"
PREFIX = "urn:pulumi:dev::probe::"


@dataclass(frozen=True)
class Wanted:
    """One resource of a program. `refs`, `links`: see fake_cloud; `after`: what it only comes after."""

    value: int = 0
    force: int = 0
    refs: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    delete_first: bool = True
    protect: bool = False


Program = dict[str, Wanted]


@dataclass
class Bench:
    """A stack of the stand-in's and the cloud it is about."""

    session: Session
    cloud: FakeCloud
    said: list[str] = field(default_factory=list)

    def clear(self) -> None:
        self.cloud.reset()
        salt = self.session.file.salt or ""
        self.session.store.save(Checkpoint("dev", salt=salt), self.session.file.crypter())

    def up(self, program: Program, planning: bool = False) -> bool:
        """Bring the cloud to what the program says; whether that went well."""
        display = Display(planning, quiet=True, stream=_Lines(self.said))
        checkpoint = self.session.load()
        warn_of_unfinished(checkpoint, display)
        with _deployment(self.session, checkpoint, display) as deployment:
            try:
                ids: dict[str, str] = {}
                for name, wanted in program.items():
                    ids[name] = deployment.register(goal_of(name, wanted, ids)).id
                deployment.delete_leftovers()
            except StoppedError:
                pass
            display.finish({}, {})
            return not deployment.failed

    def destroy(self, exclude_protected: bool = False) -> bool:
        display = Display(planning=False, quiet=True, stream=_Lines(self.said))
        return run_destroy(self.session, display, exclude_protected).ok

    def matches(self, program: Program) -> bool:
        wanted = {
            name: {
                "value": item.value,
                "force": item.force,
                "refs": list(item.refs),
                "links": list(item.links),
            }
            for name, item in program.items()
        }
        return self.cloud.by_name() == wanted


class _Lines:
    """A stream that keeps what is written to it."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def write(self, text: str) -> int:
        self._lines.append(text)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


def urn(name: str) -> str:
    return f"{PREFIX}{TYPE}::{name}"


def goal_of(name: str, wanted: Wanted, ids: dict[str, str]) -> Goal:
    refs, links = [ids[ref] for ref in wanted.refs], [ids[ref] for ref in wanted.links]
    uses = {"refs": wanted.refs, "links": wanted.links}
    return Goal(
        urn=urn(name),
        type=TYPE,
        custom=True,
        inputs={"name": name, "value": wanted.value, "force": wanted.force, "refs": refs, "links": links},
        protect=wanted.protect,
        delete_before_replace=wanted.delete_first,
        dependencies=[urn(other) for other in (*wanted.refs, *wanted.links, *wanted.after)],
        property_dependencies={key: [urn(other) for other in names] for key, names in uses.items() if names},
    )


@st.composite
def programs(draw: st.DrawFn, protect: bool = False) -> Program:
    """Up to six resources; each may lean on those before it, in an order that differs from program to program."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(0, len(NAMES)))]
    program: Program = {}
    for at, name in enumerate(names):
        before = names[:at]
        others = (
            st.lists(st.sampled_from(before), unique=True, max_size=2).map(tuple) if before else st.just(())
        )
        program[name] = Wanted(
            value=draw(st.integers(0, 2)),
            force=draw(st.integers(0, 2)),
            refs=draw(others),
            links=draw(others),
            after=draw(others),
            delete_first=draw(st.booleans()),
            protect=protect and draw(st.booleans()),
        )
    return program
