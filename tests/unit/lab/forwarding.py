"""What a forwarder stands between: a machine on an address of this process alone, its clients, its rules."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

from lab.forwarder import Target
from lab.records import Allowed
from lab.shell import CommandFailed

# Addresses of this process alone: tests run side by side.
_MINE = IPv4Address("127.128.0.0") + os.getpid() % 2**21 * 2
IP = str(_MINE)
MACHINE = str(_MINE + 1)  # stands for the container's address on the bridge


class FakeRedirects:
    def __init__(self) -> None:
        self.rules: list[tuple[str, int, int]] = []
        self.broken = False

    def add(self, ip: str, port: int, to_port: int) -> None:
        if self.broken:
            raise CommandFailed(["iptables"], 127, "iptables is not installed")
        self.rules.append((ip, port, to_port))

    def remove(self, ip: str, port: int, to_port: int) -> None:
        self.rules.remove((ip, port, to_port))


class Machine:
    """A TCP server on the machine's address, each connection handled by the function given."""

    def __init__(self, handle: Callable[[socket.socket], None]) -> None:
        self.server = socket.create_server((MACHINE, 0))
        self.port = int(self.server.getsockname()[1])
        self._handle = handle
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._handle(connection)


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


def target(port: int, cidr: str = "0.0.0.0/0", last: int = 0, address: str = MACHINE) -> Target:
    return Target(IP, address, 1, (Allowed(port, last or port, IPv4Network(cidr)),))


def call(port: int, ip: str = IP, source: str = "") -> socket.socket:
    return socket.create_connection((ip, port), timeout=5, source_address=(source, 0) if source else None)


def is_refused(port: int) -> bool:
    try:
        call(port).close()
    except ConnectionRefusedError:
        return True
    return False
