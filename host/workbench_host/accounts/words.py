"""A plan in plain words, a line for each name: whose account is made, closed or archived, and what of theirs ends.

For whoever looks at it before it is done. Of a step's value only what is no secret is said.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from workbench_host.accounts.records import Step

Running = Callable[[str, int], str]  # what a user of this name and uid runs

_PLAIN = {
    "make_home": "make the home",
    "archive_home": "move the home into an archive",
    "return_home": "bring the home back",
    "drop_archived": "delete what is left of the archived home",
    "set_keys": "set the SSH keys",
    "drop_keys": "take the declared SSH keys away",
    "set_password": "set the password",
    "sign_out": "end the sessions in JupyterHub",
    "unlock": "open the account again",
    "lock": "close the account",
    "rename_home": "move the home, with a link from the old path",
    "rename_in_hub": "rename in JupyterHub",
    "close_apps": "show the apps no more",
}


def words(steps: Sequence[Step], running: Running) -> list[str]:
    """What the steps do, in their order."""
    accounts = {step.name for step in steps if step.verb == "add_user"}
    done: dict[str, list[str]] = {}
    for step in steps:
        if step.verb == "add_group" and step.name in accounts:
            continue  # a user's own group, which is part of the account
        done.setdefault(step.name, []).append(phrase(step, running))
    return [f"{name}: {', '.join(phrases)}" for name, phrases in done.items()]


def phrase(step: Step, running: Running | None = None) -> str:
    """One step, without the name that it is about; of what ends no more than that where `running` is None."""
    match step.verb, step.value:
        case (("add_group" | "add_system_group"), _):
            return "make the group"
        case "add_user", (int() as uid, _):
            return f"make the account (uid {uid})"
        case "set_groups", (frozenset() as gained, frozenset() as lost):
            return " and ".join(_memberships(gained, lost))
        case "set_due", is_due:
            return "ask for another password at the next login" if is_due else "ask for no other password"
        case "rename_account", (str() as old, int() as uid):
            return f"rename {old}, and end all that runs" + (f" ({running(old, uid)})" if running else "")
        case "end_sessions", int() as uid:
            return "end all that runs" + (f" ({running(step.name, uid)})" if running else "")
        case "renew_sessions", (int() as uid, frozenset() as kept):
            what = "end all that runs" + (f" ({running(step.name, uid)})" if running else "")
            return f"{what}, so that nothing stays in {_listed(kept)}"
        case verb, _:
            return _PLAIN[verb]
    raise AssertionError(step.verb)


def _memberships(gained: frozenset[str], lost: frozenset[str]) -> Iterator[str]:
    if gained:
        yield f"add to {_listed(gained)}"
    if lost:
        yield f"take out of {_listed(lost)}"


def _listed(groups: frozenset[str]) -> str:
    return ", ".join(sorted(groups))


def counted(counts: Mapping[tuple[str, str], int]) -> str:
    """Such as "1 login, 14 processes", by the words for one and for several of what there is any."""
    said = [f"{count} {one if count == 1 else several}" for (one, several), count in counts.items() if count]
    return ", ".join(said) or "nothing at present"
