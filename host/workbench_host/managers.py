"""user-managers [--off] [--check]

Gives every open account a user manager (`systemd --user`) that runs from boot on (`loginctl enable-linger`). Users'
timers run in it after they have logged out, and after a start of the server at which nobody logs in. Podman without
root needs it too: it notes in its database where it keeps what runs, and with /run/user/UID over SSH and without it in
a notebook, it finds nothing the second time, and fails.

Whom this program gave a lasting user manager stands in /var/lib/workbench/lingering. It is taken back from accounts
that are closed and, with --off (nothing that is switched on needs it), from all. logind ends a manager that is taken
back, with all that runs in it: who has a container, a job or another unit of their own there keeps it until a later
call finds nothing. One that ended otherwise, as by its user, or did not begin for want of the data volume, is started.
"""

import pwd
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench_host.processes import LINGERING, USER_UIDS, control_groups, manager_group, started_by_user
from workbench_host.tools import CLEAN, WOULD_CHANGE, FailureError, run, write

GIVEN = Path("/var/lib/workbench/lingering")  # a name a line
WAKE_SECONDS = 20.0
CLOSED = "nologin"  # the shell of an account that is no longer declared


def variables(name: str, uid: int) -> dict[str, str]:
    """The variables with which `systemctl --user` finds the manager, where no PAM session has set them.

    Without a lasting manager none: the folder would go with the user's last SSH session, under what names it.
    """
    if not (LINGERING / name).exists():
        return {}
    folder = f"/run/user/{uid}"
    return {"XDG_RUNTIME_DIR": folder, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder}/bus"}


def at_work(uid: int, groups: Collection[str]) -> bool:
    """Whether a user manager runs anything that its user has started; `groups` are the host's control groups."""
    return any(started_by_user(path, uid) for path in groups)


def is_awake(uid: int, groups: Collection[str]) -> bool:
    """Whether the user's manager runs."""
    return any(path.startswith(manager_group(uid)) for path in groups)


def given() -> set[str]:
    return set(GIVEN.read_text(errors="replace").split()) if GIVEN.exists() else set()


def note(names: set[str]) -> None:
    GIVEN.parent.mkdir(parents=True, exist_ok=True)
    write(GIVEN, "".join(f"{name}\n" for name in sorted(names)))


@dataclass(frozen=True)
class Due:
    """All that is to be done: names to give a lasting user manager to, and to take it back from; uids by name of those
    whose lasting manager does not run.
    """

    give: list[str]
    take: list[str]
    wake: dict[str, int]

    def words(self) -> list[str]:
        return [
            *(f"have the user manager of {name} run from boot on" for name in self.give),
            *(f"start the user manager of {name}" for name in self.wake),
            *(
                f"have the user manager of {name}, and its timers, run no longer from boot on"
                for name in self.take
            ),
        ]


def decide(people: Sequence[pwd.struct_passwd], off: bool) -> Due:
    uids = {one.pw_name: one.pw_uid for one in people}
    opened = {one.pw_name for one in people if not one.pw_shell.endswith(CLOSED)}
    groups = control_groups()  # which are read from all of /proc
    if off:
        taken = sorted(name for name in given() if name not in opened or not at_work(uids[name], groups))
        return Due([], taken, {})
    give = [name for name in uids if name in opened and not (LINGERING / name).exists()]
    asleep = sorted(
        name for name in given() & opened if (LINGERING / name).exists() and not is_awake(uids[name], groups)
    )
    return Due(give, sorted(given() - opened), {name: uids[name] for name in asleep})


def apply(due: Due, accounts: set[str]) -> None:
    """Noted before it is given, and forgotten after it is taken back: killed in between, nobody keeps it for good."""
    if due.give:
        note(given() | set(due.give))
        run("loginctl", "enable-linger", *due.give)
    for name, uid in due.wake.items():
        wake(name, uid)
    if due.take:
        for name in due.take:
            if name in accounts and (LINGERING / name).exists():
                run("loginctl", "disable-linger", name)
            (LINGERING / name).unlink(missing_ok=True)  # logind knows no name that has no account
        note(given() - set(due.take))


def wake(name: str, uid: int) -> None:
    """Starts a user's manager. That it does not start may be its user's own doing, and fails no deploy."""
    try:
        run("systemctl", "start", f"user@{uid}.service", seconds=WAKE_SECONDS)
    except FailureError:
        print(
            f"The user manager of {name} does not start, and so none of {name}'s timers runs; "
            f"`journalctl -u user@{uid}` says why.",
            file=sys.stderr,
        )


def main(arguments: Sequence[str]) -> int:
    people = [one for one in pwd.getpwall() if one.pw_uid in USER_UIDS]
    due = decide(people, "--off" in arguments)
    if "--check" in arguments:
        for line in due.words():
            print(line)
        return WOULD_CHANGE if due.words() else CLEAN
    try:
        apply(due, {one.pw_name for one in people})
    except FailureError as error:
        print(f"User managers could not be seen to: {error}.", file=sys.stderr)
        return 1
    return 0
