"""Accounts: what a plan would do in plain words, as the program says it of a file that is to come."""

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.unit.host.accounts_machine import HASHES, Entry, Machine, Registry, Wanted, apply
from workbench_host import activity, tools
from workbench_host.accounts import people, program, quota, registry
from workbench_host.accounts.plan import plan
from workbench_host.accounts.words import words

KEY = "ssh-ed25519 AAAAC3 ana"


def said(wanted: list[Any], there: Any, machine: Machine) -> list[str]:
    return words(plan(wanted, there, machine.system()).steps, lambda name, uid: f"what {uid} runs")


def test_a_new_user_and_a_new_group_are_a_line_each() -> None:
    user = Wanted("ana", True, (KEY,), HASHES[0], groups=("wind",), change_password=True)
    assert said([user], Registry(), Machine()) == [
        "wind: make the group",
        "ana: make the account (uid 2000), make the home, set the SSH keys, set the password, "
        "ask for another password at the next login",
    ]


def test_whose_account_closes_is_said_with_what_ends_and_what_becomes_of_the_home() -> None:
    machine = Machine()
    there = apply(machine, [Wanted("ana", ssh_keys=(KEY,)), Wanted("ben")])
    machine.change("ana", running=True)
    assert said([Wanted("ana", removed=True)], there, machine) == [
        "ana: close the account, take the declared SSH keys away, end all that runs (what 2000 runs), "
        "move the home into an archive",
        "ben: close the account, end all that runs (what 2001 runs)",
    ]


def test_who_loses_a_group_is_said_with_what_ends_and_why() -> None:
    machine = Machine()
    there = apply(machine, [Wanted("ana", True, groups=("lab",)), Wanted("ben")])
    machine.work("ana", "ben")
    assert said([Wanted("ana"), Wanted("ben", groups=("lab",))], there, machine) == [
        "ana: take out of lab, sudo, workbench-admins, end all that runs (what 2000 runs), so that nothing stays in "
        "lab, sudo, workbench-admins",
        "ben: add to lab",
    ]


def test_who_is_renamed_and_loses_a_group_is_said_by_both_names() -> None:
    machine = Machine()
    there = apply(machine, [Wanted("ana", groups=("lab",))])
    machine.work("ana")
    assert said([Wanted("anna", formerly="ana")], there, machine) == [
        "ana: take out of lab, end all that runs (what 2000 runs), so that nothing stays in lab",
        "anna: rename ana, and end all that runs (what 2000 runs), move the home, with a link from the old path, "
        "rename in JupyterHub",
    ]


def test_a_rename_is_said_with_what_ends() -> None:
    machine = Machine()
    there = apply(machine, [Wanted("ana")])
    assert said([Wanted("anna", formerly="ana")], there, machine) == [
        "anna: rename ana, and end all that runs (what 2000 runs), move the home, with a link from the old path, "
        "rename in JupyterHub"
    ]


def test_every_other_step_has_its_words_and_none_of_them_a_secret() -> None:
    machine = Machine()
    before = Wanted("ana", password_hash=HASHES[0], groups=("wind",), change_password=True)
    there = apply(machine, [before])
    after = Wanted("ana", admin=True, ssh_keys=(KEY,), password_hash=HASHES[1])
    assert said([after], there, machine) == [
        "ana: take out of wind, end all that runs (what 2000 runs), so that nothing stays in wind, set the SSH keys, "
        "set the password, end the sessions in JupyterHub, add to sudo, workbench-admins"
    ]
    machine = Machine()
    there = apply(machine, [before])
    assert said([Wanted("ana", password_hash=HASHES[0], groups=("wind",))], there, machine) == [
        "ana: ask for no other password"
    ]
    there = apply(machine, [], there)
    machine.leave("ana")
    machine.gone = {"ben"}
    (ana, ben) = said([before], there, machine)
    assert ben == "ben: delete what is left of the archived home"
    assert ana.startswith("ana: bring the home back, ")
    assert "open the account again" in ana


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A host with the users ana, who is at work, and ben; as the program reads it."""
    machine = Machine()
    there = apply(machine, [Wanted("ana"), Wanted("ben")])
    machine.change("ana", running=True)
    monkeypatch.setattr(registry, "REGISTRY", str(tmp_path / "users" / "registry.json"))
    registry.write_registry(there)
    monkeypatch.setattr(registry, "WANTED", str(tmp_path / "users.json"))
    (tmp_path / "users.json").write_text(file_of([Wanted("ana"), Wanted("ben")]))
    monkeypatch.setattr(program, "LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(program, "need_volume", lambda *_: None)
    monkeypatch.setattr(program, "read_system", lambda groups: machine.system())
    monkeypatch.setattr(program.shared, "LINK", str(tmp_path / "link"))
    (tmp_path / "link").symlink_to("nowhere")
    monkeypatch.setattr(program.shared, "is_right", lambda path, gid: True)
    monkeypatch.setattr(program.scratch, "is_right", lambda name, uid: True)
    monkeypatch.setattr(quota, "wrong", lambda disk_gib, uids: dict.fromkeys(uids, 1) if disk_gib else {})
    monkeypatch.setattr("workbench_host.processes.at_work", lambda: Counter({2000: 14}))
    monkeypatch.setattr(people, "servers", lambda: Counter({"ana": 2}))
    monkeypatch.setattr(activity, "logins", lambda: Counter({"ana": 1}))
    return machine


def file_of(users: list[Any], disk_gib: int | None = None) -> str:
    return json.dumps({"users": [vars(user) for user in users], "disk_gib": disk_gib})


def ask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: str
) -> tuple[int, list[str]]:
    """The answer to what a file that is to come would change; it goes there as a deploy sends it."""
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    status = program.main(["--check", tools.GIVEN])
    return status, capsys.readouterr().out.splitlines()


def test_of_a_file_that_is_to_come_it_says_who_ends_with_what_and_changes_nothing(
    host: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["--check"]) == tools.CLEAN
    before = (host.accounts, registry.read_registry())
    status, lines = ask(monkeypatch, capsys, file_of([Wanted("ben"), Wanted("eve", password_hash=HASHES[0])]))
    assert status == tools.WOULD_CHANGE
    assert lines == [
        "ana: close the account, end all that runs (2 Jupyter servers, 1 login, 14 processes)",
        "eve: make the account (uid 2002), make the home, set the password",
    ]
    assert (host.accounts, registry.read_registry()) == before


def test_what_stands_against_a_file_that_is_to_come_is_its_answer(
    host: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, lines = ask(monkeypatch, capsys, file_of([Wanted("ana", uid=2001)]))
    assert (status, len(lines)) == (1, 1)
    assert lines[0].startswith("Users: user ana is to have uid 2001, but has 2000 on this data volume")


def test_what_is_no_step_of_the_plan_is_said_too(
    host: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program.shared, "is_right", lambda path, gid: False)
    monkeypatch.setattr(program.scratch, "is_right", lambda name, uid: uid != 2000)
    both = [Wanted("ana"), Wanted("ben")]
    assert ask(monkeypatch, capsys, file_of(both, disk_gib=5)) == (
        tools.WOULD_CHANGE,
        [
            "set the disk quota of uids 2000, 2001",
            f"make the shared folder {program.shared.SHARED}/everybody, or put it right",
            "make the temporary folder of ana",
        ],
    )
    monkeypatch.setattr(program.shared, "is_right", lambda path, gid: True)
    monkeypatch.setattr(program.scratch, "is_right", lambda name, uid: True)
    registry.write_registry(Registry({"ana": Entry(2000), "ben": Entry(2001, locked=True)}))
    assert ask(monkeypatch, capsys, file_of(both)) == (
        tools.WOULD_CHANGE,
        ["note users, groups and passwords in the registry"],
    )
