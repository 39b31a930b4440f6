"""container-users [--check]

Gives every user what containers without root need: a range of 65536 ids of their own for the users inside their
containers (/etc/subuid, /etc/subgid). The range follows from the uid, not from the order in which accounts were made:
what containers have written to a home on the data volume belongs to the same ids on every server. Ranges of others
(below 1001: the administrator) stay unless they overlap, and then go.

And a user manager that runs from boot on (`loginctl enable-linger`), so that /run/user/UID is always there. Podman
notes in its database where it keeps what runs: with that folder over SSH and without it in a notebook, it finds nothing
the second time, and fails.
"""

import pwd
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from workbench_host.processes import PEOPLE
from workbench_host.tools import CLEAN, WOULD_CHANGE, write

FILES = (Path("/etc/subuid"), Path("/etc/subgid"))
COUNT = 65536
LINGERING = Path("/var/lib/systemd/linger")
CLOSED = "nologin"  # the shell of an account that is no longer declared


def start(uid: int) -> int:
    """The first of a user's ids: from 2^17 on, and the last of the highest uid's is below 2^32."""
    return (uid - PEOPLE.start + 2) * COUNT


def ours(users: Mapping[str, int]) -> dict[str, str]:
    return {name: f"{name}:{start(uid)}:{COUNT}" for name, uid in users.items()}


def kept(text: str, users: Mapping[str, int]) -> Iterator[str]:
    """Lines of accounts that are not people and whose range nobody else has."""
    taken = {start(uid) // COUNT for uid in users.values()}
    for line in text.splitlines():
        name, first, count = line.split(":")
        covered = range(int(first) // COUNT, (int(first) + int(count) - 1) // COUNT + 1)
        if name not in users and not taken.intersection(covered):
            yield line


def wanted(text: str, users: Mapping[str, int]) -> str:
    return "".join(f"{line}\n" for line in (*kept(text, users), *ours(users).values()))


def missing_ids(users: Mapping[str, int]) -> Iterator[tuple[Path, str]]:
    """(file, what it should say) of the files that say something else."""
    for file in FILES:
        text = file.read_text() if file.exists() else ""
        if wanted(text, users) != text:
            yield file, wanted(text, users)


def main(arguments: Sequence[str]) -> int:
    people = [one for one in pwd.getpwall() if one.pw_uid in PEOPLE]
    changes = list(missing_ids({one.pw_name: one.pw_uid for one in people}))
    open_accounts = [one.pw_name for one in people if not one.pw_shell.endswith(CLOSED)]
    absent = [name for name in open_accounts if not (LINGERING / name).exists()]
    if "--check" in arguments:
        return WOULD_CHANGE if changes or absent else CLEAN
    for file, text in changes:
        write(file, text)
    if absent:
        subprocess.run(["loginctl", "enable-linger", *absent], check=True)
    return 0
