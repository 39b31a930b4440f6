"""Whether people can reach the workbench, asked every 50 ms from outside, over TLS, by the hub's page."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

EVERY_SECONDS = 0.05
PATIENCE_SECONDS = 1.0  # for one answer
PATH = "/jupyter/hub/login"


@dataclass
class Seen:
    """When each request was begun, by time.monotonic, and whether it was answered with the page."""

    asked: list[tuple[float, bool]] = field(default_factory=list)

    def spans(self) -> list[tuple[float, float]]:
        """Each time without the page, from the first request in vain to the next that was answered."""
        found, since = [], None
        for when, answered in sorted(self.asked):
            if answered and since is not None:
                found.append((since, when))
                since = None
            elif not answered and since is None:
                since = when
        return found

    def gaps(self) -> list[float]:
        """The seconds of each."""
        return [end - since for since, end in self.spans()]

    @property
    def in_vain(self) -> int:
        """How many requests were not answered."""
        return sum(not answered for _, answered in self.asked)


@contextmanager
def watching(address: str, port: int = 443) -> Iterator[Seen]:
    """Asks for as long as the block runs. Each request has a thread of its own: a slow one holds no other up."""
    seen, ended = Seen(), threading.Event()

    def ask(when: float) -> None:
        seen.asked.append((when, _answers(address, port)))

    def watch() -> None:
        while not ended.wait(EVERY_SECONDS):
            threading.Thread(target=ask, args=(time.monotonic(),), daemon=True).start()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()
        time.sleep(PATIENCE_SECONDS)


def _answers(address: str, port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # who vouches is not what is measured
    try:
        with (
            socket.create_connection((address, port), timeout=PATIENCE_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=address) as made,
        ):
            made.sendall(f"GET {PATH} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
            return made.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
