"""What this machine knows of a server's host keys while they are exchanged, with servers of paramiko's own."""

import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import paramiko
import pytest

from deploy import knownhosts
from workbench import openssh


class Listener:
    """An SSH server of paramiko's own on loopback, with the keys that it is given; nobody can log in."""

    def __init__(self, keys: Sequence[paramiko.PKey]) -> None:
        self.keys = keys
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.threads = [threading.Thread(target=self.serve, daemon=True)]
        self.threads[0].start()

    def serve(self) -> None:
        while True:
            try:
                link, _ = self.socket.accept()
            except OSError:
                return
            transport = paramiko.Transport(link)
            for key in self.keys:
                transport.add_server_key(key)
            transport.start_server(event=threading.Event(), server=paramiko.ServerInterface())

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.threads[0].join(timeout=10)


def line(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"


@pytest.fixture
def keys() -> list[paramiko.PKey]:
    """Two servers' identities: ECDSA and RSA of the first, ECDSA and RSA of the second."""
    return [
        make()
        for _ in range(2)
        for make in (paramiko.ECDSAKey.generate, lambda: paramiko.RSAKey.generate(2048))
    ]


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    started: list[Listener] = []

    def listen(keys: Sequence[paramiko.PKey]) -> None:
        started.append(Listener(keys))
        there = openssh.Route("127.0.0.1", started[-1].port, (), (), None)
        monkeypatch.setattr(openssh, "route", lambda *_: there)

    yield listen
    for listener in started:
        listener.close()


@pytest.mark.parametrize("live", [0, 1])
def test_an_exchange_cut_short_is_settled_by_asking_the_server(
    tmp_path: Path, keys: list[paramiko.PKey], listening: Any, live: int
) -> None:
    listening(keys[2 * live : 2 * live + 2])
    path = tmp_path / "known_hosts"
    knownhosts.write(path, knownhosts.lines("127.0.0.1", [line(key) for key in keys]))
    knownhosts.reconcile(path, "127.0.0.1")
    known = paramiko.HostKeys(str(path))
    for key in keys[2 * live : 2 * live + 2]:
        assert known.check("127.0.0.1", key), (
            "the key that the server shows is the one that paramiko compares with"
        )
    assert len(knownhosts.read(path)) == 4, "the other set stays, until the deploy has ended"


def test_a_server_that_shows_a_strangers_key_is_not_trusted(
    tmp_path: Path, keys: list[paramiko.PKey], listening: Any
) -> None:
    listening([paramiko.ECDSAKey.generate()])
    path = tmp_path / "known_hosts"
    before = knownhosts.lines("127.0.0.1", [line(key) for key in keys])
    knownhosts.write(path, before)
    knownhosts.reconcile(path, "127.0.0.1")
    assert knownhosts.read(path) == before


def test_without_an_exchange_nobody_is_asked(tmp_path: Path, keys: list[paramiko.PKey]) -> None:
    path = tmp_path / "known_hosts"
    before = knownhosts.lines("192.0.2.1", [line(key) for key in keys[:2]])
    knownhosts.write(path, before)
    knownhosts.reconcile(path, "192.0.2.1")
    assert knownhosts.read(path) == before
