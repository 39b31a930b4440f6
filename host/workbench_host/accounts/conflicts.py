"""What stands against declared users and groups on a host, in sentences that say what to do: looked at first of all."""

import itertools
from collections.abc import Collection, Iterator, Mapping

from workbench_host.accounts.records import FIRST_UID, ConflictError, Registry, System, Wanted
from workbench_host.accounts.renames import why_not_free
from workbench_host.processes import USER_UIDS

HOMES = "/home"


def unused(start: int, taken: Collection[int]) -> int:
    """The first number from `start` on that nobody has."""
    return next(number for number in itertools.count(start) if number not in taken)


def refuse_conflicts(
    users: Mapping[str, Wanted],
    uids: Mapping[str, int],
    gids: Mapping[str, int],
    registry: Registry,
    system: System,
) -> None:
    """Raises ConflictError with all that stands against the declared users and groups."""
    objections = [
        objection(user, uids[name], registry, system) or home_objection(name, uids[name], system)
        for name, user in users.items()
    ]
    objections += number_objections(users, uids, registry, system)
    objections += [group_objection(group, gid, registry, system) for group, gid in gids.items()]
    said = [objection for objection in objections if objection]
    if said:
        raise ConflictError("; ".join(said))


def group_objection(group: str, gid: int, registry: Registry, system: System) -> str:
    """What stands against this group with this gid, "" where nothing does."""
    if group in registry.users:
        return f"group {group} has the name of a user who is or was here: choose another name"
    if group in system.gids and group not in registry.gids:
        return f"group {group} has the name of a group of the system: choose another name"
    if system.gids.get(group, gid) != gid:
        return (
            f"group {group} has gid {gid} on the data volume, but another one on this host: remove it there"
        )
    holders = [other for other, there in system.gids.items() if there == gid and other != group]
    if holders:
        return f"group {group} has gid {gid} on the data volume, which {holders[0]} has on this host: remove that one"
    return ""


def objection(user: Wanted, uid: int, registry: Registry, system: System) -> str:
    """What stands against this user with this uid, "" where nothing does."""
    name = user.name
    if user.uid and user.uid != uid:
        return (
            f"user {name} is to have uid {user.uid}, but has {uid} on this data volume, and uids never change: "
            f"take uid {uid} or leave it out"
        )
    owners = {entry.uid: other for other, entry in registry.users.items()}
    owners.update({gid: group for group, gid in registry.gids.items()})
    if owners.get(uid, name) != name:
        return f"user {name} is to have uid {uid}, which {owners[uid]} has or had: take another uid"
    if name in registry.gids:
        return f"user {name} has the name of a group that is or was here: choose another name"
    if name not in registry.users and name in (former := registry.former()):
        return f"name of user {name}: {why_not_free(name, former[name], registry)}"
    account = system.accounts.get(name)
    if account and name not in registry.users:
        return f"user {name} has the name of an account of the system: choose another name"
    holders = [other for other, there in system.accounts.items() if there.uid == uid and other != name]
    holders += [other for other, gid in system.gids.items() if gid == uid and other != name]
    if holders:
        return f"user {name} is to have uid {uid}, which {holders[0]} has on this host: take another uid"
    if system.gids.get(name, uid) != uid or (account and account.uid != uid):
        return f"user {name} has uid {uid} on the data volume, but another id on this host: remove it there"
    return ""


def number_objections(
    users: Mapping[str, Wanted], uids: Mapping[str, int], registry: Registry, system: System
) -> Iterator[str]:
    """What stands against the numbers of homes that are there, of names that nobody has given a uid yet.

    A number is remembered for good: one that is no person's, or another home's as well, is not to be.
    """
    taken = {*registry.all_ids(), *uids.values(), *system.homes.values(), *system.gids.values()}
    taken |= {account.uid for account in system.accounts.values()}
    told: set[str] = set()
    for name in users:
        owner = system.homes.get(name)
        if name in registry.users or not owner or owner != uids[name]:
            continue
        if owner not in USER_UIDS:
            taken.add(free := unused(FIRST_UID, taken))
            yield (
                f"the home of user {name} belongs to uid {owner}, which is no person's (those are "
                f"{USER_UIDS.start} to {USER_UIDS.stop - 1}): {given(name, owner, free)}"
            )
            continue
        told.add(name)
        for other in sorted(system.homes):
            if system.homes[other] == owner and other not in {*told, *registry.users}:
                told.add(other)
                taken.add(free := unused(FIRST_UID, taken))
                yield (
                    f"the homes of {name} and {other} both belong to uid {owner}, so that each could read the "
                    f"other's: {given(other, owner, free)} (or the other one)"
                )


def given(name: str, owner: int, uid: int) -> str:
    """What to do so that a home, which is one number's, becomes another's."""
    return f"run `sudo chown -hR --from={owner} {uid}:{uid} {HOMES}/{name}`, then deploy again"


def home_objection(name: str, uid: int, system: System) -> str:
    """What stands against the user's home, "" where nothing does."""
    owner = system.homes.get(name, uid)
    if owner == uid:
        return ""
    return f"the home of user {name} belongs to uid {owner} instead of {uid}: {given(name, owner, uid)}"
