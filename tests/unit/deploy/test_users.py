"""Accounts: what is decided for single cases, and that any history of changes, kills and new servers ends well."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from deploy import users as users_deploy
from tests.unit.deploy import host_programs
from workbench.settings import User

accounts_plan: Any = host_programs.load("accounts_plan")
accounts: Any = host_programs.load("accounts")
Account, Entry, Step, System, Wanted = (
    getattr(accounts_plan, name) for name in ("Account", "Entry", "Step", "System", "Wanted")
)

HASHES = [f"$6$saltsalt${letter * 30}" for letter in "abcd"]
BARE = {"root": Account(0, 0, "*", "/bin/bash"), "admin": Account(1000, 1000, "!", "/bin/bash")}
GIDS = {"root": 0, "admin": 1000, "sudo": 27, "workbench-admins": 996}


class Machine:
    """A host as far as accounts go: what each step does to it, by the manual pages of useradd and its kin."""

    def __init__(self, homes: dict[str, int] | None = None) -> None:
        self.accounts = dict(BARE)
        self.gids = dict(GIDS)
        self.homes = dict(homes or {})
        self.keys: dict[str, str] = {}

    def system(self) -> Any:
        return System(dict(self.accounts), dict(self.gids), dict(self.homes), dict(self.keys))

    def change(self, name: str, **changes: Any) -> None:
        self.accounts[name] = replace(self.accounts[name], **changes)

    def do(self, step: Any) -> None:
        name, value = step.name, step.value
        if step.verb in ("add_group", "add_admin_group"):
            assert name not in self.gids
            self.gids[name] = value if value is not None else 990
        elif step.verb == "add_user":
            assert name not in self.accounts
            assert value not in {account.uid for account in self.accounts.values()}
            self.accounts[name] = Account(value, self.gids[name], "!", accounts_plan.SHELL)
        elif step.verb == "make_home":
            assert name not in self.homes
            self.homes[name] = value
        elif step.verb == "set_keys":
            self.keys[name] = value
        elif step.verb == "drop_keys":
            del self.keys[name]
        else:
            self.change_account(step)

    def change_account(self, step: Any) -> None:
        shadow = self.accounts[step.name].shadow
        changes: dict[str, dict[str, Any]] = {
            "set_password": {"shadow": step.value},
            "set_groups": {"groups": step.value},
            "unlock": {"expired": False, "shell": accounts_plan.SHELL},
            "lock": {
                "expired": True,
                "shell": accounts_plan.NO_SHELL,
                "shadow": shadow if shadow.startswith("!") else f"!{shadow}",
            },
            "end_sessions": {"running": False},
        }
        self.change(step.name, **changes[step.verb])


def apply(
    machine: Machine, wanted: list[Any], registry: dict[str, Any], killed_after: int | None = None
) -> dict[str, Any]:
    """Does what is planned, and gives back the registry that is then on the volume."""
    decided = accounts_plan.plan(wanted, registry, machine.system())
    for number, step in enumerate(decided.steps):
        if number == killed_after:
            return dict(decided.first)
        machine.do(step)
    return dict(decided.last)


def verbs(wanted: list[Any], registry: dict[str, Any], machine: Machine) -> list[str]:
    return [step.verb for step in accounts_plan.plan(wanted, registry, machine.system()).steps]


def test_the_first_user_gets_uid_2000_a_home_and_the_declared_password() -> None:
    machine = Machine()
    registry = apply(machine, [Wanted("ana", True, ("ssh-ed25519 A",), HASHES[0])], {})
    assert machine.accounts["ana"] == Account(
        2000, 2000, HASHES[0], "/bin/bash", groups=frozenset({"sudo", "workbench-admins"})
    )
    assert (machine.homes["ana"], machine.gids["ana"], machine.keys["ana"]) == (2000, 2000, "ssh-ed25519 A\n")
    assert registry["ana"].uid == 2000


def test_no_password_is_declared_and_none_matches() -> None:
    machine = Machine()
    apply(machine, [Wanted("ana")], {})
    assert machine.accounts["ana"].shadow == "*"


def test_a_password_changed_by_its_owner_stays() -> None:
    machine, wanted = Machine(), [Wanted("ana", password_hash=HASHES[0])]
    registry = apply(machine, wanted, {})
    machine.change("ana", shadow=HASHES[1])
    registry = apply(machine, wanted, registry)
    assert machine.accounts["ana"].shadow == HASHES[1]
    assert registry["ana"].shadow == HASHES[1]


def test_a_password_changed_by_its_owner_is_there_on_another_server() -> None:
    wanted = [Wanted("ana", password_hash=HASHES[0])]
    registry = apply(Machine(), wanted, {})
    registry = {"ana": accounts_plan.seen(registry["ana"], Account(2000, 2000, HASHES[1], "/bin/bash"))}
    second = Machine(homes={"ana": 2000})
    apply(second, wanted, registry)
    assert second.accounts["ana"].shadow == HASHES[1]


def test_a_hash_that_is_declared_anew_wins_over_the_owners() -> None:
    machine = Machine()
    registry = apply(machine, [Wanted("ana", password_hash=HASHES[0])], {})
    machine.change("ana", shadow=HASHES[1])
    apply(machine, [Wanted("ana", password_hash=HASHES[2])], registry)
    assert machine.accounts["ana"].shadow == HASHES[2]


def test_a_hash_that_is_no_longer_declared_takes_the_password_away() -> None:
    machine = Machine()
    registry = apply(machine, [Wanted("ana", password_hash=HASHES[0])], {})
    registry = apply(machine, [Wanted("ana")], registry)
    assert machine.accounts["ana"].shadow == "*"
    assert registry["ana"].shadow is None


def test_an_account_that_the_administrator_locked_by_hand_stays_locked_and_keeps_its_password() -> None:
    machine, wanted = Machine(), [Wanted("ana", password_hash=HASHES[0])]
    registry = apply(machine, wanted, {})
    machine.change("ana", shadow=f"!{HASHES[0]}")
    assert verbs(wanted, registry, machine) == []
    assert apply(machine, wanted, registry)["ana"].shadow == HASHES[0]


def test_a_user_that_is_no_longer_declared_is_closed_everywhere_and_keeps_the_home() -> None:
    machine = Machine()
    registry = apply(machine, [Wanted("ana", True, ("ssh-ed25519 A",), HASHES[0])], {})
    machine.change("ana", running=True)
    registry = apply(machine, [], registry)
    account = machine.accounts["ana"]
    assert (account.shadow, account.expired, account.shell) == (f"!{HASHES[0]}", True, "/usr/sbin/nologin")
    assert (account.groups, account.running) == (frozenset(), False)
    assert "ana" not in machine.keys
    assert machine.homes["ana"] == 2000
    assert registry["ana"] == Entry(
        2000, accounts_plan.Wanted("", password_hash=HASHES[0]).digest, HASHES[0], True
    )


def test_a_user_declared_again_has_the_same_uid_home_and_password() -> None:
    machine, wanted = Machine(), [Wanted("ana", password_hash=HASHES[0])]
    registry = apply(machine, wanted, {})
    machine.change("ana", shadow=HASHES[1])
    registry = apply(machine, [], registry)
    registry = apply(machine, wanted, registry)
    assert machine.accounts["ana"] == Account(2000, 2000, HASHES[1], "/bin/bash")
    assert verbs(wanted, registry, machine) == []


def test_the_uid_of_somebody_who_is_gone_is_not_given_away() -> None:
    registry = apply(Machine(), [Wanted("ana"), Wanted("ben")], {})
    machine = Machine(homes={"ana": 2000, "ben": 2001})
    registry = apply(machine, [Wanted("cleo")], registry)
    assert machine.accounts["cleo"].uid == 2002
    assert {name: entry.uid for name, entry in registry.items()} == {"ana": 2000, "ben": 2001, "cleo": 2002}


def test_the_registry_alone_is_enough_to_keep_a_uid_from_others() -> None:
    machine = Machine()
    apply(machine, [Wanted("cleo")], {"ana": Entry(2000, locked=True)})
    assert machine.accounts["cleo"].uid == 2001


def test_somebody_who_is_gone_has_a_closed_account_on_another_server_too() -> None:
    registry = apply(Machine(), [Wanted("ana", password_hash=HASHES[0])], {})
    registry = apply(Machine(), [], registry)
    machine = Machine(homes={"ana": 2000})
    apply(machine, [], registry)
    assert machine.accounts["ana"] == Account(2000, 2000, "!", "/usr/sbin/nologin", expired=True)


def test_an_explicit_uid_is_honoured_and_left_out_of_the_next_ones() -> None:
    machine = Machine()
    apply(machine, [Wanted("ana"), Wanted("ben", uid=2001), Wanted("cleo")], {})
    assert [machine.accounts[name].uid for name in ("ana", "ben", "cleo")] == [2000, 2001, 2002]


def test_a_home_without_a_registry_gives_its_owner_the_uid_back() -> None:
    machine = Machine(homes={"ben": 2000, "ana": 2001})
    apply(machine, [Wanted("ana"), Wanted("ben"), Wanted("cleo")], {})
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
    with pytest.raises(accounts_plan.ConflictError, match=sentence):
        accounts_plan.plan([Wanted("zoe"), wanted], registry, machine.system())


def test_all_that_stands_against_the_users_is_said_at_once() -> None:
    wanted = [Wanted("ana", uid=3000), Wanted("ben", uid=2000)]
    with pytest.raises(accounts_plan.ConflictError) as error:
        accounts_plan.plan(wanted, {"ana": Entry(2000)}, Machine().system())
    assert len(str(error.value).split("; ")) == 2


def test_the_file_for_the_host_is_what_its_program_reads(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = {"name": "ana", "admin": True, "passwordHash": HASHES[0], "uid": 1234}
    declared = [User.model_validate(ana), User.model_validate({"name": "ben"})]
    path = tmp_path / "users.json"
    path.write_text(users_deploy.wanted(declared))
    monkeypatch.setattr(accounts, "WANTED", str(path))
    assert accounts.read_wanted() == [Wanted("ana", True, (), HASHES[0], 1234), Wanted("ben")]


def test_the_registry_is_read_as_it_was_written_and_for_root_only(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "users" / "registry.json"
    monkeypatch.setattr(accounts, "REGISTRY", str(path))
    entries = {"ana": Entry(2000, "d", HASHES[0], True), "ben": Entry(2001)}
    accounts.write_registry(entries)
    assert accounts.read_registry() == entries
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    path.write_text(json.dumps({"users": [1]}))
    with pytest.raises(accounts.FailureError, match="restore it from a snapshot"):
        accounts.read_registry()


def test_a_home_is_whole_or_not_there(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    skeleton = tmp_path / "skel"
    (skeleton / "folder").mkdir(parents=True)
    (skeleton / "folder" / "file").write_text("x")
    homes = tmp_path / "home"
    (homes / ".ana.new" / "left by a killed run").mkdir(parents=True)
    monkeypatch.setattr(accounts, "SKELETON", str(skeleton))
    monkeypatch.setattr(accounts, "HOMES", str(homes))
    owned: dict[str, int] = {}
    monkeypatch.setattr(accounts.os, "lchown", lambda path, uid, gid: owned.update({str(path): uid}))
    accounts.make_home("ana", 2000)
    assert [path.name for path in homes.iterdir()] == ["ana"]
    assert (homes / "ana").stat().st_mode & 0o777 == 0o700
    assert (homes / "ana" / "folder" / "file").read_text() == "x"
    assert set(owned.values()) == {2000}
    assert len(owned) == 3


def test_every_step_has_its_function() -> None:
    machine = Machine()
    machine.gids.pop("workbench-admins")
    wanted = [Wanted("ana", True, ("k",), HASHES[0])]
    seen = set(verbs(wanted, {}, machine))
    registry = apply(machine, wanted, {})
    machine.change("ana", running=True)
    seen |= set(verbs([], registry, machine))
    registry = apply(machine, [], registry)
    seen |= set(verbs(wanted, registry, machine))
    assert seen == set(accounts.VERBS)


NAMES = ("ana", "ben", "cleo", "dora")
PEOPLE = st.lists(
    st.builds(
        Wanted,
        name=st.sampled_from(NAMES),
        admin=st.booleans(),
        ssh_keys=st.sampled_from([(), ("ssh-ed25519 A",), ("ssh-ed25519 A", "ssh-ed25519 B")]),
        password_hash=st.sampled_from([None, *HASHES[:2]]),
    ),
    unique_by=lambda user: user.name,
)


class History(RuleBasedStateMachine):
    """Any order of declaring, deploying, being killed, changing passwords, and moving to a new server."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine()
        self.registry: dict[str, Any] = {}
        self.wanted: list[Any] = []
        self.uids: dict[str, int] = {}
        self.passwords: dict[str, str | None] = {}  # what the user's password is by rights
        self.declared: dict[str, str | None] = {}

    @rule(wanted=PEOPLE)
    def declare_and_deploy(self, wanted: list[Any]) -> None:
        self.wanted = wanted
        self.deploy()

    @rule(wanted=PEOPLE, steps=st.integers(0, 25))
    def die_half_way(self, wanted: list[Any], steps: int) -> None:
        """The same declaration follows at last: in between nobody has changed a password."""
        self.wanted = wanted
        self.registry = apply(self.machine, wanted, self.registry, killed_after=steps)
        self.deploy()

    @rule(name=st.sampled_from(NAMES), number=st.integers(0, 3))
    def change_a_password(self, name: str, number: int) -> None:
        account = self.machine.accounts.get(name)
        if account is not None and not account.expired:
            self.machine.change(name, shadow=HASHES[number], running=True)
            self.passwords[name] = HASHES[number]
            self.registry[name] = accounts_plan.seen(self.registry[name], self.machine.accounts[name])

    @rule(wanted=PEOPLE)
    def rebuild(self, wanted: list[Any]) -> None:
        self.machine = Machine(self.machine.homes)
        self.wanted = wanted
        self.deploy()

    def deploy(self) -> None:
        self.registry = apply(self.machine, self.wanted, self.registry)
        for user in self.wanted:
            if user.name not in self.declared or self.declared[user.name] != user.password_hash:
                self.passwords[user.name] = user.password_hash
            self.declared[user.name] = user.password_hash

    @invariant()
    def nothing_is_left_to_do(self) -> None:
        decided = accounts_plan.plan(self.wanted, self.registry, self.machine.system())
        ending = [step for step in decided.steps if step.verb != "end_sessions"]
        assert (ending, dict(decided.last)) == ([], self.registry)

    @invariant()
    def a_name_keeps_its_uid_and_shares_it_with_nobody(self) -> None:
        for name, entry in self.registry.items():
            assert self.uids.setdefault(name, entry.uid) == entry.uid
            assert self.machine.accounts[name].uid == self.machine.accounts[name].gid == entry.uid
        assert len(set(self.uids.values())) == len(self.uids)

    @invariant()
    def passwords_are_those_that_their_owners_know(self) -> None:
        for user in self.wanted:
            account = self.machine.accounts[user.name]
            assert account.shadow == (self.passwords[user.name] or "*")
            assert (account.expired, account.shell) == (False, "/bin/bash")

    @invariant()
    def nobody_else_gets_in(self) -> None:
        active = {user.name for user in self.wanted}
        for name in set(self.registry) - active:
            account = self.machine.accounts[name]
            assert account.expired
            assert account.shadow.startswith("!")
            assert account.groups == frozenset()
        assert set(self.machine.keys) == {user.name for user in self.wanted if user.ssh_keys}
        assert self.machine.accounts["admin"] == BARE["admin"]


TestHistory = History.TestCase
TestHistory.settings = hypothesis_settings(max_examples=150, stateful_step_count=15, deadline=None)
