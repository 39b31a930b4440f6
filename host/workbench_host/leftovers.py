"""leftovers: clears away what users left behind of whom nothing runs: shared memory, and temporary files a day old.

logind would take shared memory away as soon as its user logs out of the last SSH session, under a notebook that uses
it (RemoveIPC=no keeps it from that). Here it goes once the user has no process but those of an idle user manager: POSIX
shared memory and message queues, System V's segments, semaphores and queues, and what is in the user's temporary
folder.

Files go as their owner, so that no name that a user has put anywhere can lead to anything that is not that user's.
Folders go as root, by rm(1), which follows no link, from a unit that can write in these places alone; one with anything
of others in it stays. A child does it that has its own bounds of memory and time, beyond which the next user's turn
comes: how much is left behind is the user's choice too. What it did not get to, the next hour does.
"""

import contextlib
import os
import pwd
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from workbench_host.accounts.scratch import SCRATCH
from workbench_host.container_users import COUNT, start, user_of
from workbench_host.processes import at_work
from workbench_host.tools import remove_tree

FOLDERS = (Path("/dev/shm"), Path("/dev/mqueue"))  # noqa: S108 - see above
KINDS = {"shm": "-m", "sem": "-s", "msg": "-q"}  # of System V, with ipcrm's options
SYSTEM_V = Path("/proc/sysvipc")
CHILD_BYTES, CHILD_SECONDS = 192 << 20, 60.0  # of address space, below the unit's MemoryMax
HOUR_SECONDS, DAY_SECONDS = 3600, 86400  # what is newer stays: its user may have come back just now


def owned(folder: Path) -> set[int]:
    """The users who have anything in a folder."""
    found = set()
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            with contextlib.suppress(FileNotFoundError):
                found.add(entry.stat(follow_symlinks=False).st_uid)
    return found


def system_v(kind: str) -> Iterator[tuple[int, int]]:
    """(id, uid) of System V's objects of a kind (proc(5))."""
    with contextlib.suppress(FileNotFoundError):
        names, *lines = (line.split() for line in (SYSTEM_V / kind).read_text().splitlines())
        for line in lines:
            told = dict(zip(names, line, strict=False))
            yield int(told[f"{kind}id"]), int(told["uid"])


def owners() -> set[int]:
    """The users who have something that may have been left behind, as themselves or by an id for containers."""
    found = {uid for folder in FOLDERS for uid in owned(folder)}
    found |= {uid for kind in KINDS for _, uid in system_v(kind)}
    found |= owned(Path(SCRATCH))
    return {user for uid in found if (user := user_of(uid))}


def clear(user: int, name: str | None) -> None:
    """Takes away what is the user's."""
    for folder in FOLDERS:
        for entry in entries(folder, HOUR_SECONDS):
            if user_of(entry.owner) == user and not (entry.is_folder and has_others(entry.path, user)):
                remove(entry)
    for kind, option in KINDS.items():
        for number, owner in list(system_v(kind)):
            if user_of(owner) == user:
                command = ["ipcrm", option, str(number)]
                subprocess.run(command, user=owner, group=owner, capture_output=True, check=False)
    if name:
        clear_folder(Path(SCRATCH) / name, user)


def clear_folder(folder: Path, user: int) -> None:
    """Deletes what nobody has changed for a day in a folder that is the user's, and so all that is in it."""
    for entry in entries(folder, DAY_SECONDS):
        remove(entry._replace(owner=user))


class Entry(NamedTuple):
    """Something in a folder; `owner` may delete it if it is no folder."""

    path: str
    owner: int
    is_folder: bool


def entries(folder: Path, seconds: float) -> Iterator[Entry]:
    """What in a folder has not changed for so long.

    By the kernel's own time of a change (inode(7), ctime): the one of the content its user can set to any year.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as there:
        for entry in there:
            with contextlib.suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if found.st_ctime < time.time() - seconds:
                    yield Entry(entry.path, found.st_uid, entry.is_dir(follow_symlinks=False))


def remove(entry: Entry) -> None:
    """Deletes a file as its owner, and a folder as root: in it, ids for containers may have some of their own."""
    if entry.is_folder:
        remove_tree(entry.path)
        return
    os.seteuid(entry.owner)
    try:
        with contextlib.suppress(OSError):
            os.unlink(entry.path)
    finally:
        os.seteuid(0)


def has_others(folder: str, user: int) -> bool:
    """Whether anything below a folder is not the user's, or cannot be looked at."""
    first = start(user)
    own = ["-uid", str(user), "-o", "-uid", f"+{first - 1}", "-uid", f"-{first + COUNT}"]
    command = ["find", folder, "-xdev", "!", "(", *own, ")", "-print", "-quit"]
    found = subprocess.run(command, capture_output=True, check=False)
    return found.returncode != 0 or bool(found.stdout)


def clear_for(user: int) -> int:
    """Does it in a child; gives back its exit status."""
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = None
    child = os.fork()
    if child == 0:
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_AS, (CHILD_BYTES, CHILD_BYTES))
            os.setgroups([])
            clear(user, name)
            status = 0
        finally:
            os._exit(status)
    return status_of(child)


def status_of(child: int) -> int:
    """The exit status of a child; one that takes too long, as its user can have it do, is killed."""
    descriptor = os.pidfd_open(child)
    try:
        if not select.select([descriptor], [], [], CHILD_SECONDS)[0]:
            os.kill(child, signal.SIGKILL)
            select.select([descriptor], [], [], 1.0)  # what hangs in a file system may not end even so
    finally:
        os.close(descriptor)
    ended, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else 1


def main(_: Sequence[str]) -> int:
    busy = {user_of(uid) for uid in at_work()}
    failed = [user for user in sorted(owners() - busy) if clear_for(user) != 0]
    for user in failed:
        print(f"What the user {user} left behind could not be cleared away.", file=sys.stderr)
    return 1 if failed else 0
