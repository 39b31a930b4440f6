"""The end of all that a user runs: of an account that is closed, and of one that has lost a group."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from workbench_host import managers, processes
from workbench_host.accounts.system import fields
from workbench_host.processes import LINGERING
from workbench_host.tools import FailureError

GRACE_SECONDS = 5  # for processes to end by themselves
NOBODYS = 2**32 - 2  # no account's, and above all ids for containers
CONTROL_GROUPS = Path("/sys/fs/cgroup")


def end_sessions(name: str, uid: int) -> None:
    """Ends all that the user runs, notebook servers and what they run by sudo too: asked first, then killed."""
    subprocess.run(["loginctl", "disable-linger", name], capture_output=True, check=False)
    _end(name, uid, lambda: processes.of(uid))


def renew_sessions(name: str, kept: tuple[int, frozenset[str]]) -> None:
    """Ends all that the user runs, since it keeps these groups, who has come in since too: that is not waited for."""
    uid, groups = kept
    gids = {int(line[2]) for line in fields("group") if line[0] in groups}
    there = processes.begun(uid)
    _end(name, uid, lambda: processes.left(uid, there, gids))


def begin_anew(users: Mapping[str, int]) -> None:
    """Starts what was ended of a systemd of a user's own (uids by name) that runs from boot on.

    It hands the groups of its start on to all that it starts, schedules among it: those of today are all there by now.
    """
    for name, uid in users.items():
        if (LINGERING / name).exists():
            managers.wake(name, uid)


def _end(name: str, uid: int, left: Callable[[], Sequence[int]]) -> None:
    """Ends what `left` finds, until that is nothing, and last what no look at /proc has found.

    Raises FailureError where something does not end.
    """
    subprocess.run(["systemctl", "stop", "--no-block", f"user-{uid}.slice"], capture_output=True, check=False)
    deadline = time.monotonic() + GRACE_SECONDS
    while running := left():
        if time.monotonic() < deadline:
            _kill(running, signal.SIGTERM)
        else:
            _kill(running, signal.SIGKILL)
            _kill_all(uid)
        time.sleep(0.2)
        if time.monotonic() > deadline + GRACE_SECONDS:
            raise FailureError(f"processes of {name} do not end, even when killed")
    _kill_all(uid)


def _kill_all(uid: int) -> None:
    """All that the user runs at one go, who came in just now too: a process that forks and ends within a millisecond is
    gone whenever it is looked at, and its child is not there yet.

    First by the kernel's own list of what the user may send a signal to (kill(2), -1), wherever it runs. That is asked
    by a process of the user's which the user may not signal, as its other ids are nobody's. Then the
    user's control group, which has the ids for containers too (cgroups(7), cgroup.kill); with control groups of version
    1 systemd reads its list until that has nobody new.
    """
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODYS, NOBODYS, NOBODYS)
            os.setresuid(NOBODYS, uid, NOBODYS)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    group = f"user-{uid}.slice"
    try:
        (CONTROL_GROUPS / "user.slice" / group / "cgroup.kill").write_text("1")
    except OSError:
        kill = ["systemctl", "kill", "--kill-whom=all", "--signal=SIGKILL", group]
        subprocess.run(kill, capture_output=True, check=False)


def _kill(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)
