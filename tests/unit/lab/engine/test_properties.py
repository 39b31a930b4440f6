"""Whatever a program asks for, in whatever order things fail or the run is cut off: in the end the cloud is as
the program says, nothing was made twice, and what is protected is still there.

The engine runs against a small cloud (fake_cloud.py) that refuses what clouds refuse, so that a wrong order
shows as a failure; bench.py puts the two together.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.engine.files import write_atomically
from lab.engine.project import Project
from lab.engine.session import Session, Workspace
from lab.engine.stackfile import StackFile
from lab.engine.state import Store
from tests.unit.lab.engine.bench import Bench, Program, Wanted, programs
from tests.unit.lab.engine.fake_cloud import TYPE, FakeCloud
from tests.unit.lab.engine.replaying_provider import serve

EXAMPLES = int(os.environ.get("ENGINE_EXAMPLES", "20"))


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
