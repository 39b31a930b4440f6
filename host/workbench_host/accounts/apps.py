"""Whose apps are served: a socket of systemd for each open account, which starts the dispatcher of that user's apps.

/run/workbench-apps is there while any service with apps is on. In it is UID/apps.sock, root's, which only the proxy's
group may open, and for each user a link NAME -> UID, by which the proxy finds it: who has no link is unknown to it.
"""

import contextlib
import os
from collections.abc import Mapping

from workbench_host.tools import FailureError, run

FOLDER = "/run/workbench-apps"
SOCKET = "apps.sock"
SOME_CLOSED = 4  # the exit status of `accounts --apps` where sockets did not start; all others are there
UNITS = ("workbench-apps@{}.socket", "workbench-apps@{}.service", "workbench-apps-again@{}.service")


def links() -> dict[str, int] | None:
    """The uids by name of those whom the proxy finds; None where nobody is served, the services being off.

    The socket of one may have failed, and be about to come back.
    """
    if not os.path.isdir(FOLDER):
        return None
    return {entry.name: int(os.readlink(entry.path)) for entry in os.scandir(FOLDER) if entry.is_symlink()}


def without(open_accounts: Mapping[str, int]) -> dict[str, int]:
    """Those of the accounts, uids by name, whose apps are to be served and are not."""
    found = links()
    if found is None:
        return {}
    served = {name: uid for name, uid in found.items() if os.path.exists(f"{FOLDER}/{uid}/{SOCKET}")}
    return {name: uid for name, uid in open_accounts.items() if served.get(name) != uid}


def open_all(users: Mapping[str, int]) -> None:
    """Opens the sockets of these users, uids by name, in one call however many.

    Whose socket does not start has a link all the same, since systemd tries that one again: the others are served, and
    then FailureError says whose are not.
    """
    if not users:
        return
    why = ""
    try:
        run("systemctl", "start", *(UNITS[0].format(uid) for uid in users.values()))
    except FailureError as error:
        why = str(error)
    for name, uid in users.items():
        new = f"{FOLDER}/.{name}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        os.symlink(str(uid), new)
        os.rename(new, f"{FOLDER}/{name}")
    missing = without(users)
    print(f"apps of {len(users) - len(missing)} users")
    if missing:
        closed = ", ".join(f"{name} ({UNITS[0].format(uid)})" for name, uid in missing.items())
        raise FailureError(f"the sockets of these users' apps did not start: {closed}; {why}".rstrip("; "))


def close_apps(name: str, uid: int) -> None:
    """The user's apps end, and nobody finds them any more; a run that is killed before that begins with it again."""
    run("systemctl", "stop", *(unit.format(uid) for unit in UNITS))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{FOLDER}/{name}")
