"""Users who get another name and are to be out, or to lose a group, whatever becomes of the rename."""

from typing import Any

import pytest

from tests.unit.host.accounts_machine import BEN, HASHES, NEW, Entry, Wanted, a_team, apply, verbs
from workbench_host.accounts import plan, program
from workbench_host.tools import FailureError

RENAME_FAILS = frozenset({("rename_account", "anna")})


@pytest.mark.parametrize("killed", range(6))
def test_killed_and_then_not_declared_any_more_it_is_closed_under_the_new_name(killed: int) -> None:
    machine, registry = a_team()
    registry = apply(machine, [NEW, BEN], registry, killed_after=killed)
    registry = apply(machine, [BEN], registry)
    assert machine.accounts["anna"].expired
    assert machine.homes == {"anna": 2000, "ben": 2001}
    assert registry.users["anna"].locked
    assert not registry.users["anna"].moving


def test_what_runs_from_boot_on_ends_where_a_renamed_account_is_to_be_closed() -> None:
    machine, registry = a_team()
    registry = apply(machine, [NEW, BEN], registry, killed_after=0)
    steps = verbs([BEN], registry, machine)
    assert steps.index("lock") < steps.index("end_sessions") < steps.index("rename_account")
    registry = apply(machine, [NEW, BEN], a_team()[1])
    assert "end_sessions" not in verbs([NEW, BEN], registry, machine)


@pytest.mark.parametrize("killed", [None, 0])
def test_whose_rename_fails_for_ever_is_closed_all_the_same(killed: int | None) -> None:
    machine, registry = a_team()
    machine.work("ana")
    registry = apply(machine, [NEW, BEN], registry, killed, frozenset() if killed == 0 else RENAME_FAILS)
    machine.work("ana")
    for _ in range(2):
        registry = apply(machine, [BEN], registry, failing=RENAME_FAILS)
        account = machine.accounts["ana"]
        assert (account.closed, account.shadow[0], account.groups) == (True, "!", frozenset())
        assert (account.running, account.held) == (False, frozenset())
        assert "ana" not in machine.keys
        assert registry.users["anna"].moving
    registry = apply(machine, [BEN], registry)
    assert machine.accounts["anna"].closed
    assert registry.users["anna"] == Entry(2000, NEW.digest, HASHES[2], True, "ana")
    assert verbs([BEN], registry, machine) == []
    registry = apply(machine, [NEW, BEN], registry)
    assert (machine.accounts["anna"].closed, machine.accounts["anna"].shadow) == (False, HASHES[2])


@pytest.mark.parametrize("killed", range(12))
def test_killed_while_it_closes_whose_rename_failed_the_next_run_ends_it(killed: int) -> None:
    machine, registry = a_team()
    registry = apply(machine, [NEW, BEN], registry, failing=RENAME_FAILS)
    machine.work("ana")
    registry = apply(machine, [BEN], registry, killed_after=killed)
    machine.apps.discard("ana")
    registry = apply(machine, [BEN], registry)
    assert verbs([BEN], registry, machine) == []
    assert (machine.accounts["anna"].closed, machine.accounts["anna"].running) == (True, False)
    assert machine.homes == {"anna": 2000, "ben": 2001}


@pytest.mark.parametrize("renew_fails", [False, True])
def test_who_is_renamed_and_no_administrator_any_more_is_none_whatever_becomes_of_the_rename(
    renew_fails: bool,
) -> None:
    machine, registry = a_team()
    machine.work("ana")
    failing = RENAME_FAILS | ({("renew_sessions", "ana")} if renew_fails else frozenset())
    one = Wanted("anna", password_hash=HASHES[0], formerly="ana")
    registry = apply(machine, [one, BEN], registry, failing=failing)
    assert machine.accounts["ana"].groups == {"workbench-users"}
    assert ("sudo" in machine.accounts["ana"].held) == renew_fails
    registry = apply(machine, [one, BEN], registry)
    account = machine.accounts["anna"]
    assert (account.groups, account.held) == ({"workbench-users"}, frozenset())
    assert verbs([one, BEN], registry, machine) == []


def test_what_could_not_be_closed_under_the_old_name_is_not_noted_as_closed_under_the_new_one() -> None:
    machine, registry = a_team()
    registry = apply(machine, [NEW, BEN], registry, killed_after=0)
    gone = [BEN, Wanted("anna", removed=True)]
    registry = apply(machine, gone, registry, failing=frozenset({("lock", "ana")}))
    assert "ana" in machine.accounts, "its later steps wait for it"
    assert (registry.users["anna"].locked, registry.users["anna"].moving) == (False, True)
    assert machine.archives == []
    apply(machine, gone, registry)
    assert (machine.accounts["anna"].closed, machine.archives) == (True, ["anna"])


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_rename_that_was_killed_while_the_account_was_expired_leaves_it_open_at_last(by_hand: bool) -> None:
    machine, registry = a_team()
    registry = apply(machine, [NEW, BEN], registry, killed_after=1)
    shadow = f"!{HASHES[2]}" if by_hand else HASHES[2]
    machine.change("ana", expired=True, shadow=shadow)  # as renaming.py has it meanwhile
    registry = apply(machine, [NEW, BEN], registry)
    account = machine.accounts["anna"]
    assert (account.expired, account.shadow) == (False, shadow), "locked by hand it stays so"
    assert verbs([NEW, BEN], registry, machine) == []


@pytest.mark.parametrize(("failing", "renames"), [("rename_account", ["rename_account"]), ("lock", [])])
def test_the_program_closes_it_under_the_old_name_and_leaves_out_what_was_to_follow(
    monkeypatch: pytest.MonkeyPatch, failing: str, renames: list[str]
) -> None:
    machine, registry = a_team()
    registry = apply(machine, [NEW, BEN], registry, killed_after=0)
    decided = plan.plan([BEN, Wanted("anna", removed=True)], registry, machine.system())
    taken: list[tuple[str, str]] = []
    written: list[Any] = []

    def take(verb: str, name: str) -> None:
        taken.append((verb, name))
        if verb == failing:
            raise FailureError("no")

    verbs_of_the_test = {verb: lambda name, _, verb=verb: take(verb, name) for verb in program.VERBS}
    monkeypatch.setattr(program, "VERBS", verbs_of_the_test)
    monkeypatch.setattr(program, "write_registry", written.append)
    monkeypatch.setattr(program, "share", lambda _: None)
    monkeypatch.setattr(program.shared, "link", lambda: None)
    with pytest.raises(FailureError):
        program.apply(program.Due(decided, {}, {}, {}, {}))
    assert {("lock", "ana"), ("end_sessions", "ana")} <= set(taken)
    assert [verb for verb, _ in taken if verb.startswith("rename")] == renames
    assert ("archive_home", "anna") not in taken
    assert written[-1].users["anna"].moving
