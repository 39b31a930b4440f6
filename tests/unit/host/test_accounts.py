"""Accounts: what is decided for single cases."""

from typing import Any

import pytest

from tests.unit.host.accounts_machine import (
    HASHES,
    Account,
    Entry,
    Machine,
    Wanted,
    accounts_plan,
    apply,
    records,
    remembered,
    verbs,
)


def test_the_first_user_gets_uid_2000_a_home_and_the_declared_password() -> None:
    machine = Machine()
    registry = apply(machine, [Wanted("ana", True, ("ssh-ed25519 A",), HASHES[0])])
    assert machine.accounts["ana"] == Account(
        2000, 2000, HASHES[0], "/bin/bash", groups=frozenset({"sudo", "workbench-admins", "workbench-users"})
    )
    assert (machine.homes["ana"], machine.gids["ana"], machine.keys["ana"]) == (2000, 2000, "ssh-ed25519 A\n")
    assert registry.users["ana"].uid == 2000


def test_no_password_is_declared_and_none_matches() -> None:
    machine = Machine()
    apply(machine, [Wanted("ana")])
    assert machine.accounts["ana"].shadow == "*"


def test_a_password_changed_by_its_owner_stays() -> None:
    machine, wanted = Machine(), [Wanted("ana", password_hash=HASHES[0])]
    registry = apply(machine, wanted)
    machine.change("ana", shadow=HASHES[1])
    registry = apply(machine, wanted, registry)
    assert machine.accounts["ana"].shadow == HASHES[1]
    assert registry.users["ana"].shadow == HASHES[1]


def test_a_password_changed_by_its_owner_is_there_on_another_server() -> None:
    wanted = [Wanted("ana", password_hash=HASHES[0])]
    registry = apply(Machine(), wanted)
    seen = accounts_plan.seen(registry.users["ana"], Account(2000, 2000, HASHES[1], "/bin/bash"))
    registry = remembered(ana=seen)
    second = Machine(homes={"ana": 2000})
    apply(second, wanted, registry)
    assert second.accounts["ana"].shadow == HASHES[1]


def test_a_hash_that_is_declared_anew_wins_over_the_owners() -> None:
    machine = Machine()
    registry = apply(machine, [Wanted("ana", password_hash=HASHES[0])])
    machine.change("ana", shadow=HASHES[1])
    apply(machine, [Wanted("ana", password_hash=HASHES[2])], registry)
    assert machine.accounts["ana"].shadow == HASHES[2]


def test_a_hash_that_is_no_longer_declared_takes_the_password_away() -> None:
    machine = Machine()
    registry = apply(machine, [Wanted("ana", password_hash=HASHES[0])])
    registry = apply(machine, [Wanted("ana")], registry)
    assert machine.accounts["ana"].shadow == "*"
    assert registry.users["ana"].shadow is None


@pytest.mark.parametrize("password", [HASHES[1], None])
@pytest.mark.parametrize("killed", [None, 0, 1])
def test_another_declared_password_ends_the_sessions_of_the_one_before(
    password: str | None, killed: int | None
) -> None:
    machine, before = (
        Machine(),
        [Wanted("ana", password_hash=HASHES[0]), Wanted("ben", password_hash=HASHES[0])],
    )
    assert "sign_out" not in verbs(before, remembered(), machine)  # nobody had a session by another one
    registry = apply(machine, before)
    machine.signed_in = {"ana", "ben"}
    after = [Wanted("ana", password_hash=password), before[1]]
    assert verbs(after, registry, machine) == [
        "set_password",
        "sign_out",
    ]  # in between nobody begins one by it
    registry = apply(machine, after, registry, killed_after=killed)
    registry = apply(machine, after, registry)
    assert machine.signed_in == {"ben"}
    assert verbs(after, registry, machine) == []
    machine.change("ana", shadow=HASHES[2])  # by herself
    assert verbs(after, registry, machine) == []


def test_an_account_that_the_administrator_locked_by_hand_stays_locked_and_keeps_its_password() -> None:
    machine, wanted = Machine(), [Wanted("ana", password_hash=HASHES[0])]
    registry = apply(machine, wanted)
    machine.change("ana", shadow=f"!{HASHES[0]}")
    assert verbs(wanted, registry, machine) == []
    assert apply(machine, wanted, registry).users["ana"].shadow == HASHES[0]


def test_a_user_that_is_no_longer_declared_is_closed_everywhere_and_keeps_the_home() -> None:
    machine = Machine()
    registry = apply(machine, [Wanted("ana", True, ("ssh-ed25519 A",), HASHES[0])])
    machine.change("ana", running=True)
    registry = apply(machine, [], registry)
    account = machine.accounts["ana"]
    assert (account.shadow, account.expired, account.shell) == (f"!{HASHES[0]}", True, "/usr/sbin/nologin")
    assert (account.groups, account.running) == (frozenset(), False)
    assert "ana" not in machine.keys
    assert machine.homes["ana"] == 2000
    assert registry.users["ana"] == Entry(2000, Wanted("", password_hash=HASHES[0]).digest, HASHES[0], True)


def test_what_an_administrator_of_before_runs_ends_since_it_keeps_the_groups() -> None:
    machine = Machine()
    registry = apply(machine, [Wanted("ana", True), Wanted("ben", True)])
    machine.work("ana", "ben")
    wanted = [Wanted("ana"), Wanted("ben", True)]
    steps = accounts_plan.plan(wanted, registry, machine.system()).steps
    assert [(step.verb, step.name) for step in steps] == [("set_groups", "ana"), ("renew_sessions", "ana")]
    registry = apply(machine, wanted, registry, killed_after=1)
    assert verbs(wanted, registry, machine) == ["renew_sessions"], "the run was killed in between"


def test_a_user_declared_again_has_the_same_uid_home_and_password() -> None:
    machine, wanted = Machine(), [Wanted("ana", password_hash=HASHES[0])]
    registry = apply(machine, wanted)
    machine.change("ana", shadow=HASHES[1])
    registry = apply(machine, [], registry)
    registry = apply(machine, wanted, registry)
    assert machine.accounts["ana"] == Account(
        2000, 2000, HASHES[1], "/bin/bash", groups=frozenset({"workbench-users"})
    )
    assert verbs(wanted, registry, machine) == []


def test_the_uid_of_somebody_who_is_gone_is_not_given_away() -> None:
    registry = apply(Machine(), [Wanted("ana"), Wanted("ben")])
    machine = Machine(homes={"ana": 2000, "ben": 2001})
    registry = apply(machine, [Wanted("cleo")], registry)
    assert machine.accounts["cleo"].uid == 2002
    assert {name: entry.uid for name, entry in registry.users.items()} == {
        "ana": 2000,
        "ben": 2001,
        "cleo": 2002,
    }


def test_the_registry_alone_is_enough_to_keep_a_uid_from_others() -> None:
    machine = Machine()
    apply(machine, [Wanted("cleo")], remembered(ana=Entry(2000, locked=True)))
    assert machine.accounts["cleo"].uid == 2001


def test_somebody_who_is_gone_has_a_closed_account_on_another_server_too() -> None:
    registry = apply(Machine(), [Wanted("ana", password_hash=HASHES[0])])
    registry = apply(Machine(), [], registry)
    machine = Machine(homes={"ana": 2000})
    apply(machine, [], registry)
    assert machine.accounts["ana"] == Account(2000, 2000, "!", "/usr/sbin/nologin", expired=True)


def test_an_explicit_uid_is_honoured_and_left_out_of_the_next_ones() -> None:
    machine = Machine()
    apply(machine, [Wanted("ana"), Wanted("ben", uid=2001), Wanted("cleo")])
    assert [machine.accounts[name].uid for name in ("ana", "ben", "cleo")] == [2000, 2001, 2002]


def test_a_home_without_a_registry_gives_its_owner_the_uid_back() -> None:
    machine = Machine(homes={"ben": 2000, "ana": 2001})
    apply(machine, [Wanted("ana"), Wanted("ben"), Wanted("cleo")])
    assert [machine.accounts[name].uid for name in ("ana", "ben", "cleo")] == [2001, 2000, 2002]


@pytest.mark.parametrize(
    ("wanted", "registry", "sentence"),
    [
        (
            Wanted("ana", uid=3000),
            {"ana": Entry(2000)},
            "ana is to have uid 3000, but has 2000 on this data volume",
        ),
        (Wanted("ben", uid=2000), {"ana": Entry(2000)}, "ben is to have uid 2000, which ana has or had"),
        (Wanted("mysql"), {}, "mysql has the name of an account of the system"),
        (Wanted("ana", uid=1500), {}, "ana is to have uid 1500, which mysql has on this host"),
        (Wanted("ana", uid=1600), {}, "ana is to have uid 1600, which big has on this host"),
        (
            Wanted("mysql"),
            {"mysql": Entry(2000)},
            "mysql has uid 2000 on the data volume, but another id on this host",
        ),
        (
            Wanted("big"),
            {"big": Entry(2000)},
            "big has uid 2000 on the data volume, but another id on this host",
        ),
        (Wanted("eve", uid=2005), {}, "the home of user eve belongs to uid 2004 instead of 2005"),
    ],
)
def test_a_user_that_cannot_be_is_refused_in_a_sentence(
    wanted: Any, registry: dict[str, Any], sentence: str
) -> None:
    machine = Machine(homes={"eve": 2004})
    machine.accounts["mysql"] = Account(1500, 1500, "!", "/usr/sbin/nologin")
    machine.gids.update(mysql=1500, big=1600)
    with pytest.raises(records.ConflictError, match=sentence):
        accounts_plan.plan([Wanted("zoe"), wanted], remembered(**registry), machine.system())


def test_all_that_stands_against_the_users_is_said_at_once() -> None:
    wanted = [Wanted("ana", uid=3000), Wanted("ben", uid=2000)]
    with pytest.raises(records.ConflictError) as error:
        accounts_plan.plan(wanted, remembered(ana=Entry(2000)), Machine().system())
    assert len(str(error.value).split("; ")) == 2


@pytest.mark.parametrize(
    ("declared", "homes", "said"),
    [
        (
            ["ana", "bob"],
            {"ana": 2004, "bob": 2004},
            "the homes of ana and bob both belong to uid 2004, so that each could read the other's: "
            "run `sudo chown -hR --from=2004 2000:2000 /home/bob`, then deploy again (or the other one)",
        ),
        (
            ["ana"],
            {"ana": 2004, "other": 2004},
            "the homes of ana and other both belong to uid 2004, so that each could read the other's: "
            "run `sudo chown -hR --from=2004 2000:2000 /home/other`, then deploy again (or the other one)",
        ),
        (
            ["ana", "bob"],
            {"ana": 501, "bob": 1234567},
            "the home of user ana belongs to uid 501, which is no person's (those are 1001 to 59999): run "
            "`sudo chown -hR --from=501 2000:2000 /home/ana`, then deploy again; "
            "the home of user bob belongs to uid 1234567, which is no person's (those are 1001 to 59999): run "
            "`sudo chown -hR --from=1234567 2001:2001 /home/bob`, then deploy again",
        ),
    ],
)
def test_homes_with_numbers_that_cannot_be_are_refused_before_anything_is_written(
    declared: list[str], homes: dict[str, int], said: str
) -> None:
    machine = Machine(homes=homes)
    with pytest.raises(records.ConflictError) as refused:
        apply(machine, [Wanted(name) for name in declared])
    assert str(refused.value) == said
    assert machine.homes == homes
    assert machine.accounts == Machine().accounts


def test_after_the_chown_that_was_said_all_is_well() -> None:
    machine = Machine(homes={"ana": 2004, "bob": 2000})
    registry = apply(machine, [Wanted("ana"), Wanted("bob")])
    assert {name: entry.uid for name, entry in registry.users.items()} == {"ana": 2004, "bob": 2000}


def test_two_folders_of_one_number_are_no_matter_to_whoever_is_remembered() -> None:
    machine = Machine(homes={"ana": 2004, "copy-of-ana": 2004})
    registry = apply(machine, [Wanted("ana")], remembered(ana=Entry(2004)))
    assert registry.users["ana"].uid == 2004
