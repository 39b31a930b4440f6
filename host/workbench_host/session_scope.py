"""session-scope: moves whoever calls into a scope of its own in the slice user-<uid>.slice, and answers `ok`.

The open-source RStudio Server opens no PAM session, so systemd knows nothing of its users' sessions: they would all
share the server's limits instead of having their users'. systemd moves processes for root only. This is the root's
part: it is started for each connection to a socket, takes no input, and goes by what the kernel says of the caller
(SO_PEERCRED): a caller can move its own process only, and only into the slice of its own user. Processes of accounts
that belong to no person are not moved.
"""

import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from workbench_host.processes import ADMIN_UID, USER_UIDS

SESSION_UIDS = range(ADMIN_UID, USER_UIDS.stop)  # whoever may log in: the administrator as well
SCOPE = "workbench-session-{}-{}.scope"  # the uid, and the process that began it
WAIT_SECONDS = 10
CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid
MANAGER = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")


def caller(connection: socket.socket) -> tuple[int, int]:
    """(pid, uid) of whoever opened the connection."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    pid, uid, _ = CREDENTIALS.unpack(raw)
    return pid, uid


def is_in(pid: int, scope: str) -> bool:
    return any(line.endswith(f"/{scope}") for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())


def move(pid: int, uid: int) -> None:
    """Raises OSError or CalledProcessError where it cannot be done."""
    if (
        Path(f"/proc/{pid}").stat().st_uid != uid
    ):  # the caller has ended, and somebody else has its number by now
        raise ProcessLookupError(f"process {pid} is not theirs")
    scope = SCOPE.format(uid, pid)
    properties = [
        *("Description", "s", f"Session of the user {uid}"),
        *("Slice", "s", f"user-{uid}.slice"),
        *("PIDs", "au", "1", str(pid)),
        *("CollectMode", "s", "inactive-or-failed"),
        # When the host shuts down it is stopped, and writes what R has in its memory, while the homes are still there.
        *("After", "as", "1", "home.mount"),
    ]
    call = [
        "busctl",
        "call",
        *MANAGER,
        "StartTransientUnit",
        "ssa(sv)a(sa(sv))",
        scope,
        "fail",
        "5",
        *properties,
        "0",
    ]
    subprocess.run(call, check=True, capture_output=True, text=True, timeout=WAIT_SECONDS)
    until = time.monotonic() + WAIT_SECONDS
    while not is_in(pid, scope):  # the call is answered before it is carried out
        if time.monotonic() > until:
            raise TimeoutError(f"process {pid} was not moved within {WAIT_SECONDS} s")
        time.sleep(0.02)


def main(_: Sequence[str]) -> int:
    with socket.socket(fileno=sys.stdin.fileno()) as connection:
        pid, uid = caller(connection)
        try:
            if uid in SESSION_UIDS:
                move(pid, uid)
        except subprocess.CalledProcessError as error:
            print(f"A session of the user {uid} was not moved: {error.stderr.strip()}", file=sys.stderr)
            return 1
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"A session of the user {uid} was not moved: {error}", file=sys.stderr)
            return 1
        connection.sendall(b"ok")
    return 0
