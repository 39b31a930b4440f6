"""Users who get another name: what is decided, and killed anywhere. What the steps do: test_accounts_renaming.py."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.host.accounts_machine import (
    BEN,
    HASHES,
    NEW,
    OLD,
    Entry,
    Machine,
    Wanted,
    a_team,
    apply,
    records,
    remembered,
    verbs,
)
from workbench_host.accounts import program, registry
from workbench_host.tools import FailureError


def state(machine: Machine, registry: Any) -> tuple[Any, ...]:
    return (machine.accounts, machine.gids, machine.homes, machine.keys, machine.hub, registry)


def test_a_renamed_user_keeps_uid_home_password_groups_and_what_the_hub_knows() -> None:
    machine, registry = a_team()
    registry = apply(machine, [NEW, BEN], registry)
    assert set(machine.accounts) == {"root", "admin", "anna", "ben"}
    account = machine.accounts["anna"]
    assert (account.uid, account.shadow, account.running) == (2000, HASHES[2], False)
    assert account.groups == frozenset({"sudo", "workbench-admins", "workbench-users", "wind"})
    assert machine.homes == {"anna": 2000, "ben": 2001}
    assert machine.keys == {"anna": "ssh-ed25519 A\n"}
    assert machine.hub == {"anna", "ben"}
    assert "ana" not in machine.apps
    assert registry.users["anna"] == Entry(2000, NEW.digest, HASHES[2], formerly="ana")
    assert "ana" not in registry.users


def test_killed_anywhere_the_next_run_ends_as_if_nothing_had_been() -> None:
    machine, registry = a_team()
    steps = len(verbs([NEW, BEN], registry, machine))
    assert steps >= 4
    right = state(machine, apply(machine, [NEW, BEN], registry))
    for killed in range(steps):
        machine, registry = a_team()
        registry = apply(machine, [NEW, BEN], registry, killed_after=killed)
        machine.apps.discard("ana")
        machine.hub |= {"anna"} & set(machine.accounts)  # she logs in meanwhile
        registry = apply(machine, [NEW, BEN], registry)
        assert state(machine, registry) == right, killed
        assert verbs([NEW, BEN], registry, machine) == []


@pytest.mark.parametrize("verb", ["rename_account", "rename_home", "rename_in_hub"])
def test_one_that_fails_keeps_nobody_else_waiting_and_is_done_by_the_next(verb: str) -> None:
    machine, registry = a_team()
    changed = Wanted("ben", password_hash=HASHES[3])
    registry = apply(machine, [NEW, changed], registry, failing=frozenset({(verb, "anna")}))
    assert machine.accounts["ben"].shadow == HASHES[3]
    assert registry.users["anna"].moving
    registry = apply(machine, [NEW, changed], registry)
    assert machine.homes["anna"] == 2000
    assert machine.hub == {"anna", "ben"}
    assert not registry.users["anna"].moving


def test_whose_rename_fails_gets_in_by_the_declared_keys_under_the_old_name() -> None:
    machine, registry = a_team()
    other = replace(NEW, ssh_keys=("ssh-ed25519 B",))
    fails = frozenset({("rename_account", "anna")})
    registry = apply(machine, [NEW, BEN], registry, failing=fails)
    assert machine.keys == {"ana": NEW.keys_text}
    registry = apply(machine, [other, BEN], registry, failing=fails)
    assert machine.keys == {"ana": other.keys_text}, "the one of before is of no use any more"
    apply(machine, [other, BEN], registry)
    assert machine.keys == {"anna": other.keys_text}


@pytest.mark.parametrize("wanted", [[replace(NEW, ssh_keys=()), BEN], [NEW, BEN], [BEN]])
def test_killed_between_the_account_and_its_keys_the_next_run_ends_it(wanted: list[Any]) -> None:
    machine, registry = a_team()
    keys = dict(machine.keys)
    registry = apply(machine, [NEW, BEN], registry, failing=frozenset({("rename_home", "anna")}))
    machine.keys = keys
    registry = apply(machine, wanted, registry)
    assert machine.keys == ({"anna": NEW.keys_text} if NEW in wanted else {})
    assert not registry.users["anna"].moving
    assert verbs(wanted, registry, machine) == []


def test_the_key_may_stay_for_ever() -> None:
    machine, registry = a_team()
    registry = apply(machine, [NEW, BEN], registry)
    assert verbs([NEW, BEN], registry, machine) == ["end_sessions"] * machine.accounts["anna"].running
    server = Machine(homes=machine.homes)  # another one, with the same volume
    registry = apply(server, [NEW, BEN], registry)
    assert server.accounts["anna"].uid == 2000
    empty = Machine()  # another stack, whose volume knows nobody
    other = apply(empty, [NEW, BEN])
    assert {name: entry.uid for name, entry in other.users.items()} == {"anna": 2000, "ben": 2001}
    assert verbs([NEW, BEN], other, empty) == []


@pytest.mark.parametrize("killed", [None, *range(4)])
def test_nobody_else_gets_a_name_that_was_somebodys(killed: int | None) -> None:
    machine, registry = a_team()
    registry = apply(machine, [NEW, BEN], registry, killed_after=killed)
    said = (
        "ana is what anna (uid 2000) was called before, and sign-ins in browsers, paths to the home and mails still "
        "go by it: choose another name"
    )
    for wanted, begins in [
        ([NEW, BEN, Wanted("ana")], "name of user ana: "),
        ([BEN, Wanted("ana")], "name of user ana: "),  # also once anna is closed
        ([NEW, Wanted("ana", formerly="ben")], "formerly of user ana is ben, but "),
    ]:
        with pytest.raises(records.ConflictError) as refused:
            apply(machine, wanted, registry)
        assert str(refused.value) == begins + said
    on = [Wanted("annette", formerly="anna"), BEN]
    if killed is not None:
        with pytest.raises(
            records.ConflictError, match="whose own new name is not through: deploy once with anna as"
        ):
            apply(machine, on, registry)
        registry = apply(machine, [NEW, BEN], registry)
    third = apply(machine, on, registry)
    assert third.users["annette"].former == ("ana", "anna")
    for name in ("ana", "anna"):
        with pytest.raises(
            records.ConflictError, match=rf"^name of user {name}: {name} is what annette \(uid 2000\)"
        ):
            apply(machine, [Wanted("annette"), BEN, Wanted(name)], third)
    back = apply(machine, [Wanted("ana", formerly="annette"), BEN], third)
    assert back.users["ana"].former == ("anna", "annette")
    assert machine.homes["ana"] == 2000


def test_who_had_a_name_already_when_this_was_allowed_keeps_it() -> None:
    before = remembered(anna=Entry(2000, formerly="ana"), ana=Entry(2001))
    machine = Machine()
    after = apply(machine, [Wanted("anna", formerly="ana"), Wanted("ana")], before)
    assert {name: account.uid for name, account in machine.accounts.items() if account.uid >= 2000} == {
        "anna": 2000,
        "ana": 2001,
    }
    assert after.former() == {}


def test_on_a_fresh_server_the_account_is_made_with_the_uid_of_before() -> None:
    machine, registry = a_team()
    server = Machine(homes=machine.homes)
    registry = apply(server, [NEW, BEN], registry)
    assert server.accounts["anna"].uid == 2000
    assert server.homes == {"anna": 2000, "ben": 2001}


def test_back_again_and_on_to_a_third_name() -> None:
    machine, registry = a_team()
    registry = apply(machine, [NEW], registry)
    registry = apply(machine, [Wanted("ana", formerly="anna")], registry)
    assert machine.homes["ana"] == 2000
    registry = apply(machine, [Wanted("annette", formerly="ana")], registry)
    assert machine.homes["annette"] == 2000
    assert {name for name, entry in registry.users.items() if entry.uid == 2000} == {"annette"}


def test_a_name_that_is_not_the_last_one_any_more_is_told_with_the_one_of_today() -> None:
    machine, registry = a_team()
    registry = apply(machine, [NEW], registry)
    with pytest.raises(records.ConflictError, match="is ana, who is anna today: take that for formerly"):
        apply(machine, [Wanted("annette", formerly="ana")], registry)


def test_a_closed_account_is_opened_under_its_new_name() -> None:
    machine, registry = a_team()
    registry = apply(machine, [BEN], registry)
    registry = apply(machine, [BEN, NEW], registry)
    account = machine.accounts["anna"]
    assert (account.uid, account.expired, account.shadow) == (2000, False, HASHES[2])


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (
            [Wanted("ana", formerly="ben"), Wanted("ben", formerly="ana")],
            "formerly of user ana is ben, but ana has or had an account and a home of its own (uid 2000): take another "
            "name, or take formerly out; formerly of user ben is ana, but ben has or had an account and a home of its "
            "own (uid 2001): take another name, or take formerly out",
        ),
        ([Wanted("ben", formerly="ana")], "formerly of user ben is ana, but ben has or had an account"),
        (
            [Wanted("cleo", formerly="ben"), Wanted("ben", formerly="ana")],
            "formerly of user cleo is ben, but ben is declared as well: take that user out, as nobody gets a name "
            "that was somebody else's",
        ),
        (
            [Wanted("anna", formerly="anne")],
            "formerly of user anna is anne, and there never was a user anne here",
        ),
        (
            [Wanted("annette", formerly="anna")],
            "formerly of user annette is anna, and there never was a user anna here",
        ),
        ([NEW, OLD], "formerly of user anna is ana, but ana is declared as well"),
        ([Wanted("root", formerly="ana")], "but root is the name of an account or group of the system"),
        ([Wanted("sudo", formerly="ana")], "but sudo is the name of an account or group of the system"),
        ([Wanted("there", formerly="ana")], "but there is a folder /home/there already: move it away"),
        ([Wanted("wind", formerly="ana")], "but wind is the name of an account or group"),
    ],
)
def test_what_cannot_be_is_refused_with_the_key_and_nothing_is_changed(wanted: list[Any], said: str) -> None:
    machine, registry = a_team()
    machine.homes["there"] = 2044
    before = repr(state(machine, registry))
    with pytest.raises(records.ConflictError) as refused:
        apply(machine, wanted, registry)
    assert said in str(refused.value)
    assert repr(state(machine, registry)) == before


def test_the_registry_of_whoever_was_never_renamed_is_as_programs_of_before_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "REGISTRY", str(tmp_path / "users" / "registry.json"))
    kept = remembered(ben=Entry(2001), anna=Entry(2000, formerly="ana", moving=True))
    registry.write_registry(kept)
    assert registry.read_registry() == kept
    kept = remembered(ana=Entry(2000, formerly="anna", earlier=("a", "b")))
    registry.write_registry(kept)
    assert registry.read_registry() == kept
    assert registry._told(Entry(2001)) == {"uid": 2001, "declared": None, "shadow": None, "locked": False}


def test_without_a_registry_nobody_is_renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    def refused(_: object) -> None:
        raise OSError("read-only file system")

    machine, remembered_now = a_team()
    from workbench_host.accounts import plan

    decided = plan.plan([NEW, BEN], remembered_now, machine.system())
    monkeypatch.setattr(program, "write_registry", refused)
    monkeypatch.setattr(
        program, "VERBS", {verb: lambda name, _, verb=verb: taken.append(verb) for verb in program.VERBS}
    )
    with pytest.raises(FailureError, match="write the registry"):
        program.apply(program.Due(decided, {}, {}, {}, {}))
    assert not [verb for verb in taken if verb.startswith("rename")]
