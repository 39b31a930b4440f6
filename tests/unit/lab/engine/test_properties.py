"""Whatever a program asks for, in whatever order things fail or the run is cut off: in the end the cloud is as
the program says, nothing was made twice, and what is protected is still there.

The engine runs against a small cloud (fake_cloud.py) that refuses what clouds refuse, so that a wrong order
shows as a failure. The SDK is left out; resources are registered as it would, dependencies first.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.engine.deployment import StoppedError
from lab.engine.display import Display
from lab.engine.files import write_atomically
from lab.engine.goal import Goal
from lab.engine.project import Project
from lab.engine.run import _deployment, run_destroy, warn_of_unfinished
from lab.engine.session import Session, Workspace
from lab.engine.stackfile import StackFile
from lab.engine.state import Checkpoint, Store
from tests.unit.lab.engine.fake_cloud import TYPE, FakeCloud
from tests.unit.lab.engine.replaying_provider import serve

NAMES = "abcdef"
EXAMPLES = int(os.environ.get("ENGINE_EXAMPLES", "20"))
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


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder: Path = tmp_path_factory.mktemp("properties")
    cloud = FakeCloud()
    server, port = serve(cloud)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", f"fake:{port}")
        project = Project("probe", folder, folder / "__main__.py", folder / "state")
        file = StackFile(folder / "Pulumi.dev.yaml", "probe")
        file.ensure_salt()
        yield Bench(Session(Workspace(project, Store(project.backend, "probe")), "dev", file), cloud)
    server.stop(None)


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


def cleanly(function: Any) -> Any:
    """Hypothesis' settings for tests that share the bench, which each example clears."""
    shared = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=shared)(function)


@cleanly
@given(st.lists(programs(), min_size=1, max_size=3))
def test_after_each_update_the_cloud_is_what_the_program_says(bench: Bench, history: list[Program]) -> None:
    bench.clear()
    for program in history:
        assert bench.up(program), bench.said[-5:]
        assert bench.matches(program)


@cleanly
@given(programs())
def test_a_second_update_changes_nothing(bench: Bench, program: Program) -> None:
    bench.clear()
    assert bench.up(program)
    done = len(bench.cloud.log)
    assert bench.up(program)
    assert len(bench.cloud.log) == done


@cleanly
@given(programs(), programs())
def test_a_preview_changes_nothing(bench: Bench, first: Program, second: Program) -> None:
    bench.clear()
    assert bench.up(first)
    done, state = len(bench.cloud.log), bench.session.store.path("dev").read_bytes()
    assert bench.up(second, planning=True)
    assert len(bench.cloud.log) == done
    assert bench.session.store.path("dev").read_bytes() == state


@cleanly
@given(programs(), programs(), st.integers(0, 12))
def test_after_a_failure_anywhere_the_next_update_goes_on_from_there(
    bench: Bench, first: Program, second: Program, fail_at: int
) -> None:
    bench.clear()
    assert bench.up(first)
    bench.cloud.fail_at = bench.cloud.changes + fail_at
    failed = not bench.up(second)
    assert failed == (bench.cloud.changes > bench.cloud.fail_at)
    bench.cloud.fail_at = None
    assert bench.up(second), bench.said[-5:]
    assert bench.matches(second)


@cleanly
@given(programs(), st.integers(0, 8))
def test_a_destroy_that_failed_is_finished_by_the_next(bench: Bench, program: Program, fail_at: int) -> None:
    bench.clear()
    assert bench.up(program)
    bench.cloud.fail_at = bench.cloud.changes + fail_at
    bench.destroy()
    bench.cloud.fail_at = None
    assert bench.destroy()
    assert not bench.cloud.things
    assert not bench.session.peek().resources


class CutOffError(BaseException):
    """The process dies here."""


class _DyingDisk:
    """Lets so many saves through, then dies."""

    def __init__(self, saves: int) -> None:
        self.left = saves

    def __call__(self, path: Path, text: str, mode: int = 0o600) -> None:
        if path.name == "dev.json":
            if self.left == 0:
                raise CutOffError
            self.left -= 1
        write_atomically(path, text, mode)


@cleanly
@given(programs(), programs(), st.integers(0, 25))
def test_after_a_run_that_died_between_two_saves_the_next_goes_on_from_there(
    bench: Bench, first: Program, second: Program, saves: int
) -> None:
    bench.clear()
    assert bench.up(first)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("lab.engine.state.write_atomically", _DyingDisk(saves))
        with contextlib.suppress(CutOffError):
            bench.up(second)
    lost = _made_but_not_recorded(bench)
    bench.said.clear()
    assert bench.up(second), bench.said[-5:]
    assert [name for name in lost if not any(urn_line(name) in line for line in bench.said)] == []
    # All is as it should be, but for the one thing that was made and never written down, of which the run told.
    for identity, thing in list(bench.cloud.things.items()):
        if thing["name"] in lost and identity in lost.values():
            del bench.cloud.things[identity]
    assert bench.matches(second)


def urn_line(name: str) -> str:
    """What the display says a diagnostic is about."""
    return f"{TYPE} ({name}):"


def _made_but_not_recorded(bench: Bench) -> dict[str, str]:
    """Name -> id of what is in the cloud and not in the state."""
    recorded = {item.id for item in bench.session.peek().resources}
    return {thing["name"]: key for key, thing in bench.cloud.things.items() if key not in recorded}


@cleanly
@given(programs(protect=True), programs(protect=True))
def test_what_is_protected_is_never_deleted(bench: Bench, first: Program, second: Program) -> None:
    bench.clear()
    assert bench.up(first)
    guarded = {name for name, wanted in first.items() if wanted.protect}
    kept = {name: key for key, name in ((k, thing["name"]) for k, thing in bench.cloud.things.items())}
    bench.up(second)
    for name in guarded:
        # A program that takes the protection off may do with the resource what it likes.
        if name not in second or second[name].protect:
            assert kept[name] in bench.cloud.things
    bench.destroy()
    for name in guarded - set(second):
        assert kept[name] in bench.cloud.things


@cleanly
@given(programs(protect=True))
def test_a_destroy_of_the_unprotected_leaves_the_protected_and_what_they_need(
    bench: Bench, program: Program
) -> None:
    bench.clear()
    assert bench.up(program)
    assert bench.destroy(exclude_protected=True)
    needed = {name for name, wanted in program.items() if wanted.protect}
    for name in reversed(program):
        if name in needed:
            needed.update((*program[name].refs, *program[name].links, *program[name].after))
    assert set(bench.cloud.by_name()) == needed
    assert bench.up(program)
    assert bench.matches(program)


@cleanly
@given(programs(protect=True))
def test_a_destroy_refused_for_a_protected_resource_has_deleted_nothing(
    bench: Bench, program: Program
) -> None:
    bench.clear()
    assert bench.up(program)
    before = dict(bench.cloud.things)
    assert bench.destroy() != any(wanted.protect for wanted in program.values())
    if any(wanted.protect for wanted in program.values()):
        assert bench.cloud.things == before


def test_a_program_in_another_order_is_the_same_program(bench: Bench) -> None:
    bench.clear()
    program = {"a": Wanted(), "b": Wanted(), "c": Wanted(refs=("a",))}
    assert bench.up(program)
    done = len(bench.cloud.log)
    assert bench.up({"b": program["b"], "a": program["a"], "c": program["c"]})
    assert len(bench.cloud.log) == done


def test_a_replacement_that_must_not_be_deleted_first_is_made_first(bench: Bench) -> None:
    bench.clear()
    program = {"a": Wanted(delete_first=False), "b": Wanted(links=("a",))}
    assert bench.up(program)
    bench.cloud.log.clear()
    assert bench.up({**program, "a": replace(program["a"], force=1)})
    assert bench.cloud.log == [("create", "a"), ("update", "b"), ("delete", "a")]
