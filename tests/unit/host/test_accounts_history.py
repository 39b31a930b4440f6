"""Accounts: that any history of changes, kills and new servers ends well."""

from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.unit.host.accounts_machine import (
    BARE,
    HASHES,
    Machine,
    Registry,
    Wanted,
    accounts_plan,
    apply,
)

NAMES = ("ana", "ben", "cleo", "dora")
FAILING = (
    "add_user",
    "make_home",
    "set_keys",
    "drop_keys",
    "set_password",
    "set_due",
    "set_groups",
    "unlock",
)
FAILING += ("lock", "end_sessions", "renew_sessions", "archive_home", "return_home")
PEOPLE = st.lists(
    st.builds(
        Wanted,
        name=st.sampled_from(NAMES),
        admin=st.booleans(),
        ssh_keys=st.sampled_from([(), ("ssh-ed25519 A",), ("ssh-ed25519 A", "ssh-ed25519 B")]),
        password_hash=st.sampled_from([None, *HASHES[:2]]),
        groups=st.sampled_from([(), ("wind",), ("wind", "genomics")]),
        change_password=st.booleans(),
        removed=st.sampled_from([False, False, True]),
    ),
    unique_by=lambda user: user.name,
)


class History(RuleBasedStateMachine):
    """Any order of declaring, deploying, being killed, changing passwords, and moving to a new server."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine()
        self.registry: Any = Registry()
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

    @rule(wanted=PEOPLE, failing=st.frozensets(st.tuples(st.sampled_from(FAILING), st.sampled_from(NAMES))))
    def fail_for_some(self, wanted: list[Any], failing: frozenset[tuple[str, str]]) -> None:
        """The others have all that they should; the same declaration follows at last."""
        self.wanted = wanted
        self.registry = apply(self.machine, wanted, self.registry, failing=failing)
        failed = {name for _, name in failing}
        decided = accounts_plan.plan(wanted, self.registry, self.machine.system())
        assert {step.name for step in decided.steps if step.verb != "end_sessions"} <= failed
        self.deploy()

    @rule(wanted=PEOPLE)
    def die_while_archiving(self, wanted: list[Any]) -> None:
        """With a home out of its place; what is declared then may be something else."""
        plan = accounts_plan.plan(self.wanted, self.registry, self.machine.system())
        assert plan.steps == () or {step.verb for step in plan.steps} == {"end_sessions"}
        for name in sorted(set(self.machine.homes) & {user.name for user in wanted if user.removed}):
            self.machine.change(name, running=False, held=frozenset())
            self.machine.leave(name)
            self.registry = apply(self.machine, self.wanted, self.registry)
        self.wanted = wanted
        self.deploy()

    @rule(name=st.sampled_from(NAMES), number=st.integers(2, 3))
    def change_a_password(self, name: str, number: int) -> None:
        """To one that is not declared: a hash has a salt, and no two are the same."""
        account = self.machine.accounts.get(name)
        if account is not None and not account.expired:
            self.machine.change(name, shadow=HASHES[number], running=True, must_change=False)
            self.passwords[name] = HASHES[number]
            entry = accounts_plan.seen(self.registry.users[name], self.machine.accounts[name])
            self.registry = Registry({**self.registry.users, name: entry}, self.registry.gids)

    @rule(names=st.sets(st.sampled_from(NAMES)))
    def be_at_work(self, names: set[str]) -> None:
        self.machine.work(*(user.name for user in self.people() if user.name in names))

    @rule(wanted=PEOPLE)
    def rebuild(self, wanted: list[Any]) -> None:
        before, self.machine = self.machine, Machine(self.machine.homes)
        self.machine.leaving, self.machine.archives = before.leaving, before.archives
        self.wanted = wanted
        self.deploy()

    def people(self) -> list[Any]:
        return [user for user in self.wanted if not user.removed]

    def deploy(self) -> None:
        self.registry = apply(self.machine, self.wanted, self.registry)
        for user in self.people():
            if user.name not in self.declared or self.declared[user.name] != user.password_hash:
                self.passwords[user.name] = user.password_hash
            self.declared[user.name] = user.password_hash

    @invariant()
    def nothing_is_left_to_do(self) -> None:
        decided = accounts_plan.plan(self.wanted, self.registry, self.machine.system())
        ending = [step for step in decided.steps if step.verb != "end_sessions"]
        assert (ending, decided.last) == ([], self.registry)

    @invariant()
    def a_name_keeps_its_uid_and_shares_it_with_nobody(self) -> None:
        for name, entry in self.registry.users.items():
            assert self.uids.setdefault(name, entry.uid) == entry.uid
            assert self.machine.accounts[name].uid == self.machine.accounts[name].gid == entry.uid
        assert len(set(self.uids.values())) == len(self.uids)

    @invariant()
    def passwords_are_those_that_their_owners_know(self) -> None:
        for user in self.people():
            account = self.machine.accounts[user.name]
            assert account.shadow == (self.passwords[user.name] or "*")
            assert account.must_change == (user.change_password and account.shadow == user.password_hash)
            assert account.groups >= {"workbench-users", *user.groups}
            assert (account.expired, account.shell) == (False, "/bin/bash")
            assert account.held <= user.memberships

    @invariant()
    def nobody_else_gets_in(self) -> None:
        active = {user.name for user in self.people()}
        for name in set(self.registry.users) - active:
            account = self.machine.accounts[name]
            assert account.expired
            assert account.shadow.startswith("!")
            assert account.groups == account.held == frozenset()
        assert set(self.machine.keys) == {user.name for user in self.people() if user.ssh_keys}
        assert self.machine.accounts["admin"] == BARE["admin"]

    @invariant()
    def every_home_is_in_its_place_or_in_an_archive(self) -> None:
        for name in self.registry.users:
            assert name in self.machine.homes or name in self.machine.archives
        assert {user.name for user in self.people()} <= set(self.machine.homes)
        assert not self.machine.leaving


TestHistory = History.TestCase
TestHistory.settings = hypothesis_settings(max_examples=150, stateful_step_count=15, deadline=None)
