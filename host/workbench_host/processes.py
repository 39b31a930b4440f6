"""Who runs what on the host, as /proc says. What ends while it is looked at is passed over."""

import os
import subprocess
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

PROCESSES = Path("/proc")
ADMIN_UID = 1000  # of the one account of Debian's images
USER_UIDS = range(ADMIN_UID + 1, 60000)  # uids of declared users
# Has a file named after each user whose manager runs from boot on.
LINGERING = Path("/var/lib/systemd/linger")
# What a user manager runs for itself, and Podman as long as the manager lives, whether or not there is a container.
IDLE = ("init.scope", "dbus.service", "podman-pause-*.scope")
MEMORY_SECONDS = 20.0  # to look through the memory of all processes


def owners() -> Iterator[tuple[int, int]]:
    """(pid, uid) of each process."""
    for process in PROCESSES.glob("[0-9]*"):
        try:
            yield int(process.name), process.stat().st_uid
        except OSError:
            continue


def of(uid: int) -> list[int]:
    """The pids of all that a user runs: theirs, and what runs in their slice as somebody else (by sudo)."""
    within = f"/user-{uid}.slice/"
    return [pid for pid, owner in owners() if owner == uid or within in _read(pid, "cgroup")]


def members(gids: Collection[int]) -> set[int]:
    """The uids that have a process with one of these groups. It keeps them, whatever became of its user's."""
    found = set()
    for pid, uid in owners():
        line = next((line for line in _read(pid, "status").splitlines() if line.startswith("Groups:")), "")
        if not {int(gid) for gid in line.split()[1:]}.isdisjoint(gids):
            found.add(uid)
    return found


def _read(pid: int, name: str) -> str:
    try:
        return (PROCESSES / str(pid) / name).read_text(errors="replace")
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


def groups_of(pid: int) -> str:
    """Its control groups, a line each (cgroups(7)); empty where it has ended."""
    return _read(pid, "cgroup")


def counts() -> Counter[int]:
    """How many processes each uid has."""
    return Counter(uid for _, uid in owners())


def started_by_user(path: str, uid: int) -> bool:
    """Whether a control group is of something that the user has started in the user manager, and not its own."""
    unit = path.partition(f"/user@{uid}.service/")[2].split("/")
    return unit != [""] and not any(fnmatch(part, idle) for part in unit for idle in IDLE)


def is_manager(groups: str, uid: int) -> bool:
    """Whether a process, by its control groups, is one of the user manager's own: those run from boot on."""
    paths = [line.split(":", 2)[-1] for line in groups.splitlines()]
    inside = [path for path in paths if f"/user@{uid}.service/" in path]
    return bool(inside) and not any(started_by_user(path, uid) for path in inside)


def at_work() -> Counter[int]:
    """How many processes each uid has, but for those of user managers that run whether or not somebody is there."""
    return Counter(
        uid for pid, uid in owners() if uid not in USER_UIDS or not is_manager(groups_of(pid), uid)
    )


def control_groups() -> set[str]:
    """The paths of all control groups that have processes, as systemd names them."""
    lines = (line for pid, _ in owners() for line in _read(pid, "cgroup").splitlines())
    return {line.split(":", 2)[2] for line in lines}


def run_from(folder: Path) -> bool:
    """Whether a process has a file of the folder mapped, or was started with one.

    Both are read from its memory, which its user can have wait for ever: then it may be so.
    """
    files = [str(process / source) for process in PROCESSES.glob("[0-9]*") for source in ("cmdline", "maps")]
    looking = subprocess.Popen(
        ["grep", "--quiet", "--no-messages", "--text", "--fixed-strings", "--", f"{folder}/", *files],
        stdin=subprocess.DEVNULL,
    )
    try:
        return looking.wait(MEMORY_SECONDS) == 0
    except subprocess.TimeoutExpired:
        looking.kill()  # and no more is waited for: it ends when it may
        return True
