"""What the steps of a rename do (renames.py). Each may be killed anywhere, and finds out itself what is left to do."""

import contextlib
import os
import sqlite3
import stat
import subprocess
from collections.abc import Callable

from workbench_host.accounts.people import HUB
from workbench_host.accounts.scratch import SCRATCH
from workbench_host.accounts.system import HOMES, fields
from workbench_host.tools import FailureError, run, sync_folder

HUB_UNIT = "jupyterhub.service"
TRIES = 3  # whoever logs in while what ran is ended is ended again

End = Callable[[str, int], None]


def rename_account(name: str, former: tuple[str, int], end: End) -> None:
    """The account and the group: uid, gid, password and memberships stay (usermod(8)). All that runs is ended before.

    What they own goes by numbers, and so do quotas, limits and the ids of containers.
    """
    old, uid = former
    for left in reversed(range(TRIES)):
        if not _has("passwd", old, uid):
            break
        end(old, uid)
        try:
            run("usermod", "--login", name, "--home", f"{HOMES}/{name}", old)
        except FailureError:
            if not left:
                raise
    if _has("group", old, uid):
        run("groupmod", "--new-name", name, old)


def _has(file: str, name: str, number: int) -> bool:
    return any(line[0] == name and line[2] == str(number) for line in fields(file))


def rename_home(name: str, former: tuple[str, int]) -> None:
    """The home, and the folder for temporary files; the old path leads to the home for as long as nobody else has it.

    Virtual environments, kernels and the lists of recent files have the old one in them. In both folders only root can
    make anything, so that nobody puts something in the way.
    """
    old, uid = former
    if _is_folder(f"{HOMES}/{old}", uid):
        with contextlib.suppress(FileNotFoundError):
            _drop_link(f"{HOMES}/{name}")  # from a name that the user had before
        _need_nothing(f"{HOMES}/{name}")
        os.rename(f"{HOMES}/{old}", f"{HOMES}/{name}")
    if _is_folder(f"{HOMES}/{name}", uid):
        for entry in list(os.scandir(HOMES)):
            if entry.is_symlink() and os.readlink(entry.path) == old:
                _lead(entry.path, name)
        if not os.path.lexists(f"{HOMES}/{old}"):
            _lead(f"{HOMES}/{old}", name)
        sync_folder(HOMES)
    if _is_folder(f"{SCRATCH}/{old}", uid) and not os.path.lexists(f"{SCRATCH}/{name}"):
        os.rename(f"{SCRATCH}/{old}", f"{SCRATCH}/{name}")


def _is_folder(path: str, uid: int) -> bool:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid


def _drop_link(path: str) -> None:
    if stat.S_ISLNK(os.lstat(path).st_mode):
        os.unlink(path)


def _need_nothing(path: str) -> None:
    """rename(2) would put a folder in the place of an empty one."""
    if os.path.lexists(path):
        raise FailureError(f"{path} is there already; move it away")


def _lead(path: str, name: str) -> None:
    """A link to the home `name` beside it, in one step."""
    new = f"{HOMES}/.{os.path.basename(path)}.link"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    os.symlink(name, new)
    os.rename(new, path)


def rename_in_hub(name: str, former: tuple[str, int]) -> None:
    """What the hub knows of the user: named servers and tokens, which would else be of the next one of the old name.

    The hub reads names when it starts, so it is stopped meanwhile; open notebooks of others go on, the proxy is apart.
    """
    old, _ = former
    if not _in_hub(old) or _in_hub(name):
        return
    is_on = subprocess.run(["systemctl", "is-active", "--quiet", HUB_UNIT], check=False).returncode == 0
    if is_on:
        run("systemctl", "stop", HUB_UNIT)
    try:
        with contextlib.closing(sqlite3.connect(HUB, timeout=10)) as database, database:
            database.execute("UPDATE users SET name = ? WHERE name = ?", (name, old))
    except sqlite3.Error as error:
        raise FailureError(f"{HUB} could not be changed: {error}") from None
    finally:
        if is_on:
            run("systemctl", "start", "--no-block", HUB_UNIT)


def _in_hub(name: str) -> bool:
    if not os.path.exists(HUB):
        return False
    with contextlib.closing(sqlite3.connect(f"file:{HUB}?mode=ro", uri=True, timeout=10)) as database:
        try:
            return bool(database.execute("SELECT 1 FROM users WHERE name = ?", (name,)).fetchall())
        except sqlite3.OperationalError:  # no such table yet
            return False
