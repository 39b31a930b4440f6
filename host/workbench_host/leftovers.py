"""leftovers: clears away what users left behind of whom nothing runs: shared memory, and temporary files a day old.

logind would take shared memory away as soon as its user logs out of the last SSH session, under a notebook that uses
it (RemoveIPC=no keeps it from that). Here it goes once the user has no process but those of an idle user manager: POSIX
shared memory and message queues, System V's segments, semaphores and queues, and what is in the user's temporary
folder.

Root only looks for what there is. A child that has become the user takes it away, so that no name that a user has put
anywhere can lead to anything that is not that user's. It has its own bounds of memory and time, beyond which the next
user's turn comes: how much is left behind is the user's choice too. What it did not get to, the next hour does.
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

from workbench_host.accounts.scratch import SCRATCH
from workbench_host.container_users import user_of
from workbench_host.processes import at_work
from workbench_host.tools import remove_tree

FOLDERS = (Path("/dev/shm"), Path("/dev/mqueue"))  # noqa: S108 - names in it are only compared and unlinked by their owner
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
    """The users who have something that may have been left behind, and ids that they have for containers."""
    found = {uid for folder in FOLDERS for uid in owned(folder)}
    found |= {uid for kind in KINDS for _, uid in system_v(kind)}
    found |= owned(Path(SCRATCH))
    return {uid for uid in found if user_of(uid)}


def clear(uid: int, name: str | None) -> None:
    """Takes away what is the user's, as the user."""
    for folder in FOLDERS:
        for entry in os.scandir(folder) if folder.is_dir() else ():
            clear_entry(entry, HOUR_SECONDS, uid)
    for kind, option in KINDS.items():
        for number, owner in list(system_v(kind)):
            if owner == uid:
                subprocess.run(["ipcrm", option, str(number)], capture_output=True, check=False)
    if name:
        clear_folder(Path(SCRATCH) / name)


def clear_folder(folder: Path) -> None:
    """Deletes what nobody has changed for a day."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            clear_entry(entry, DAY_SECONDS)


def clear_entry(entry: os.DirEntry[str], seconds: float, uid: int | None = None) -> None:
    """Deletes what has not changed for so long, and belongs to `uid` if that is given.

    By the kernel's own time of a change (inode(7), ctime): the one of the content its user can set to any year.
    """
    with contextlib.suppress(OSError):
        found = entry.stat(follow_symlinks=False)
        if found.st_ctime > time.time() - seconds or uid not in (None, found.st_uid):
            return
        if entry.is_dir(follow_symlinks=False):
            remove_tree(entry.path)
        else:
            os.unlink(entry.path)


def clear_as(uid: int) -> int:
    """Does it in a child that is the user for good; gives back its exit status."""
    try:
        account = pwd.getpwuid(uid)
        name, gid = account.pw_name, account.pw_gid
    except KeyError:
        name, gid = None, uid
    child = os.fork()
    if child == 0:
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_AS, (CHILD_BYTES, CHILD_BYTES))
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            clear(uid, name)
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
    busy = at_work()
    idle = [uid for uid in sorted(owners()) if not busy[uid] and not busy[user_of(uid) or uid]]
    failed = [uid for uid in idle if clear_as(uid) != 0]
    for uid in failed:
        print(f"What the user {uid} left behind could not be cleared away.", file=sys.stderr)
    return 1 if failed else 0
