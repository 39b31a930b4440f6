"""Accounts: groups, passwords that are to be changed, and users who are removed."""

from typing import Any

import pytest

from tests.unit.host.accounts_machine import (
    HASHES,
    Entry,
    Machine,
    Registry,
    Step,
    Wanted,
    accounts_plan,
    apply,
    records,
    verbs,
)


def test_groups_are_made_and_their_members_are_exactly_the_declared_ones() -> None:
    machine = Machine()
    registry = apply(machine, [Wanted("ana", groups=("genomics", "wind")), Wanted("ben", groups=("wind",))])
    assert {name: machine.gids[name] for name in ("genomics", "wind")} == {"genomics": 20000, "wind": 20001}
    assert machine.accounts["ana"].groups == {"workbench-users", "genomics", "wind"}
    registry = apply(machine, [Wanted("ana", groups=("wind",)), Wanted("ben")], registry)
    assert [machine.accounts[name].groups for name in ("ana", "ben")] == [
        {"workbench-users", "wind"},
        {"workbench-users"},
    ]
    assert registry.gids == {"genomics": 20000, "wind": 20001}


def test_a_group_has_the_same_gid_on_another_server_and_its_number_is_never_given_away() -> None:
    registry = apply(Machine(), [Wanted("ana", groups=("wind",))])
    registry = apply(Machine(), [Wanted("ana", groups=("genomics",))], registry)
    assert registry.gids == {"wind": 20000, "genomics": 20001}


@pytest.mark.parametrize("groups", [("lab",), ("lab", "new"), ()])
def test_what_runs_of_whoever_loses_a_group_ends_and_of_nobody_else(groups: tuple[str, ...]) -> None:
    machine = Machine()
    before = [Wanted("ana", groups=("lab", "wind")), Wanted("ben", groups=("lab",)), Wanted("cleo")]
    registry = apply(machine, before)
    machine.work("ana", "ben", "cleo")
    wanted = [Wanted("ana", groups=groups), Wanted("ben", groups=("lab", "wind")), Wanted("cleo")]
    decided = accounts_plan.plan(wanted, registry, machine.system())
    kept = frozenset({"lab", "wind"} - set(groups))
    assert [step for step in decided.closing if step.name != "ben"] == [
        Step("set_groups", "ana", (frozenset(), kept)),
        Step("renew_sessions", "ana", (2000, kept)),
    ]
    assert [step.verb for step in decided.steps if step.name == "ben"] == ["set_groups"]
    assert decided.renewed() == {"ana": 2000}
    for killed in (1, 2):
        registry = apply(machine, wanted, registry, killed_after=killed)
        left = verbs(wanted, registry, machine)
        assert left.count("renew_sessions") == (killed == 1), "the run was killed in between"
    registry = apply(machine, wanted, registry)
    assert verbs(wanted, registry, machine) == []
    machine.work("ana", "ben")
    assert verbs(wanted, registry, machine) == [], "what begins after that has the groups of today"


def test_who_loses_a_group_has_all_ended_whatever_was_seen_of_it() -> None:
    """What came in since the look, or hides from any, has the group all the same."""
    machine, before = Machine(), [Wanted("ana")]
    registry = apply(machine, [Wanted("ana", groups=("lab",))])
    assert verbs(before, registry, machine) == ["set_groups", "renew_sessions"]
    assert verbs([], registry, machine) == ["lock", "end_sessions"]
    assert verbs(before, apply(machine, before, registry), machine) == []
    assert verbs([], apply(machine, [], registry), machine) == []


def test_a_group_that_is_no_longer_declared_at_all_is_lost_like_any_other() -> None:
    machine = Machine()
    registry = apply(machine, [Wanted("ana", groups=("lab",))])
    machine.work("ana")
    assert "lab" in registry.gids
    assert verbs([Wanted("ana")], registry, machine) == ["set_groups", "renew_sessions"]


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (Wanted("ana", groups=("ben",)), "group ben has the name of a user who is or was here"),
        (Wanted("ana", groups=("mysql",)), "group mysql has the name of a group of the system"),
        (Wanted("wind"), "user wind has the name of a group that is or was here"),
        (Wanted("zoe", uid=20000), "user zoe is to have uid 20000, which wind has or had"),
    ],
)
def test_a_group_that_cannot_be_is_refused_in_a_sentence(wanted: Any, sentence: str) -> None:
    machine = Machine()
    machine.gids["mysql"] = 1500
    registry = Registry({"ben": Entry(2000)}, {"wind": 20000})
    with pytest.raises(records.ConflictError, match=sentence):
        accounts_plan.plan([wanted], registry, machine.system())


def test_the_first_login_has_to_change_the_declared_password_and_no_later_one() -> None:
    machine, wanted = Machine(), [Wanted("ana", password_hash=HASHES[0], change_password=True)]
    registry = apply(machine, wanted)
    assert machine.accounts["ana"].must_change
    assert verbs(wanted, registry, machine) == []
    machine.change("ana", shadow=HASHES[1], must_change=False)  # as passwd and the hub do
    registry = apply(machine, wanted, registry)
    assert not machine.accounts["ana"].must_change
    second = Machine(homes={"ana": 2000})
    apply(second, wanted, registry)
    assert (second.accounts["ana"].shadow, second.accounts["ana"].must_change) == (HASHES[1], False)


def test_a_change_of_the_password_that_is_no_longer_asked_for_is_no_longer_due() -> None:
    machine = Machine()
    registry = apply(machine, [Wanted("ana", password_hash=HASHES[0], change_password=True)])
    apply(machine, [Wanted("ana", password_hash=HASHES[0])], registry)
    assert not machine.accounts["ana"].must_change


def test_a_change_that_the_administrator_asked_for_by_hand_stays_due() -> None:
    machine, wanted = Machine(), [Wanted("ana", password_hash=HASHES[0])]
    registry = apply(machine, wanted)
    machine.change("ana", shadow=HASHES[1], must_change=True)
    assert verbs(wanted, registry, machine) == []


def test_a_removed_user_is_shut_out_before_the_home_is_archived() -> None:
    machine = Machine()
    registry = apply(machine, [Wanted("ana", True, ("ssh-ed25519 A",), HASHES[0], groups=("wind",))])
    machine.change("ana", running=True)
    removed = [Wanted("ana", True, removed=True, groups=("wind",))]
    done = verbs(removed, registry, machine)
    assert done == ["lock", "drop_keys", "end_sessions", "archive_home"]
    registry = apply(machine, removed, registry)
    assert (machine.archives, machine.homes) == (["ana"], {})
    assert verbs(removed, registry, machine) == []


def test_a_removed_user_whose_archive_was_cut_short_is_archived_once_more() -> None:
    machine, removed = Machine(), [Wanted("ana", removed=True)]
    registry = apply(machine, removed, apply(machine, [Wanted("ana")]), killed_after=1)
    machine.leave("ana")
    assert verbs(removed, registry, machine) == ["archive_home"]
    apply(machine, removed, registry)
    assert machine.archives == ["ana"]


@pytest.mark.parametrize("wanted", [[Wanted("ana")], []])
def test_a_home_that_was_about_to_leave_returns_when_its_user_is_not_to_be_removed(wanted: Any) -> None:
    machine = Machine()
    registry = apply(machine, [Wanted("ana")])
    machine.leave("ana")
    registry = apply(machine, wanted, registry)
    assert (machine.homes, machine.leaving) == ({"ana": 2000}, {})
    assert verbs(wanted, registry, machine) == []


def test_what_was_archived_but_not_yet_deleted_goes_with_the_next_run() -> None:
    machine = Machine()
    registry = apply(machine, [Wanted("ana")])
    machine.gone = {"ben"}
    apply(machine, [Wanted("ana")], registry)
    assert machine.gone == set()


def test_a_removed_user_who_comes_back_has_the_same_uid_and_a_new_home() -> None:
    machine, wanted = Machine(), [Wanted("ana", password_hash=HASHES[0])]
    registry = apply(machine, [Wanted("ana", removed=True)], apply(machine, wanted))
    apply(machine, wanted, registry)
    assert machine.homes == {"ana": 2000}
    assert machine.accounts["ana"].shadow == HASHES[0]
