"""The dispatcher of ada's apps in a process of its own, on a real socket, and what the proxy would send it."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

FAKE_APP = Path(__file__).with_name("fake_app.py")
DRIVER = f"""
import asyncio, os, socket, sys
from workbench_host.apps import dispatcher, kinds, running
command = lambda path: [{sys.executable!r}, {str(FAKE_APP)!r}, path]
dispatcher.KINDS["fake"] = kinds.Kind("Apps", frozenset({{"fake.app"}}), command)
home, runtime, limits = sys.argv[1:]
served = dispatcher.Dispatcher("ada", home, runtime, running.Limits(**eval(limits)))
asyncio.run(served.serve(socket.socket(fileno=0)))
"""


class AppHost:
    """`folder` is to be short: a socket's path has at most 107 letters."""

    def __init__(self, folder: Path, **limits: float) -> None:
        self.home, self.runtime, self.socket = folder / "home", folder / "run", folder / "apps.sock"
        self.home.mkdir()
        self.runtime.mkdir()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.socket))
        listener.listen(100)
        with listener:
            self.process = subprocess.Popen(
                [sys.executable, "-c", DRIVER, self.home, self.runtime, repr(limits)],
                stdin=listener,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HOME": str(self.home), "SECRET": "of the dispatcher"},
            )

    def stop(self) -> str:
        """Ends it, and all that it says is given back."""
        self.process.terminate()
        return self.process.communicate(timeout=20)[0].decode()

    def add(self, name: str, mode: str = "") -> Path:
        """An app of ada's, which does at its start what the mode says."""
        folder = self.home / "Apps" / name
        folder.mkdir(parents=True)
        (folder / "Fake.app").touch()
        (folder / "mode").write_text(mode)
        return folder

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(str(self.socket))
        return connection

    def send(self, said: bytes) -> bytes:
        """The whole answer to these bytes."""
        with self.connect() as connection:
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(said)
            return b"".join(pieces(connection))

    def get(self, target: str) -> bytes:
        """The whole answer to a GET."""
        return self.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target.encode())

    def status(self, target: str) -> int:
        return status(self.get(target))

    def pid(self, name: str) -> int:
        """The process of an app, which is started where it does not run."""
        return int(body(self.get(f"/fake/ada/{name}/pid")))


def pieces(connection: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(ConnectionResetError):  # where not all was read that was sent
        while data := connection.recv(65536):
            yield data


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """What the other side says up to these bytes."""
    said = b""
    while not said.endswith(end):
        said += connection.recv(65536)
    return said


def status(answer: bytes) -> int:
    match = re.match(rb"HTTP/1.1 (\d+) ", answer)
    assert match, answer
    return int(match[1])


def body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def lives(pid: int) -> bool:
    """Whether it runs and is not only waiting for whoever is its parent by now to hear of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may go while it is read
        return False


def wait_until(what: Callable[[], bool], seconds: float = 10) -> None:
    """Waits until `what` is true when called."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


Make = Callable[..., AppHost]
