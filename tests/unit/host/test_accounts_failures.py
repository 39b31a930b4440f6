"""Accounts: one step that fails, for whatever reason, keeps nobody else's from being done."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.host.accounts_machine import HASHES, Machine, Registry, Step, Wanted, apply
from workbench_host import tools
from workbench_host.accounts import program, quota, registry

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
PEOPLE = [Wanted(name, name == "cleo", ("k",), HASHES[0]) for name in ("ana", "ben", "cleo")]
# ana goes with her home, ben is not declared any more, cleo is no administrator, zoe is new.
AFTER = [Wanted("zoe", password_hash=HASHES[0]), Wanted("ana", removed=True), Wanted("cleo", False, ("k",))]


class Host:
    """The host as the program sees it: `failing` is what a step raises, by its verb and name."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.failing: dict[tuple[str, str], Exception] = {}
        self.done: list[tuple[str, str]] = []
        self.begun: dict[str, int] = {}  # whose systemd of their own was started again

    def do(self, verb: str, name: str, value: object) -> None:
        if (verb, name) in self.failing:
            raise self.failing[verb, name]
        self.machine.do(Step(verb, name, value))
        self.done.append((verb, name))

    def note(self, what: str) -> None:
        self.do_or_raise(what)
        self.done.append((what, ""))

    def do_or_raise(self, what: str) -> None:
        if (what, "") in self.failing:
            raise self.failing[what, ""]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """All of PEOPLE at work, and AFTER declared."""
    machine = Machine()
    there = apply(machine, PEOPLE)
    for name in ("ana", "ben", "cleo"):
        machine.work(name)
    found = Host(machine)
    monkeypatch.setattr(registry, "REGISTRY", str(tmp_path / "users" / "registry.json"))
    registry.write_registry(there)
    declared = type("Declared", (), {"users": AFTER, "disk_gib": None})
    monkeypatch.setattr(program, "read_wanted", lambda arguments: declared)
    monkeypatch.setattr(program, "LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(program, "need_volume", lambda *_: None)
    monkeypatch.setattr(program, "read_system", lambda groups: machine.system())
    monkeypatch.setattr(program, "fields", lambda name: [])
    monkeypatch.setattr(program.shared, "link", lambda: found.note("link"))
    monkeypatch.setattr(program.shared, "apply", lambda folders: found.note("folders"))
    monkeypatch.setattr(program.ending, "begin_anew", lambda users: found.begun.update(users))
    monkeypatch.setattr(quota, "wrong", lambda disk_gib, uids: {})
    monkeypatch.setattr(quota, "apply", lambda shares: found.note("quotas"))
    for verb in program.VERBS:
        monkeypatch.setitem(program.VERBS, verb, lambda name, value, verb=verb: found.do(verb, name, value))
    return found


def is_out(host: Host, name: str) -> bool:
    account = host.machine.accounts[name]
    return account.expired and not account.running and name not in host.machine.keys


def test_all_who_are_to_be_out_are_out_before_anything_is_made_or_archived(host: Host) -> None:
    assert program.main([]) == 0
    shut = [(verb, name) for verb in ("lock", "drop_keys") for name in ("ana", "ben")]
    shut += [("set_groups", "cleo"), *(("end_sessions", name) for name in ("ana", "ben"))]
    shut += [("renew_sessions", "cleo")]
    assert set(host.done[: len(shut)]) == set(shut)
    assert host.done[len(shut)] == ("link", "")
    assert host.done[-2:] == [("archive_home", "ana"), ("folders", "")]
    assert host.begun == {"cleo": 2002}, "a closed account has none"
    assert (is_out(host, "ana"), is_out(host, "ben")) == (True, True)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (FULL, "No space left on device"),
        (tools.FailureError("the archive lacks files"), "the archive lacks files"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), "can't decode"),
    ],
)
def test_what_fails_for_one_is_told_with_its_name_and_keeps_nobody_else_in(
    host: Host, capsys: pytest.CaptureFixture[str], fault: Exception, said: str
) -> None:
    host.failing = {("end_sessions", "ana"): fault, ("make_home", "zoe"): FULL}
    assert program.main([]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("Users: could not end all that runs of ana: ")
    assert said in line
    assert "; could not make the home of zoe: " in line
    assert is_out(host, "ben")
    assert not host.machine.accounts["cleo"].held
    assert "ana" in host.machine.homes, "a home goes after its owner's processes only"
    assert ("set_password", "zoe") not in host.done
    host.failing = {}
    assert program.main([]) == 0
    assert is_out(host, "ana")
    assert host.machine.archives == ["ana"]
    assert host.machine.accounts["zoe"].shadow == HASHES[0]


def test_what_shuts_somebody_out_is_tried_even_where_another_part_of_it_fails(host: Host) -> None:
    host.failing = {(verb, "ana"): FULL for verb in ("lock", "drop_keys")}
    host.failing["set_groups", "cleo"] = FULL
    assert program.main([]) == 1
    assert {("end_sessions", "ana"), ("renew_sessions", "cleo")} <= set(host.done)
    assert ("archive_home", "ana") not in host.done
    host.failing = {}
    assert program.main([]) == 0
    assert is_out(host, "ana")
    assert "sudo" not in host.machine.accounts["cleo"].groups


@pytest.mark.parametrize("what", ["quotas", "registry"])
def test_what_keeps_accounts_from_being_made_keeps_nobody_in(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    def full(_: Any) -> None:
        raise FULL

    if what == "registry":
        monkeypatch.setattr(program, "write_registry", full)
    host.failing = {("quotas", ""): FULL}
    assert program.main([]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert (is_out(host, "ana"), is_out(host, "ben")) == (True, True)
    assert "zoe" not in host.machine.accounts
    assert registry.read_registry() != Registry()


def test_the_lock_is_for_root_alone_and_waiting_for_it_has_an_end(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(program.LOCK).touch(0o644)  # one of an older program's, which every user could hold
    with program.alone(program.LOCK):
        assert Path(program.LOCK).stat().st_mode & 0o777 == 0o600
        monkeypatch.setattr(program, "alone", lambda path: tools.alone(path, 0.0))
        assert program.main([]) == 1
    assert capsys.readouterr().err.startswith("Users: process ")
    assert program.main(["--save"]) == 0
