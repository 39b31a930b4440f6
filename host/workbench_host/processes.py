"""Who runs what on the host, as /proc says. What ends while it is looked at is passed over."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

PROCESSES = Path("/proc")
ADMIN_UID = 1000  # of the one account of Debian's images
USER_UIDS = range(ADMIN_UID + 1, 60000)  # uids of declared users
# Has a file named after each user whose manager runs from boot on.
LINGERING = Path("/var/lib/systemd/linger")
# What a user manager runs for itself, and Podman as long as the manager lives, whether or not there is a container.
IDLE = ("init.scope", "dbus.service", "podman-pause-*.scope")
_SLICE = re.compile(r"/user\.slice/user-(\d+)\.slice/")
# proc_pid_status(5). Before them stands the name of the process, which its user chooses: what Python else takes for the
# end of a line, such as a form feed, ends none here.
_GROUPS = re.compile(r"^(?:Gid|Groups):([^\n]*)$", re.MULTILINE)


def owners() -> Iterator[tuple[int, int]]:
    """(pid, uid) of each process."""
    for process in PROCESSES.glob("[0-9]*"):
        try:
            yield int(process.name), process.stat().st_uid
        except OSError:
            continue


def of(uid: int) -> list[int]:
    """The pids of all that a user runs: theirs, and what runs in their slice as somebody else (by sudo)."""
    return [pid for pid, owner in owners() if uid in {owner, slice_of(pid)}]


def slice_of(pid: int) -> int | None:
    """The uid in whose slice a process runs."""
    return whose(group_of(pid))


def whose(group: str) -> int | None:
    """The uid in whose slice a control group is. Below it, users give groups any name, that of another's slice too."""
    found = _SLICE.match(group)
    return int(found[1]) if found else None


def users() -> Iterator[tuple[int, int]]:
    """(pid, uid) of each process of a user. What runs by one of the further uids that a user has for containers
    (container_users.py) is the user's.
    """
    for pid, owner in owners():
        uid = slice_of(pid) if owner >= USER_UIDS.stop else owner
        if uid is not None and uid in USER_UIDS:
            yield pid, uid


def memberships(gids: Collection[int]) -> dict[int, set[int]]:
    """The uids of users who run anything, with those of these groups that anything of theirs is in."""
    found: dict[int, set[int]] = {}
    for pid, uid in users():
        found.setdefault(uid, set()).update(gids_of(pid).intersection(gids))
    return found


def gids_of(pid: int) -> set[int]:
    """All groups of a process, by which it may open files. It keeps them, whatever became of its user's.

    One in a user namespace of its own, as containers are, can give away those of its first thread alone.
    """
    files = ["status"]
    if _in_other_namespace(pid):
        files += [f"task/{thread.name}/status" for thread in PROCESSES.glob(f"{pid}/task/*")]
    return {int(gid) for file in files for line in _GROUPS.findall(_read(pid, file)) for gid in line.split()}


def _in_other_namespace(pid: int) -> bool:
    try:
        return (PROCESSES / str(pid) / "ns/user").readlink() != (PROCESSES / "self/ns/user").readlink()
    except OSError:
        return False


def begun(uid: int) -> set[tuple[int, int]]:
    """All that a user runs: each process by its number and when it began, in ticks since boot."""
    return {(pid, found.began) for pid in of(uid) if (found := stat_of(pid))}


def left(uid: int, there: Collection[tuple[int, int]], gids: Collection[int]) -> list[int]:
    """The pids of what a user runs that was `there` (begun), or is in one of the groups, as what that began is."""
    now = of(uid)
    old = {pid for pid in now if (found := stat_of(pid)) and (pid, found.began) in there}
    return [pid for pid in now if pid in old or not gids_of(pid).isdisjoint(gids)]


def _read(pid: int, name: str) -> str:
    """A file of a process as it is: no end of a line is made of what else a user has put into it."""
    try:
        return (PROCESSES / str(pid) / name).read_bytes().decode(errors="replace")
    except OSError:
        return ""


@dataclass(frozen=True)
class Stat:
    """What proc_pid_stat(5) says of a process; `ticks` of processors are its own and its ended children's."""

    command: str  # which its user chooses
    parent: int
    group: int
    session: int
    terminal: int  # the device number as os.stat has it; 0 without one
    foreground: int  # the process group in the foreground of that terminal
    ticks: int
    began: int  # ticks since boot


def stat_of(pid: int) -> Stat | None:
    """None where it has ended."""
    head, _, rest = _read(pid, "stat").rpartition(")")
    if not rest:
        return None
    fields = rest.split()
    parent, group, session, terminal, foreground = (int(field) for field in fields[1:6])
    # The kernel's own way to put both halves into 32 bits (linux/kdev_t.h, new_encode_dev).
    device = os.makedev(terminal >> 8 & 0xFFF, terminal & 0xFF | terminal >> 12 & 0xFFF00)
    ticks = sum(int(field) for field in fields[11:15])
    return Stat(head.partition("(")[2], parent, group, session, device, foreground, ticks, int(fields[19]))


def group_of(pid: int) -> str:
    """Its control group (cgroups(7)) by its path in systemd's tree; empty where it has ended."""
    return _group(pid).removeprefix(_root(PROCESSES))


def _group(pid: int) -> str:
    """The path in the hierarchy that systemd has its tree in: that of version 2, or of its own name in version 1."""
    lines = (line.split(":", 2) for line in _read(pid, "cgroup").split("\n") if line)
    paths = {hierarchy: path for _, hierarchy, path in lines}
    return paths.get("name=systemd", paths.get("", ""))


@cache
def _root(_: Path) -> str:
    """Where systemd's tree begins, which it is process 1 of: at /, but in containers that share their host's groups."""
    return _group(1).rpartition("/init.scope")[0]


def manager_group(uid: int) -> str:
    """What the control groups of a user manager, and of all that runs in it, begin with."""
    return f"/user.slice/user-{uid}.slice/user@{uid}.service/"


def started_by_user(group: str, uid: int) -> bool:
    """Whether a control group is of something that the user has started in the user manager, and not its own."""
    unit = group.removeprefix(manager_group(uid)).split("/")
    inside = group.startswith(manager_group(uid)) and unit != [""]
    return inside and not any(fnmatch(part, idle) for part in unit for idle in IDLE)


def is_manager(group: str, uid: int) -> bool:
    """Whether what is in a control group is one of the user manager's own processes: those run from boot on."""
    return group.startswith(manager_group(uid)) and not started_by_user(group, uid)


def at_work() -> Counter[int]:
    """How many processes each uid has, but for those of user managers that run whether or not somebody is there."""
    return Counter(uid for pid, uid in owners() if uid not in USER_UIDS or not is_manager(group_of(pid), uid))


def control_groups() -> set[str]:
    """All control groups that have processes, as group_of has them."""
    return {group for pid, _ in owners() if (group := group_of(pid))}
