"""What is to be done so that the host's accounts are the declared ones: decisions only, nothing is read or written.

A name that once had an account keeps its uid for good, in the registry on the data volume; the registry also holds the
password hash last seen, so that a password changed by its owner is there again on another server. `plan` gives steps
that may be cut short anywhere, and of which some of one name may be left out: planning anew from what is then there
leads to the same end. What shuts somebody out comes before all that could fail or take long.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from workbench_host.accounts import renames
from workbench_host.accounts.conflicts import refuse_conflicts, unused
from workbench_host.accounts.records import (
    FIRST_GID,
    FIRST_UID,
    NEVER_SET,
    NO_PASSWORD,
    NO_SHELL,
    SYSTEM_GROUPS,
    Account,
    Entry,
    Plan,
    Registry,
    Step,
    System,
    Wanted,
)

SHUT, END, MAKE, CLEAR = range(4)  # the stages of a plan


def plan(wanted: Iterable[Wanted], registry: Registry, system: System) -> Plan:
    """Decides. Raises ConflictError before anything is done where one of the declared users is impossible."""
    declared = {user.name: user for user in wanted}
    users = {name: user for name, user in declared.items() if not user.removed}
    registry = renames.registered(declared, registry, system)
    moving = {
        entry.formerly: entry.uid for entry in registry.users.values() if entry.moving and entry.formerly
    }
    system, renaming, still = renames.renamed(registry, system)
    uids = assign(users, registry, system)
    gids = assign_gids(users, uids, registry, system)
    refuse_conflicts(users, uids, gids, registry, system)
    entries = {name: seen(entry, system.accounts.get(name)) for name, entry in registry.users.items()}
    first = {
        **entries,
        **{name: Entry(uids[name], formerly=users[name].formerly) for name in users if name not in entries},
    }
    last = dict(first)
    steps = [Step("close_apps", name, uid) for name, uid in moving.items() if name in system.apps]
    steps += [Step("add_system_group", group) for group in sorted(SYSTEM_GROUPS - set(system.gids))]
    steps += [Step("add_group", group, gid) for group, gid in gids.items() if group not in system.gids]
    steps += [Step("drop_archived", name) for name in sorted(system.gone)]
    removed = {name for name, user in declared.items() if user.removed}
    steps += [Step("return_home", name) for name in sorted(system.leaving - removed)]
    for name, user in users.items():
        entry, done = activate(user, first[name], system)
        last[name] = entry
        steps += done
    for name in sorted(set(first) - set(users)):
        if makeable(name, first[name].uid, system):
            steps += lock(name, first[name], system)
            if name in removed and (name in system.leaving or system.homes.get(name) == first[name].uid):
                steps.append(Step("archive_home", name))
        last[name] = replace(first[name], locked=True)
    steps += [Step("drop_keys", name) for name in sorted(set(system.keys) - set(users))]
    shutting, rest = staged(steps, system)
    closing = tuple(renames.by_its_name(step, still) for step in shutting)
    return Plan(Registry(first, gids), closing, tuple(renaming), rest, renames.settled(Registry(last, gids)))


def staged(steps: Iterable[Step], system: System) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """The steps that shut somebody out, and all others. Those of a name keep their order but for that."""
    by_stage: dict[int, list[Step]] = {number: [] for number in (SHUT, END, MAKE, CLEAR)}
    for step in steps:
        by_stage[stage(step, system)].append(step)
    return (*by_stage[SHUT], *by_stage[END]), (*by_stage[MAKE], *by_stage[CLEAR])


def stage(step: Step, system: System) -> int:
    """When a step's turn comes: no way in any more, nothing that still runs, what is made, homes that go."""
    match step.verb, step.value:
        case (("drop_keys" | "close_apps"), _):
            return SHUT
        case "lock", _:
            # One that is not there is made first.
            return SHUT if step.name in system.accounts else MAKE
        case "set_keys", _:
            # A key that is not declared any more goes with it.
            return SHUT if step.name in system.keys else MAKE
        case "set_groups", (_, lost):
            return SHUT if lost else MAKE
        case (("end_sessions" | "renew_sessions"), _):
            return END
        case (("archive_home" | "drop_archived"), _):
            return CLEAR
    return MAKE


def assign(users: Mapping[str, Wanted], registry: Registry, system: System) -> dict[str, int]:
    """The uid of each declared user: remembered, asked for, that of a home which is there, or the next unused one."""
    taken = {*registry.all_ids(), *(user.uid for user in users.values() if user.uid)}
    taken |= {account.uid for account in system.accounts.values()} | set(system.gids.values())
    taken |= set(system.homes.values())
    uids, following = {}, FIRST_UID
    for name, user in users.items():
        remembered = registry.users.get(name)
        known = remembered.uid if remembered else user.uid or system.homes.get(name, 0)
        if known == 0:
            known = following = unused(following, taken)
            taken.add(known)
        uids[name] = known
    return uids


def assign_gids(
    users: Mapping[str, Wanted], uids: Mapping[str, int], registry: Registry, system: System
) -> dict[str, int]:
    """The gid of every group that is or was declared: remembered, or the next unused one."""
    gids = dict(registry.gids)
    taken = {*registry.all_ids(), *uids.values(), *system.gids.values(), *system.homes.values()}
    taken |= {account.uid for account in system.accounts.values()}
    for group in sorted({group for user in users.values() for group in user.groups} - set(gids)):
        gids[group] = unused(FIRST_GID, taken)
        taken.add(gids[group])
    return gids


def makeable(name: str, uid: int, system: System) -> bool:
    """Whether a name that is not declared any more is free, or has its own account."""
    if name in system.accounts:
        return system.accounts[name].uid == uid
    uids = {account.uid for account in system.accounts.values()}
    return uid not in uids and system.gids.get(name, uid) == uid


def is_hash(shadow: str) -> bool:
    """Whether a shadow field is a password that works: not locked, not empty."""
    return shadow.startswith("$")


def seen(entry: Entry, account: Account | None) -> Entry:
    """The entry with the password that the account has now. A lock put in front of it (`!`) does not hide it."""
    if account is None or account.uid != entry.uid:
        return entry
    shadow = account.shadow.lstrip("!") if entry.locked or account.closed else account.shadow
    return replace(entry, shadow=shadow) if is_hash(shadow) else entry


def password(user: Wanted, entry: Entry, account: Account | None) -> str | None:
    """The shadow field to set, None where the present one stays."""
    declared = user.password_hash or NO_PASSWORD
    if user.digest != entry.declared:
        return declared
    remembered = entry.shadow or declared
    unset = account is None or account.shadow in NEVER_SET
    if unset or entry.locked or (account is not None and account.closed):
        return remembered if account is None or account.shadow != remembered else None
    return None


def must_change(user: Wanted, shadow: str) -> bool:
    """Whether the user still has the declared password and is to choose another one."""
    return user.change_password and shadow == user.password_hash


def activate(user: Wanted, entry: Entry, system: System) -> tuple[Entry, list[Step]]:
    """The entry after, and the steps for, a declared user."""
    name, uid = user.name, entry.uid
    account = system.accounts.get(name)
    steps = [] if account else missing(name, uid, user.memberships, system)
    if name not in system.homes and name not in system.leaving:
        steps.append(Step("make_home", name, uid))
    if system.keys.get(name, "") != user.keys_text:
        steps.append(Step("set_keys", name, user.keys_text) if user.ssh_keys else Step("drop_keys", name))
    new = password(user, entry, account)
    is_new = new is not None and (account is None or account.shadow != new)
    if is_new:
        steps.append(Step("set_password", name, new))
    if account and user.digest != entry.declared:
        steps.append(Step("sign_out", name))  # whoever has the password of before may have a session by it
    if account:
        steps += memberships(name, account, user.memberships)
    # What is lost may be kept too by what was not seen: it came in since, or begins anew faster than anybody looks.
    if account and (outdated := (account.held | account.groups) - user.memberships):
        steps.append(Step("renew_sessions", name, (uid, outdated)))
    if account and (account.expired or account.shell == NO_SHELL):
        steps.append(Step("unlock", name))
    shadow = new if new is not None else account.shadow if account else NO_PASSWORD
    is_due = account is not None and account.must_change and not is_new  # a password that is set is not due
    if shadow == user.password_hash and must_change(user, shadow) != is_due:
        steps.append(Step("set_due", name, not is_due))
    kept = entry.shadow if new is None else new if is_hash(new) else None
    return replace(entry, declared=user.digest, shadow=kept, locked=False), steps


def memberships(name: str, account: Account, wanted: frozenset[str]) -> list[Step]:
    """The steps that make the user a member of exactly these of our groups."""
    gained, lost = wanted - account.groups, account.groups - wanted
    changes = (frozenset[str](), lost), (gained, frozenset[str]())  # apart: what is lost waits for nothing
    return [Step("set_groups", name, change) for change in changes if any(change)]


def missing(name: str, uid: int, groups: frozenset[str], system: System) -> list[Step]:
    """The steps that make an account without a password."""
    group = [] if name in system.gids else [Step("add_group", name, uid)]
    return [*group, Step("add_user", name, (uid, groups))]


def lock(name: str, entry: Entry, system: System) -> list[Step]:
    """The steps that close an account. Where there is none, a closed one is made: its files keep their owner's name."""
    account = system.accounts.get(name)
    steps = [] if account else missing(name, entry.uid, frozenset(), system)
    locked = account and account.closed and account.shadow.startswith("!") and not account.groups
    if not locked:
        steps.append(Step("lock", name))
    if name in system.apps:
        steps.append(Step("close_apps", name, entry.uid))
    if account and (account.running or not locked):
        steps.append(Step("end_sessions", name, entry.uid))
    return steps
