"""A stream to a host's SSH port, by the way that `ssh` would take: straight, or through the proxy of ~/.ssh/config.

pyinfra reads ProxyJump as well, but with a client of its own: it takes a jump host with a jump host of its own for one
that is reached directly, and asks at the terminal about host keys. Here OpenSSH does it.
"""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from types import TracebackType
from typing import Any

from workbench.openssh import Route

CONNECT_SECONDS = 10.0
GREETING_SECONDS = 5.0
PROXY_SECONDS = 30.0  # until the greeting: a proxy has somewhere to log in to before
END_SECONDS = 3.0  # for a proxy to end once it is asked to


class Link:
    """The stream, as `socket`."""

    def __init__(self, route: Route, seconds: float = CONNECT_SECONDS) -> None:
        """Connects, or starts the proxy, of which it is not known yet whether it gets there. Raises OSError."""
        self._proxy: subprocess.Popen[bytes] | None = None
        if not route.proxy:
            self.socket = socket.create_connection((route.host, route.port), timeout=seconds)
            self.socket.settimeout(None)
            return
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this is
        self.socket, theirs = socket.socketpair()
        # In a session of its own there is no terminal that it could ask at, and Ctrl-C is not for it.
        with theirs:
            streams: Any = {"stdin": theirs, "stdout": theirs, "stderr": self._said}
            self._proxy = subprocess.Popen(route.proxy, start_new_session=True, **streams)

    def complaint(self) -> str:
        """The last line that the proxy complained with; "" where it did not."""
        if self._proxy is None:
            return ""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    def close(self) -> None:
        """Ends the stream, and the proxy's process group: by force where the proxy does not end when it is asked to."""
        self.socket.close()
        if self._proxy is not None:
            _signal(self._proxy, signal.SIGTERM)
            try:
                self._proxy.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                _signal(self._proxy, signal.SIGKILL)
                with contextlib.suppress(subprocess.TimeoutExpired):  # it is another user's, as by sudo
                    self._proxy.wait(END_SECONDS)
            self._said.close()

    def __enter__(self) -> "Link":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signals all of a process's group, which it leads."""
    if process.returncode is None:  # else its number may be another's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def silence(route: Route) -> str | None:
    """Why no SSH server greets at the end of the route; None where one does."""
    try:
        with Link(route, GREETING_SECONDS) as link:
            link.socket.settimeout(PROXY_SECONDS if route.proxy else GREETING_SECONDS)
            try:
                greeting = link.socket.recv(4)
            except OSError as error:
                return link.complaint() or (os.strerror(error.errno) if error.errno else str(error))
            return None if greeting == b"SSH-" else link.complaint() or "what answers is no SSH server"
    except OSError as error:
        return error.strerror or str(error)
