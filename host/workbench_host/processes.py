"""Who runs what on the host, as /proc says. What ends while it is looked at is passed over."""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PROCESSES = Path("/proc")
PEOPLE = range(1001, 60000)  # uids of declared users; the administrator has 1000
LINGERING = Path(
    "/var/lib/systemd/linger"
)  # has a file named after each user whose manager runs from boot on


def owners() -> Iterator[tuple[int, int]]:
    """(pid, uid) of each process."""
    for process in PROCESSES.glob("[0-9]*"):
        try:
            yield int(process.name), process.stat().st_uid
        except OSError:
            continue


def counts() -> Counter[int]:
    """How many processes each uid has."""
    return Counter(uid for _, uid in owners())


def control_groups() -> set[str]:
    """The paths of all control groups that have processes, as systemd names them."""
    found = set()
    for process in PROCESSES.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for line in (process / "cgroup").read_text(errors="replace").splitlines():
                found.add(line.split(":", 2)[2])
    return found


def run_from(folder: Path) -> bool:
    """Whether a process has a file of the folder mapped, or was started with one."""
    needle = os.fsencode(f"{folder}/")
    for process in PROCESSES.glob("[0-9]*"):
        for source in ("cmdline", "maps"):
            try:
                if needle in (process / source).read_bytes():
                    return True
            except OSError:
                continue
    return False
