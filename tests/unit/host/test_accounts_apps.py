"""Accounts: whose apps are served, and when they are opened and closed."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.host.accounts_machine import BEN, NEW, Entry, Machine, Registry, Wanted, a_team, apply
from workbench_host.accounts import apps, program
from workbench_host.accounts.plan import plan
from workbench_host.tools import FailureError

Calls = list[tuple[str, ...]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the sockets, the services being off."""
    monkeypatch.setattr(apps, "FOLDER", str(tmp_path / "apps"))
    return tmp_path / "apps"


@pytest.fixture
def calls(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What systemd is asked; a socket that it starts is there then."""
    made: Calls = []

    def run(*command: str) -> str:
        made.append(command)
        for unit in command[2:] if command[1] == "start" else ():
            uid = unit.partition("@")[2].partition(".")[0]
            (folder / uid).mkdir(exist_ok=True)
            (folder / uid / "apps.sock").touch()
        return ""

    monkeypatch.setattr(apps, "run", run)
    return made


def test_with_the_services_off_nobodys_apps_are_opened(folder: Path, calls: Calls) -> None:
    assert apps.links() is None
    assert apps.without({"ana": 2000}) == {}


def test_the_sockets_of_all_open_accounts_are_opened_by_one_call(folder: Path, calls: Calls) -> None:
    folder.mkdir()
    registry = Registry({"ana": Entry(2000), "ben": Entry(2001), "eve": Entry(2002, locked=True)})
    due = apps.without(registry.opened())
    assert due == {"ana": 2000, "ben": 2001}
    apps.open_all(due)
    assert calls == [("systemctl", "start", "workbench-apps@2000.socket", "workbench-apps@2001.socket")]
    assert apps.links() == due
    assert (folder / "ana").readlink() == Path("2000")
    assert apps.without(registry.opened()) == {}


def test_a_socket_that_has_gone_is_opened_again(folder: Path, calls: Calls) -> None:
    folder.mkdir()
    apps.open_all({"ana": 2000})
    (folder / "2000" / "apps.sock").unlink()
    assert apps.links() == {"ana": 2000}  # an account that closes now is closed all the same
    assert apps.without({"ana": 2000}) == {"ana": 2000}
    apps.open_all({"ana": 2000})
    assert apps.links() == {"ana": 2000}


@pytest.fixture
def broken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The uids whose sockets do not start; systemctl starts the others, and then fails."""
    failing: set[int] = set()

    def run(*command: str) -> str:
        uids = [int(unit.partition("@")[2].partition(".")[0]) for unit in command[2:]]
        for uid in uids:
            (folder / str(uid)).mkdir(exist_ok=True)
            if uid not in failing:
                (folder / str(uid) / "apps.sock").touch()
        if failing & set(uids):
            raise FailureError("`systemctl start` failed with status 1: Job failed")
        return ""

    monkeypatch.setattr(apps, "run", run)
    return failing


def test_one_socket_that_does_not_start_keeps_nobody_else_from_being_served(
    folder: Path, broken: set[int]
) -> None:
    folder.mkdir()
    broken.add(2001)
    users = {"ana": 2000, "ben": 2001, "eve": 2002}
    with pytest.raises(FailureError, match=r"ben \(workbench-apps@2001\.socket\); .*Job failed"):
        apps.open_all(users)
    assert apps.without(users) == {"ben": 2001}  # the next run tries it again
    assert apps.links() == users  # and an account that closes now is closed all the same


def test_the_start_of_all_tells_some_that_failed_from_its_own_failure(
    folder: Path, broken: set[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir()
    registry = Registry({"ana": Entry(2000), "ben": Entry(2001)})
    monkeypatch.setattr(program, "read_registry", lambda: registry)
    monkeypatch.setattr(program, "need_volume", lambda *_: None)
    monkeypatch.setattr(program, "LOCK", str(folder.parent / "lock"))
    broken.add(2001)
    assert program.main(["--apps"]) == apps.SOME_CLOSED
    assert "ben (workbench-apps@2001.socket)" in capsys.readouterr().err
    broken.clear()
    assert program.main(["--apps"]) == 0


def test_closed_apps_are_found_by_nobody_and_all_that_serves_them_ends(folder: Path, calls: Calls) -> None:
    folder.mkdir()
    apps.open_all({"ana": 2000})
    apps.close_apps("ana", 2000)
    assert not (folder / "ana").is_symlink()
    assert calls[-1] == (
        "systemctl",
        "stop",
        "workbench-apps@2000.socket",
        "workbench-apps@2000.service",
        "workbench-apps-again@2000.service",
    )
    apps.close_apps("ana", 2000)  # a run that was killed is taken up again


def test_whose_account_could_not_be_renamed_has_the_apps_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, registry = a_team()
    decided = plan([NEW, BEN], registry, machine.system())
    due = program.Due(decided, {}, {}, {}, {"anna": 2000, "ben": 2001})
    monkeypatch.setattr(program, "fields", lambda _: iter([["ana", "x", "2000"], ["ben", "x", "2001"]]))
    assert due.served({"anna"}) == {"ana": 2000, "ben": 2001}
    assert due.served({"ben"}) == {"anna": 2000}
    monkeypatch.setattr(program, "fields", lambda _: iter([["anna", "x", "2000"]]))
    assert due.served({"anna"}) == {"ben": 2001}, "it has its name, and no home of that name yet"


def test_an_account_that_closes_shows_no_app_before_what_runs_is_ended() -> None:
    """Else the next visitor would start it again."""
    machine = Machine()
    there = apply(machine, [Wanted("ana"), Wanted("ben")])
    machine.change("ana", running=True)
    machine.apps = {"ana", "ben"}
    closing: tuple[Any, ...] = plan([Wanted("ben")], there, machine.system()).closing
    verbs = [step.verb for step in closing if step.name == "ana"]
    assert verbs.index("close_apps") < verbs.index("end_sessions")
    assert {step.name for step in closing} == {"ana"}
