"""What a dry run tells, operation by operation: of a host that is stood in, by the operations themselves."""

import json
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import DeployError

from connector import process
from deploy import files, programs, progress, units
from deploy.files import Content, FileState
from deploy.programs import Reply, Says, SaysOf
from deploy.units import Unit, UnitState
from workbench_host import tools

UNIT = "workbench-test.service"
CONFIG = "/etc/workbench/test.json"


class Host:
    """A host with no file, whose programs and units say what a test has them say."""

    name = "test"

    def __init__(self) -> None:
        self.facts: dict[type, Callable[..., Any]] = {FileState: lambda path: None}
        self.asked: list[tuple[type, dict[str, Any]]] = []
        self.operations: dict[str, Any] = {}
        self.op_hash_order: list[str] = []

    def get_fact(self, fact: type, **how: Any) -> Any:
        self.asked.append((fact, how))
        return self.facts[fact](**how)

    def noop(self, _: str) -> None:
        pass

    def log(self, text: str) -> None:
        pass

    def plan(self, name: str, operation: Any, **how: Any) -> None:
        """An operation of a dry run, which pyinfra looks into when it is declared."""

        def generate() -> Generator[StringCommand, None, None]:
            yield from operation._inner(**how)

        will_change = next(generate(), None) is not None
        meta = SimpleNamespace(will_change=will_change)
        self.operations[name] = SimpleNamespace(operation_meta=meta, command_generator=generate)
        self.op_hash_order.append(name)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    made = Host()
    state = SimpleNamespace(
        is_executing=False,
        get_op_data_for_host=lambda _, name: made.operations[name],
        get_op_meta=lambda name: SimpleNamespace(names={name}),
    )
    for module in (files, programs, progress, units):
        monkeypatch.setattr(module, "host", made)
    for module in (files, progress):
        monkeypatch.setattr(module, "state", state)
    yield made
    files._coming.clear()


@pytest.fixture
def told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], list[tuple[str, list[str]]]]]:
    """What is told of each operation."""
    path = tmp_path / "events"
    with path.open("wb") as file:
        monkeypatch.setenv(process.EVENTS, str(file.fileno()))

        def read() -> list[tuple[str, list[str]]]:
            os.truncate(path, 0)
            file.seek(0)
            progress.plan()
            events = [json.loads(line) for line in path.read_text().splitlines()]
            assert all(set(event) == {"event", "host", "name", "what"} for event in events)
            return [(event["name"], event["what"]) for event in events]

        yield read


def test_what_follows_from_a_file_that_is_to_come_is_told(host: Host, told: Any) -> None:
    secret = "$6$saltsalt$abcdefgh"

    def answer(line: str, _stdin: Sequence[str]) -> Reply:
        assert (line, list(_stdin)) == ("accounts --check --given", Content(secret.encode()).lines())
        return Reply(tools.WOULD_CHANGE, ("ana: close the account", "ben: make the account (uid 2001)"))

    host.facts[SaysOf] = answer
    host.plan("users | file", files.put, content=Content(secret.encode()), dest=CONFIG, mode="600")
    host.plan("users | accounts", programs.run, program="accounts", reads=CONFIG)
    said = told()
    assert said[0] == ("users | file", [f"make {CONFIG} (20 bytes, root:root 600)"])
    assert said[1] == ("users | accounts", ["ana: close the account", "ben: make the account (uid 2001)"])
    assert secret not in json.dumps(said)
    assert secret not in SaysOf().command("accounts --check --given")


def test_where_the_file_stays_the_program_is_asked_together_with_all_others(host: Host, told: Any) -> None:
    there = files.State("regular file", "644", "root", "root", Content(b"x").sha256)
    host.facts[FileState] = lambda path: there
    host.facts[Says] = lambda line: Reply(tools.CLEAN, ())
    host.plan("users | file", files.put, content=Content(b"x"), dest=CONFIG)
    host.plan("users | accounts", programs.run, program="accounts", reads=CONFIG)
    assert told() == []
    assert (Says, {"line": "accounts --check"}) in host.asked


def test_what_will_be_refused_fails_the_dry_run_with_the_reason(host: Host, told: Any) -> None:
    host.facts[Says] = lambda line: Reply(1, ("Users: user ana has the name of an account of the system.",))
    host.plan("users | accounts", programs.run, program="accounts")
    with pytest.raises(DeployError, match=r"^Users: user ana has the name of an account of the system\.$"):
        told()


def test_a_program_that_cannot_say_is_told_by_its_command(host: Host, told: Any) -> None:
    host.facts[Says] = lambda line: Reply(127, ())
    host.plan("r | versions", programs.run, program="r-versions", arguments=["x"])
    ((_, what),) = told()
    assert what == [f"run {programs.LINK}/bin/r-versions x, which cannot say before what it would change"]


@pytest.mark.parametrize("reload", [False, True])
def test_a_restart_that_follows_from_a_file_that_is_to_come_is_told(
    host: Host, told: Any, reload: bool
) -> None:
    paths = units.unit_paths(UNIT, [CONFIG, "/etc/other"])
    sums = (("1", f"{units.UNITS}/{UNIT}"), ("2", CONFIG), ("3", "/etc/other"))
    drop_in = Content(units.drop_in_text(UNIT, paths, reload).encode()).sha256
    now = units.digest_of(sums)
    state = UnitState(True, True, True, False, False, now=now, recorded=now, drop_in=drop_in, sums=sums)
    host.facts[Unit] = lambda unit, paths: state
    how = {"unit": UNIT, "reads": [CONFIG, "/etc/other"], "reload": reload}
    host.plan("test | before", units.service, **how)
    host.plan("test | file", files.put, content=Content(b"new"), dest=CONFIG)
    host.plan("test | unit", units.service, **how)
    verb = "reload" if reload else "restart"
    # By then all files of the run are known, also to what comes before them; pyinfra has left that one out.
    assert [one for one in told() if one[0] == "test | unit"] == [("test | unit", [f"{verb} {UNIT}"])]
    assert not host.operations["test | before"].operation_meta.will_change


def test_a_unit_whose_own_file_is_to_come_is_read_again(host: Host, told: Any) -> None:
    timer = "workbench-test.timer"
    host.facts[Unit] = lambda unit, paths: UnitState(True, True, True, False, False)
    host.plan("test | file", files.put, content=Content(b"new"), dest=f"{units.UNITS}/{UNIT}")
    host.plan("test | unit", units.service, unit=timer)
    (_, what) = told()[-1]
    assert what == [f"systemctl stop {timer} 2>/dev/null; systemctl daemon-reload", f"start {timer}"]


def test_once_operations_run_the_host_itself_is_asked(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.plan("users | file", files.put, content=Content(b"new"), dest=CONFIG)
    assert files.coming(CONFIG) is not None
    monkeypatch.setattr(files, "state", SimpleNamespace(is_executing=True))
    assert files.coming(CONFIG) is None
