"""accounts [--check [--given] | --save | --apps | --shared]: the host's accounts are those declared.

/etc/workbench/users.json has them. Without an argument it does what plan.py decides; with --check nothing is changed, 0
says that all is as it should be and 3 that something would change, and the output what; with --given it is about the
file on its standard input. --save only notes in the registry the passwords that have been changed, as
workbench-accounts.path asks for whenever /etc/shadow changes; --apps only opens the sockets of the users' apps, as
workbench-apps.service asks for, and exits with 4 where those of some did not start; --shared only mounts the shared
folders on themselves (shared.py), as workbench-shared.service asks for before there are homes. The registry is on the
data volume.
"""

import os
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from workbench_host import processes
from workbench_host.accounts import apps, ending, quota, scratch, shared
from workbench_host.accounts.apps import close_apps
from workbench_host.accounts.attempts import Attempts
from workbench_host.accounts.ending import end_sessions, renew_sessions
from workbench_host.accounts.homes import archive_home, drop_archived, make_home, return_home
from workbench_host.accounts.plan import plan, seen
from workbench_host.accounts.records import NO_SHELL, SHELL, SYSTEM_GROUPS, ConflictError, Plan, Registry
from workbench_host.accounts.registry import is_kept, read_registry, read_wanted, write_registry
from workbench_host.accounts.system import HOMES, KEYS, fields, read_accounts, read_system
from workbench_host.accounts.words import counted, words
from workbench_host.tools import CLEAN, WOULD_CHANGE, FailureError, alone, reason, run, write
from workbench_host.tools import DATA_VOLUME as VOLUME

LOCK = "/run/workbench/accounts.lock"


# What a step does: one function for each verb of plan.py


def add_system_group(name: str, _: object) -> None:
    run("groupadd", "--system", name)


def add_group(name: str, gid: int) -> None:
    run("groupadd", "--gid", str(gid), name)


def add_user(name: str, account: tuple[int, frozenset[str]]) -> None:
    uid, groups = account
    home = f"{HOMES}/{name}"
    ids = ["--uid", str(uid), "--gid", str(uid), "--groups", ",".join(sorted(groups))]
    run("useradd", *ids, "--no-create-home", "--home-dir", home, "--shell", SHELL, name)


def set_keys(name: str, text: str) -> None:
    os.makedirs(KEYS, mode=0o755, exist_ok=True)
    write(f"{KEYS}/{name}", text, 0o644)


def drop_keys(name: str, _: object) -> None:
    os.unlink(f"{KEYS}/{name}")


def set_password(name: str, shadow: str) -> None:
    """As it is: chpasswd takes hashes, and `*`, on its standard input."""
    run("chpasswd", "--encrypted", given=f"{name}:{shadow}\n")


def set_groups(name: str, change: tuple[frozenset[str], frozenset[str]]) -> None:
    """Makes the user a member of the groups of the first set, and of those of the second no longer."""
    for verb, groups in zip(("--append", "--remove"), change, strict=True):
        if groups:
            run("usermod", verb, "--groups", ",".join(sorted(groups)), name)


def set_due(name: str, is_due: bool) -> None:
    """Whether the password is to be changed at the next login: the day of its last change is then 0 (shadow(5))."""
    run("chage", "--lastday", "0" if is_due else time.strftime("%Y-%m-%d", time.gmtime()), name)


def unlock(name: str, _: object) -> None:
    run("usermod", "--expiredate", "", "--shell", SHELL, name)


def lock(name: str, _: object) -> None:
    """Expired since 1970: sshd and cron then refuse it whatever keys it has; no password, shell and groups besides."""
    run("usermod", "--lock", "--expiredate", "1", "--shell", NO_SHELL, "--groups", "", name)


def rename_account(name: str, former: tuple[str, int]) -> None:
    """Ends all that runs under the old name; the account then has the new one."""
    from workbench_host.accounts import renaming

    renaming.rename_account(name, former, end_sessions)


def rename_home(name: str, former: tuple[str, int]) -> None:
    from workbench_host.accounts import renaming

    renaming.rename_home(name, former)


def rename_in_hub(name: str, former: tuple[str, int]) -> None:
    from workbench_host.accounts import renaming

    renaming.rename_in_hub(name, former)


def sign_out(name: str, _: object) -> None:
    from workbench_host.accounts import hub

    hub.sign_out(name)


VERBS: dict[str, Callable[[str, Any], None]] = {
    function.__name__: function
    for function in (
        *(add_system_group, add_group, add_user, make_home, archive_home, return_home, drop_archived),
        *(set_keys, drop_keys, set_password, set_due, set_groups, unlock, lock, close_apps),
        *(end_sessions, renew_sessions, sign_out, rename_account, rename_home, rename_in_hub),
    )
}


def need_volume(*places: str) -> None:
    if not all(map(os.path.ismount, places)):
        raise FailureError(
            f"the data volume is not mounted on {' and '.join(places)}; deploy again once it is"
        )


@dataclass(frozen=True)
class Due:
    """All that is to be done: the plan, shared folders by path with their gids, quotas by uid.

    `temporary` are uids by name of those who have no folder for their temporary files, `apps` of those whose apps are
    to be served from now on.
    """

    plan: Plan
    folders: dict[str, int]
    quotas: dict[int, quota.Limit]
    temporary: dict[str, int]
    apps: dict[str, int]

    def words(self) -> list[str]:
        """All of it in plain words; none where nothing is to be done."""
        said = words(self.plan.steps, running)
        if self.quotas:
            said.append(f"set the disk quota of uids {', '.join(map(str, sorted(self.quotas)))}")
        if not os.path.islink(shared.LINK):
            said.append(f"make the link {shared.LINK}")
        said += [f"show the apps of {', '.join(sorted(self.apps))}"] if self.apps else []
        wrong = [path for path, gid in self.folders.items() if not shared.is_right(path, gid)]
        said += [f"make the shared folder {path}, or put it right" for path in wrong]
        said += [f"mount the shared folder {path} on itself" for path in shared.joined()]
        said += [f"make the temporary folder of {name}" for name in self.temporary]
        if not said and (self.plan.last != read_registry() or not is_kept()):
            said.append("note users, groups and passwords in the registry")
        return said

    def served(self, failed: Collection[str]) -> dict[str, int]:
        """The uids by name of those whose apps are to be served where these users have failed.

        Whose account could not be renamed has its apps as before: they were closed for it.
        """
        found = {name: uid for name, uid in self.apps.items() if name not in failed}
        accounts = {line[0]: int(line[2]) for line in fields("passwd")}
        renamed = {step.name: step.value[0] for step in self.plan.renaming if isinstance(step.value, tuple)}
        back = {renamed[name]: uid for name, uid in self.apps.items() if name in failed and name in renamed}
        return found | {name: uid for name, uid in back.items() if accounts.get(name) == uid}


def running(name: str, uid: int) -> str:
    """What a user runs at present."""
    from workbench_host import activity
    from workbench_host.accounts import people

    return counted(
        {
            ("Jupyter server", "Jupyter servers"): people.servers()[name],
            ("login", "logins"): activity.logins()[name],
            ("process", "processes"): processes.at_work()[uid],
        }
    )


def decide(arguments: Sequence[str] = ()) -> Due:
    declared, registry = read_wanted(arguments), read_registry()
    groups = {*SYSTEM_GROUPS, *registry.gids, *(group for user in declared.users for group in user.groups)}
    system = read_system(groups)
    decided = plan(declared.users, registry, system)
    uids = [entry.uid for entry in decided.last.users.values()]
    folders = shared.folders(decided.last.gids, system.gids)
    opened = decided.last.opened()
    quotas = quota.wrong(declared.disk_gib, uids)
    return Due(decided, folders, quotas, scratch.wrong(opened), apps.without(opened))


def apply(due: Due) -> None:
    """The registry first: a uid is remembered before anything has it. Quotas before anybody gets a home.

    Whoever is to be out is out before all of that but the registry, and without it too where it cannot be written.
    Raises FailureError with all that failed, after what could be done.
    """
    attempts = Attempts()
    ready = attempts.make("write the registry", write_registry, due.plan.first)
    for step in due.plan.closing:
        attempts.take(step, VERBS)
    if not ready:
        attempts.finish()
    for step in due.plan.renaming:
        if step.user not in attempts.failed:
            attempts.take(step, VERBS)
    attempts.make(f"make the link {shared.LINK}", shared.link)
    if attempts.make("set the disk quotas", quota.apply, due.quotas):
        for step in due.plan.rest:
            if step.name not in attempts.failed:
                attempts.take(step, VERBS)
        attempts.make("put the shared folders right", share, due.plan)
        attempts.make("make the temporary folders", scratch.apply, due.temporary)
        attempts.make("open the sockets of the users' apps", apps.open_all, due.served(attempts.failed))
        attempts.make("write the registry", write_registry, due.plan.after(attempts.failed))
    ending.begin_anew(due.plan.renewed())
    attempts.finish()


def share(decided: Plan) -> None:
    """Makes the shared folders, and puts them right, of the groups that are there by now."""
    gids = {line[0]: int(line[2]) for line in fields("group")}
    shared.apply(shared.folders(decided.last.gids, gids))


def save() -> None:
    """Notes changed passwords of registered users."""
    accounts, registry = read_accounts(()), read_registry()
    users = {name: seen(entry, accounts.get(name)) for name, entry in registry.users.items()}
    write_registry(Registry(users, registry.gids))


def open_apps() -> int:
    """Opens the sockets of all who are in. Some that do not start are told from a failure that closes all."""
    due = apps.without(read_registry().opened())
    try:
        apps.open_all(due)
    except FailureError as error:
        print(f"Users: {error}.", file=sys.stderr)
        return apps.SOME_CLOSED
    return 0


def check(arguments: Sequence[str]) -> int:
    """Says what would be done. What stands against the declared users is part of the answer."""
    try:
        said = decide(arguments).words()
    except (ConflictError, FailureError) as error:
        print(f"Users: {error}.")
        return 1
    for line in said:
        print(line)
    return WOULD_CHANGE if said else CLEAN


def main(arguments: Sequence[str]) -> int:
    try:
        need_volume(*([VOLUME] if "--shared" in arguments else [VOLUME, HOMES]))
        os.makedirs(os.path.dirname(LOCK), exist_ok=True)
        with alone(LOCK):
            if "--save" in arguments:
                save()
                return 0
            if "--apps" in arguments:
                return open_apps()
            if "--shared" in arguments:
                shared.set_apart()
                return 0
            if "--check" in arguments:
                return check(arguments)
            apply(decide())
    except (ConflictError, FailureError, OSError) as error:
        print(f"Users: {reason(error)}.", file=sys.stderr)
        return 1
    return 0
