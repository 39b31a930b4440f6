"""What the steps of a rename do (renames.py). Each may be killed anywhere, and finds out itself what is left to do."""

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator

from workbench_host import managers
from workbench_host.accounts import hub
from workbench_host.accounts.records import NO_SHELL
from workbench_host.accounts.scratch import SCRATCH
from workbench_host.accounts.system import HOMES, KEYS, fields
from workbench_host.processes import LINGERING
from workbench_host.tools import FailureError, run, sync_folder

DAY = 86400  # seconds: shadow(5) counts in days
TRIES = 3  # whoever logs in while what ran is ended is ended again

End = Callable[[str, int], None]


def rename_account(name: str, former: tuple[str, int], end: End) -> None:
    """The account and the group: uid, gid, password and memberships stay (usermod(8)). All that runs is ended before.

    What they own goes by numbers, and so do quotas, limits and the ids of containers. Whose systemd ran from boot on,
    for timers or containers, has it again at once.
    """
    old, uid = former
    if _has("passwd", old, uid):
        _carry_lingering(name, old)
        with _expired(name, old, uid):
            _rename_login(name, old, uid, end)
    _carry_keys(name, old)
    if _has("group", old, uid):
        run("groupmod", "--new-name", name, old)
    if (LINGERING / name).exists():
        if _is_closed(name):
            (LINGERING / name).unlink()
        else:
            run("loginctl", "enable-linger", name)


def _rename_login(name: str, old: str, uid: int, end: End) -> None:
    for left in reversed(range(TRIES)):
        end(old, uid)
        try:
            run("usermod", "--login", name, "--home", f"{HOMES}/{name}", old)
        except FailureError:
            if not left:
                raise
        if not _has("passwd", old, uid):
            break


@contextlib.contextmanager
def _expired(name: str, old: str, uid: int) -> Iterator[None]:
    """Expired meanwhile, so that sshd lets nobody in again while what runs is ended.

    What is expired already stays so: it is closed, or this was killed before, and the plan opens it again.
    """
    until = next(line[7] for line in fields("shadow") if line[0] == old)
    if until and int(until) <= time.time() / DAY:
        yield
        return
    run("usermod", "--expiredate", "1", old)
    try:
        yield
    finally:
        run("usermod", "--expiredate", until, old if _has("passwd", old, uid) else name)


def _is_closed(name: str) -> bool:
    return any(line[0] == name and line[6] == NO_SHELL for line in fields("passwd"))


def _carry_lingering(name: str, old: str) -> None:
    """Notes under the new name that the user's systemd is to run from boot on, before its end takes the old note away.

    logind passes over a name that has no account yet.
    """
    if (LINGERING / old).exists():
        if old in managers.given():
            managers.note(managers.given() | {name})
        (LINGERING / name).touch()


def _carry_keys(name: str, old: str) -> None:
    """Those of the new name stay where there are any: they were declared since."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.exists(f"{KEYS}/{name}"):
            os.unlink(f"{KEYS}/{old}")
        else:
            os.rename(f"{KEYS}/{old}", f"{KEYS}/{name}")


def _has(file: str, name: str, number: int) -> bool:
    return any(line[0] == name and line[2] == str(number) for line in fields(file))


def rename_home(name: str, former: tuple[str, int]) -> None:
    """The home, and the folder for temporary files; the old path leads to the home from then on.

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

    Who logged in by the new name before, as after a run that was killed half-way, has begun anew there: that goes, with
    the servers that run, for what was there under the old name.
    """
    old, _ = former
    if not hub.knows(old):
        return
    with hub.changing() as database:
        if hub.knows(name):
            run("systemctl", "stop", *(f"jupyter-{name}{rest}-singleuser.service" for rest in ("", ":*")))
        database.execute("DELETE FROM users WHERE name = ?", (name,))
        database.execute("UPDATE users SET name = ? WHERE name = ?", (name, old))
