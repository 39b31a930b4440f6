"""A host as far as accounts go, in memory: what the steps of a plan do to it."""

from dataclasses import replace
from typing import Any

from workbench_host.accounts import plan as accounts_plan
from workbench_host.accounts import records

Account, Entry, Registry, Step, System, Wanted = (
    getattr(records, name) for name in ("Account", "Entry", "Registry", "Step", "System", "Wanted")
)

HASHES = [f"$6$saltsalt${letter * 30}" for letter in "abcd"]
BARE = {"root": Account(0, 0, "*", "/bin/bash"), "admin": Account(1000, 1000, "!", "/bin/bash")}
GIDS = {"root": 0, "admin": 1000, "sudo": 27, "workbench-admins": 996, "workbench-users": 995}


class Machine:
    """A host as far as accounts go: what each step does to it, by the manual pages of useradd and its kin."""

    def __init__(self, homes: dict[str, int] | None = None) -> None:
        self.accounts = dict(BARE)
        self.gids = dict(GIDS)
        self.homes = dict(homes or {})
        self.keys: dict[str, str] = {}
        self.leaving: dict[str, int] = {}
        self.gone: set[str] = set()
        self.apps: set[str] = set()
        self.archives: list[str] = []
        self.hub: set[str] = set()
        self.signed_in: set[str] = set()  # at the hub

    def system(self) -> Any:
        away = frozenset(self.leaving), frozenset(self.gone), frozenset(self.apps)
        return System(dict(self.accounts), dict(self.gids), dict(self.homes), dict(self.keys), *away)

    def change(self, name: str, **changes: Any) -> None:
        self.accounts[name] = replace(self.accounts[name], **changes)

    def work(self, *names: str) -> None:
        """These users run something, which has the groups of today."""
        for name in names:
            self.change(name, running=True, held=self.accounts[name].groups)

    def do(self, step: Any) -> None:
        name, value = step.name, step.value
        if step.verb in ("add_group", "add_system_group"):
            assert name not in self.gids
            assert value not in self.gids.values()
            self.gids[name] = value if value is not None else 990
        elif step.verb == "add_user":
            assert name not in self.accounts
            uid, groups = value
            assert uid not in {account.uid for account in self.accounts.values()}
            assert groups <= set(self.gids)
            self.accounts[name] = Account(uid, self.gids[name], "!", records.SHELL, groups=groups)
        elif step.verb == "set_keys":
            self.keys[name] = value
        elif step.verb == "drop_keys":
            del self.keys[name]
        elif step.verb == "close_apps":
            self.apps.remove(name)
        elif step.verb == "sign_out":
            self.signed_in.discard(name)
        elif step.verb.startswith("rename_"):
            self.rename(step)
        elif "home" in step.verb or step.verb == "drop_archived":
            self.change_home(step)
        else:
            self.change_account(step)

    def rename(self, step: Any) -> None:
        """Each may have been done before: renaming.py finds that out."""
        name, (old, uid) = step.name, step.value
        if step.verb == "rename_account":
            if old in self.accounts and self.accounts[old].uid == uid:
                assert name not in self.accounts
                self.accounts[name] = replace(self.accounts.pop(old), running=False, held=frozenset())
            if self.gids.get(old) == uid:
                self.gids[name] = self.gids.pop(old)
            if old in self.keys:
                self.keys.setdefault(name, self.keys.pop(old))
        elif step.verb == "rename_home":
            if self.homes.get(old) == uid:
                assert name not in self.homes
                self.homes[name] = self.homes.pop(old)
        elif old in self.hub:
            self.hub = self.hub - {old} | {name}

    def change_home(self, step: Any) -> None:
        name = step.name
        if step.verb == "make_home":
            assert name not in {*self.homes, *self.leaving}
            self.homes[name] = step.value
        elif step.verb == "archive_home":
            assert not self.accounts[name].running
            if name not in self.leaving:
                self.leave(name)
            self.archives.append(name)
            del self.leaving[name]
        elif step.verb == "return_home":
            assert name not in self.homes
            self.homes[name] = self.leaving.pop(name)
        else:
            assert step.verb == "drop_archived"
            self.gone.remove(name)

    def leave(self, name: str) -> None:
        """The first half of archive_home, after which it may be killed."""
        self.leaving[name] = self.homes.pop(name)

    def change_account(self, step: Any) -> None:
        account = self.accounts[step.name]
        gained, lost = step.value if step.verb == "set_groups" else (frozenset(), frozenset())
        assert gained <= set(self.gids)
        changes: dict[str, dict[str, Any]] = {
            "set_password": {"shadow": step.value, "must_change": False},
            "set_due": {"must_change": step.value},
            "set_groups": {"groups": account.groups - lost | gained},
            "unlock": {"expired": False, "shell": records.SHELL},
            "lock": {
                "groups": frozenset(),
                "expired": True,
                "shell": records.NO_SHELL,
                "shadow": account.shadow if account.shadow.startswith("!") else f"!{account.shadow}",
            },
            "end_sessions": {"running": False, "held": frozenset()},
            "renew_sessions": {"held": frozenset()},  # and is at work again
        }
        self.change(step.name, **changes[step.verb])


def remembered(**entries: Any) -> Any:
    """A registry of these users, and of no group."""
    return Registry(entries)


def apply(
    machine: Machine,
    wanted: list[Any],
    registry: Any = None,
    killed_after: int | None = None,
    failing: frozenset[tuple[str, str]] = frozenset(),
) -> Any:
    """Does what is planned, and gives back the registry that is then on the volume.

    `failing` are steps that fail, by verb and name: the user's later ones but for closing it are left out then.
    """
    decided = accounts_plan.plan(wanted, registry or Registry(), machine.system())
    failed: set[str] = set()
    for number, step in enumerate(decided.steps):
        if number == killed_after:
            return decided.first
        is_left_out = number >= len(decided.closing) and step.user in failed
        if (step.verb, step.name) in failing:
            failed.add(step.user)
        elif not is_left_out:
            machine.do(step)
    return decided.after(failed)


def verbs(wanted: list[Any], registry: Any, machine: Machine) -> list[str]:
    return [step.verb for step in accounts_plan.plan(wanted, registry, machine.system()).steps]


# Two users, of whom one gets another name

OLD = Wanted("ana", True, ("ssh-ed25519 A",), HASHES[0], groups=("wind",))
NEW = Wanted("anna", True, ("ssh-ed25519 A",), HASHES[0], groups=("wind",), formerly="ana")
BEN = Wanted("ben", password_hash=HASHES[1])


def a_team() -> tuple[Machine, Any]:
    machine = Machine()
    registry = apply(machine, [OLD, BEN])
    machine.change("ana", shadow=HASHES[2], running=True)  # a password of her own
    machine.apps = {"ana", "ben"}
    machine.hub = {"ana", "ben"}
    return machine, registry
