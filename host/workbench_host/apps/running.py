"""One app that runs: a process of the user's, its socket, its log, and who is connected to it."""

import asyncio
import contextlib
import os
import signal
import socket
import stat
import time
from dataclasses import dataclass
from http import HTTPStatus

from workbench_host import data
from workbench_host.accounts.scratch import SCRATCH
from workbench_host.apps.kinds import Kind
from workbench_host.apps.requests import Place, RefusedError

LOG_FOLDER = "log"
LOG_BYTES = 1024**2  # a log that is longer is put aside at the next start
RESTART = (
    "restart.txt"  # Shiny Server's way to ask for a fresh start: `touch restart.txt` in the app's folder
)
POLL_SECONDS = 0.02
# What an app gets of this process's environment: the unit's, but for what concerns this process itself.
ENVIRONMENT = ("HOME", "USER", "LOGNAME", "SHELL", "LANG", "PATH", "TZ")
# By a login shell, so that it finds the programs that its user finds in a terminal.
SHELL = ("/bin/bash", "-lc", 'cd -- "$0" && exec "$@"')


def environment(user: str) -> dict[str, str]:
    """An app's environment. What its visitors upload is in the folder that counts for its user's quota, not in /tmp."""
    own = {key: os.environ[key] for key in ENVIRONMENT if key in os.environ}
    return {**own, "TMPDIR": f"{SCRATCH}/{user}", **data.environment()}


@dataclass(frozen=True)
class Limits:
    """Times in seconds, and numbers of apps and connections of one user."""

    head_seconds: float = 10
    start_seconds: float = 60
    connect_seconds: float = 5
    end_seconds: float = 5
    again_seconds: float = 5  # from one start to the next of an app that died
    idle_seconds: float = 600  # from an app's last connection to its end
    leave_seconds: float = 60  # from the last app or connection to the end of this process
    apps: int = 16
    connections: int = 1000


class App:
    """`connections` are those that are passed on at present, `quiet_since` when the last one went."""

    def __init__(self, kind: Kind, place: Place, home: str, path: str, limits: Limits) -> None:
        self.kind, self.user, self.name = kind, place.user, place.app
        self.home, self.path, self.limits = home, path, limits
        self.began, self.seen = time.monotonic(), self._look()
        self.connections, self.quiet_since = 0, self.began
        self.process: asyncio.subprocess.Process | None = None
        self.ready = asyncio.ensure_future(self._start())

    @property
    def folder(self) -> str:
        return self.kind.path(self.home, self.name)

    @property
    def failed(self) -> RefusedError:
        """What a visitor is told where it could not be started."""
        log = f"~/{self.kind.folder}/{LOG_FOLDER}/{self.name}.log"
        return RefusedError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"It could not be started. Whose app it is finds out why in {log}.",
        )

    def is_outdated(self) -> bool:
        """Whether its user has asked for a fresh start since then, or put another folder in its place."""
        return self._look() != self.seen

    def _look(self) -> tuple[int, ...]:
        """What tells one state of its folder from another; nothing where there is none."""
        try:
            folder = os.stat(self.folder)
        except OSError:
            return ()
        try:
            return folder.st_dev, folder.st_ino, os.stat(f"{self.folder}/{RESTART}").st_mtime_ns
        except OSError:
            return folder.st_dev, folder.st_ino

    async def _start(self) -> None:
        """Starts the process and waits until it listens. Raises RefusedError where it dies, or takes too long."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        try:
            with open(self._log(), "wb") as log:
                self.process = await asyncio.create_subprocess_exec(
                    *(*SHELL, self.folder, *self.kind.command(self.path)),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env=environment(self.user),
                )
        except OSError as error:
            print(f"The app {self.name!r} could not be started: {error}", flush=True)
            raise self.failed from None
        until = self.began + self.limits.start_seconds
        while not self._listens():
            if self.process.returncode is not None or time.monotonic() > until:
                await self.end()
                raise self.failed
            await asyncio.sleep(POLL_SECONDS)

    def _log(self) -> int:
        """The log, opened to be written at its end. Raises OSError where it is no file that can be written."""
        folder = f"{self.home}/{self.kind.folder}/{LOG_FOLDER}"
        os.makedirs(folder, mode=0o700, exist_ok=True)
        path = f"{folder}/{self.name}.log"
        with contextlib.suppress(FileNotFoundError):
            if os.stat(path).st_size > LOG_BYTES:
                os.replace(path, f"{folder}/{self.name}.old.log")
        # Without waiting for whoever reads, should it be a pipe.
        log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600)
        if not stat.S_ISREG(os.fstat(log).st_mode):
            os.close(log)
            raise OSError(f"{path} is no file")
        os.write(log, f"--- started {time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode())
        return log

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            try:
                probe.connect(self.path)
            except BlockingIOError:
                return True
            except OSError:
                return False
            return True

    async def connect(self) -> socket.socket:
        """A new connection to it. Raises RefusedError where it takes none."""
        until = time.monotonic() + self.limits.connect_seconds
        while True:
            connection = socket.socket(socket.AF_UNIX)
            connection.setblocking(False)
            try:
                connection.connect(self.path)
            except OSError as error:
                connection.close()
                if not isinstance(error, BlockingIOError) or time.monotonic() > until:
                    text = "It is running, but takes no connection. Try again in a moment."
                    raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, text) from None
                await asyncio.sleep(POLL_SECONDS)
            else:
                return connection

    async def end(self) -> None:
        """Ends it, and what it started in its own process group.

        All are asked first. What is left is killed once the app itself has ended, or has not within `end_seconds`.
        """
        if self.process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), self.limits.end_seconds)
        with contextlib.suppress(OSError):
            os.unlink(self.path)
