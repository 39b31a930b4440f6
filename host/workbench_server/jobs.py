"""An extension of Jupyter Server: whatever has a job counts as active, however silent it is.

Jupyter ends kernels and terminals that have been without messages for a time, and then the server. A kernel that
computes is spared by itself; a job in a terminal, or one that a kernel has started, may say nothing for hours. A job is
a process in the server's cgroup that is neither the server, a kernel, a terminal's shell, nor a helper that the server
itself has started. What is left to run on its own (nohup, setsid, tmux) is one too, and keeps the server.

And it tells systemd how many kernels are busy, as the status of the server's unit (sd_notify(3)): root is told there
who computes before the workbench is stopped (workbench_host/activity.py), and asks no socket of a user's for that.
"""

import os
import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from tornado.ioloop import PeriodicCallback

STATUS_SECONDS = 2


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    every(app, note)
    # Not for what the server starts, whose words systemd would not take.
    if address := os.environ.pop("NOTIFY_SOCKET", ""):
        status = Status(address)
        PeriodicCallback(lambda: status.tell(kernels(app.kernel_manager)), STATUS_SECONDS * 1000).start()


def every(app: Any, noting: Callable[[Any], None]) -> None:
    """Has `noting` called with the server as often as that looks for what is idle (jupyter_server_config.py)."""
    seconds = max(1, app.kernel_manager.cull_interval)  # a user's own configuration may have another
    PeriodicCallback(lambda: noting(app), seconds * 1000).start()


class Status:
    """The status of the server's unit, told whenever it is another one."""

    def __init__(self, address: str) -> None:
        self.address, self.told = address, ""

    def tell(self, found: Collection[Any]) -> None:
        busy = sum(getattr(kernel, "execution_state", None) == "busy" for kernel in found)
        text = f"{busy} of {len(found)} kernels busy"
        if text == self.told:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.setblocking(False)
            notify.sendto(f"STATUS={text}".encode(), self.address)
            self.told = text


def note(app: Any) -> None:
    """Notes the present time as the last activity of every kernel and terminal with a job, and of the server."""
    now = datetime.now(UTC)
    settings = app.web_app.settings
    roots = {pid: kernel for kernel in kernels(app.kernel_manager) if (pid := pid_of(kernel))}
    terminals = settings["terminal_manager"].terminals if settings.get("terminals_available") else {}
    roots |= {terminal.ptyproc.pid: terminal for terminal in terminals.values()}
    found = jobs(members(), os.getpid(), set(roots))
    if found:
        settings["workbench_jobs_last_activity"] = now  # Jupyter Server takes the newest of all such settings
    for root in set(found.values()):
        if root is not None:
            roots[root].last_activity = now


def kernels(manager: Any) -> list[Any]:
    """All kernels that run."""
    return [manager.get_kernel(kernel_id) for kernel_id in manager.list_kernel_ids()]


def pid_of(kernel: Any) -> int | None:
    """The process of a kernel on this machine, None where it has none at the moment."""
    return getattr(getattr(kernel, "provisioner", None), "pid", None)


def jobs(parents: Mapping[int, int], server: int, roots: Collection[int]) -> dict[int, int | None]:
    """Jobs among processes (pid -> parent's pid): pid -> its kernel or terminal, None where it is left to itself."""
    found: dict[int, int | None] = {}
    for pid in set(parents) - set(roots) - {server}:
        ancestor = pid
        while ancestor in parents and ancestor not in roots and parents[ancestor] != server:
            ancestor = parents[ancestor]
        if ancestor in roots:
            found[pid] = ancestor
        elif ancestor not in parents:
            found[pid] = None
    return found


def members() -> dict[int, int]:
    """The processes of this server's unit: pid -> parent's pid. Ended ones that nobody has asked for do not count."""
    own, found = cgroup("self"), {}
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and cgroup(name) == own:
                with open(f"/proc/{name}/stat") as file:
                    state, parent = file.read().rpartition(")")[2].split()[:2]
                if state != "Z":
                    found[int(name)] = int(parent)
    return found


def cgroup(pid: str) -> str:
    """A process's cgroup in systemd's hierarchy: of cgroup 2 the only one, of cgroup 1 the one named so."""
    with open(f"/proc/{pid}/cgroup") as file:
        lines = [line.rstrip("\n").split(":", 2) for line in file]
    return next((path for _, kind, path in lines if kind == "name=systemd"), lines[-1][2])
