"""Users who get another name: uid, home, password and all else stay. Decisions only; what is done is in renaming.py.

The registry says it first: the entry goes to the new name, with the one of before and that it is `moving`. From then on
nobody has to ask for it any more: whatever a run was killed at, the next one finds the rest and does it. Once the entry
has moved, `formerly` in the settings asks for nothing, however long it stays there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from workbench_host.accounts.records import ConflictError, Entry, Registry, Step, System, Wanted

# Of what shuts somebody out, that which goes by the account's name.
ACCOUNT_VERBS = frozenset({"lock", "drop_keys", "set_keys", "set_groups", "end_sessions", "renew_sessions"})


def registered(users: Mapping[str, Wanted], registry: Registry, system: System) -> Registry:
    """The registry with the names that are wanted from now on. Raises ConflictError for those that cannot be had."""
    new = {
        name: user.formerly for name, user in users.items() if user.formerly and is_new(name, user, registry)
    }
    said = [why for name, old in new.items() for why in objections(name, old, users, registry, system)]
    if said:
        raise ConflictError("; ".join(said))
    entries = {name: entry for name, entry in registry.users.items() if name not in new.values()}
    moved = {
        name: renamed_entry(registry.users[old], name, old)
        for name, old in new.items()
        if old in registry.users
    }
    return Registry({**entries, **moved}, registry.gids)


def renamed_entry(entry: Entry, name: str, old: str) -> Entry:
    """The entry under its new name, which remembers all names of before; one that is taken again is none of them."""
    earlier = tuple(one for one in entry.former if one not in {name, old})
    return replace(entry, formerly=old, moving=True, earlier=earlier)


def is_new(name: str, user: Wanted, registry: Registry) -> bool:
    """Whether `formerly` asks for anything: not where it was done, and not on a volume that knows nobody yet."""
    entry = registry.users.get(name)
    if entry is not None:  # a name of its own, which is an objection as long as the other one is there too
        return entry.formerly != user.formerly and user.formerly in registry.users
    return bool(registry.users)


def objections(
    name: str, old: str, users: Mapping[str, Wanted], registry: Registry, system: System
) -> Iterator[str]:
    """What stands against a user's new name."""
    begins, former = f"formerly of user {name} is {old}", registry.former()
    if name in registry.users:
        yield (
            f"{begins}, but {name} has or had an account and a home of its own (uid {registry.users[name].uid}): take "
            "another name, or take formerly out"
        )
    elif former.get(name, old) != old:
        yield f"{begins}, but {why_not_free(name, former[name], registry)}"
    elif old in former:
        yield f"{begins}, who is {former[old]} today: take that for formerly"
    elif old not in registry.users:
        yield f"{begins}, and there never was a user {old} here: `workbench users` lists the names; or take it out"
    elif old in users:
        yield (
            f"{begins}, but {old} is declared as well: take that user out, as nobody gets a name that was somebody "
            "else's"
        )
    elif registry.users[old].moving:
        yield f"{begins}, whose own new name is not through: deploy once with {old} as before, then rename"
    elif old in system.leaving:
        yield f"{begins}, whose home is being archived: deploy once with {old} as before, then rename"
    elif name in system.homes:
        yield f"{begins}, but there is a folder /home/{name} already: move it away"
    elif name in system.accounts or name in system.gids:
        yield f"{begins}, but {name} is the name of an account or group of the system: choose another name"


def why_not_free(name: str, holder: str, registry: Registry) -> str:
    """Why somebody else does not get a name that was the holder's.

    A browser's sign-in at RStudio is a name and a signature, and holds for 30 days; what the user has noted anywhere,
    such as a schedule, leads by the old path to the home; and who writes to the name means the one who had it.
    """
    return (
        f"{name} is what {holder} (uid {registry.users[holder].uid}) was called before, and sign-ins in browsers, "
        "paths to the home and mails still go by it: choose another name"
    )


def renamed(registry: Registry, system: System) -> tuple[System, list[Step], dict[str, str]]:
    """The host as it is once all who are moving have moved, the steps for it, and whose account has the old name yet.

    Those are old names by new ones.
    """
    steps: list[Step] = []
    still: dict[str, str] = {}
    accounts, gids = dict(system.accounts), dict(system.gids)
    homes, keys = dict(system.homes), dict(system.keys)
    for name, entry in registry.users.items():
        old = entry.formerly
        if not entry.moving or old is None:
            continue
        steps += moves(name, old, entry)
        if old in accounts and name not in accounts and accounts[old].uid == entry.uid:
            accounts[name] = accounts.pop(old)
            still[name] = old
            if old in keys:
                keys.setdefault(name, keys.pop(old))
        for numbers in (gids, homes):
            if old in numbers and name not in numbers and numbers[old] == entry.uid:
                numbers[name] = numbers.pop(old)
    return replace(system, accounts=accounts, gids=gids, homes=homes, keys=keys), steps, still


def by_its_name(step: Step, still: Mapping[str, str]) -> Step:
    """A step that shuts somebody out, for the name that the account has: a rename that fails keeps nobody in."""
    if step.verb in ACCOUNT_VERBS and step.name in still:
        return replace(step, name=still[step.name], becomes=step.name)
    return step


def moves(name: str, old: str, entry: Entry) -> Iterator[Step]:
    """The steps for one name; each finds out itself whether it was done before, as after a run that was killed."""
    for verb in ("rename_account", "rename_home", "rename_in_hub"):
        yield Step(verb, name, (old, entry.uid))


def settled(registry: Registry) -> Registry:
    """The registry once nobody is moving any more."""
    users = {name: replace(entry, moving=False) for name, entry in registry.users.items()}
    return Registry(users, registry.gids)
