"""An address is open for exactly what is allowed and listened on; bytes pass unharmed."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network

import pytest

from lab import forwarder as module
from lab.forwarder import Forwarder, Target
from lab.holders import holder, listening
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


@pytest.fixture
def redirects() -> FakeRedirects:
    return FakeRedirects()


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The ports that the machine listens on, in place of what /proc says of its network."""
    ports: set[int] = set()
    monkeypatch.setattr(module, "listening", lambda _pid: set(ports))
    return ports


@pytest.fixture
def forwarder(redirects: FakeRedirects, inside: set[int]) -> Iterator[Forwarder]:
    made = Forwarder(redirects)  # type: ignore[arg-type]
    made.start()
    yield made
    made.stop()


@pytest.fixture
def machine(inside: set[int]) -> Iterator[Machine]:
    made = Machine(echo)
    inside.add(made.port)
    yield made
    made.server.close()


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


def test_what_a_rule_allows_passes_both_ways(forwarder: Forwarder, machine: Machine) -> None:
    forwarder.update([target(machine.port)])
    with call(machine.port) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"


def test_what_no_rule_allows_is_refused(forwarder: Forwarder, machine: Machine) -> None:
    forwarder.update([target(machine.port + 1)])
    assert is_refused(machine.port)


def test_a_rule_for_others_is_refused_to_this_machine(forwarder: Forwarder, machine: Machine) -> None:
    forwarder.update([target(machine.port, "203.0.113.0/24")])
    assert is_refused(machine.port)


def test_a_client_outside_the_rules_network_gets_nothing(forwarder: Forwarder, machine: Machine) -> None:
    forwarder.update([target(machine.port, "127.0.0.1/32")])
    with call(machine.port, source="127.0.0.1") as client:
        client.sendall(b"in")
        assert client.recv(10) == b"in"
    with pytest.raises(ConnectionResetError), call(machine.port, source="127.0.0.9") as client:
        client.recv(10)


def test_a_port_is_open_while_something_listens_on_it(
    forwarder: Forwarder, machine: Machine, inside: set[int]
) -> None:
    inside.clear()
    forwarder.update([target(1, last=65535)])
    assert is_refused(machine.port)
    inside.add(machine.port)
    end = time.monotonic() + 60
    while is_refused(machine.port) and time.monotonic() < end:
        time.sleep(0.05)
    with call(machine.port) as client:
        inside.clear()
        while not is_refused(machine.port) and time.monotonic() < end:
            time.sleep(0.05)
        assert is_refused(machine.port)
        client.sendall(b"still")
        assert client.recv(10) == b"still", "what is connected stays so"


def test_a_rule_taken_back_refuses_new_clients_at_once(forwarder: Forwarder, machine: Machine) -> None:
    forwarder.update([target(machine.port)])
    with call(machine.port) as client:
        client.sendall(b"in")
        assert client.recv(10) == b"in"
        forwarder.update([Target(IP, MACHINE, 1, ())])
        assert is_refused(machine.port)
        client.sendall(b"tracked")
        assert client.recv(10) == b"tracked"
    forwarder.update([target(machine.port)])
    call(machine.port).close()


def test_connections_end_when_the_address_leaves_the_machine(forwarder: Forwarder, machine: Machine) -> None:
    forwarder.update([target(machine.port)])
    with call(machine.port) as client:
        client.sendall(b"x")
        client.recv(1)
        forwarder.update([])
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(10) == b""


def test_a_client_that_has_said_all_still_gets_the_answer(forwarder: Forwarder, inside: set[int]) -> None:
    def sum_up(connection: socket.socket) -> None:
        total = 0
        while data := connection.recv(65536):
            total += len(data)
        time.sleep(0.2)  # the answer comes well after the client's last byte
        connection.sendall(str(total).encode())

    machine = Machine(sum_up)
    inside.add(machine.port)
    forwarder.update([target(machine.port)])
    with call(machine.port) as client:
        client.sendall(b"x" * 3_000_000)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b"3000000"
        assert client.recv(100) == b""


def test_a_server_that_has_said_all_still_hears_the_client(forwarder: Forwarder, inside: set[int]) -> None:
    heard: list[bytes] = []
    done = threading.Event()

    def greet(connection: socket.socket) -> None:
        connection.sendall(b"welcome")
        connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(100):
            heard.append(data)
        done.set()

    machine = Machine(greet)
    inside.add(machine.port)
    forwarder.update([target(machine.port)])
    with call(machine.port) as client:
        assert client.recv(100) == b"welcome"
        assert client.recv(100) == b""
        client.sendall(b"thanks")
        client.shutdown(socket.SHUT_WR)
        assert done.wait(5)
    assert b"".join(heard) == b"thanks"


def test_a_server_that_breaks_off_is_seen_to_have_broken_off(forwarder: Forwarder, inside: set[int]) -> None:
    machine = Machine(module.reset)
    inside.add(machine.port)
    forwarder.update([target(machine.port)])
    with pytest.raises(ConnectionResetError), call(machine.port) as client:
        client.recv(10)


def test_a_slow_reader_holds_the_sender_back(forwarder: Forwarder, inside: set[int]) -> None:
    gate = threading.Event()

    def read_late(connection: socket.socket) -> None:
        gate.wait(10)
        while connection.recv(1 << 20):
            pass

    machine = Machine(read_late)
    inside.add(machine.port)
    forwarder.update([target(machine.port)])
    with call(machine.port) as client:
        client.settimeout(1)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 200_000_000:
                sent += client.send(b"x" * 65536)
        assert sent < 60_000_000, "it waits instead of hoarding"
        gate.set()
        client.settimeout(10)
        client.sendall(b"x" * 10_000_000)


def test_many_connections_at_once_do_not_mix(forwarder: Forwarder, machine: Machine) -> None:
    forwarder.update([target(machine.port)])
    wrong: list[int] = []

    def talk(number: int) -> None:
        said = str(number).encode() * 20_000
        with call(machine.port) as client:
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)
            got = b""
            while data := client.recv(65536):
                got += data
        if got != said:
            wrong.append(number)

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(1, 41)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert wrong == []


def test_a_port_that_this_machine_holds_is_redirected(
    forwarder: Forwarder, redirects: FakeRedirects, inside: set[int]
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        inside.add(port)
        forwarder.update([target(port)])
        ((ip, asked, instead),) = redirects.rules
        assert (ip, asked) == (IP, port)
        assert instead != port
        # Without the kernel's redirection nobody may come in by the back door.
        with pytest.raises(ConnectionResetError), call(instead) as client:
            client.recv(10)
        forwarder.update([])
        assert redirects.rules == []


def test_a_port_that_cannot_be_opened_is_named_with_who_holds_it(
    forwarder: Forwarder, redirects: FakeRedirects, inside: set[int]
) -> None:
    redirects.broken = True
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        inside.add(port)
        forwarder.update([target(port)])
        (said,) = forwarder.problems()
        assert f"port {port} of {IP}" in said
        assert f"(pid {os.getpid()})" in said
        assert "iptables is not installed" in said
        inside.clear()
        forwarder.update([])
        assert forwarder.problems() == []


def test_what_listens_is_read_from_the_processs_network() -> None:
    with (
        socket.create_server(("0.0.0.0", 0)) as everywhere,
        socket.create_server(("127.0.0.1", 0)) as loopback,
        socket.create_server(("::", 0), family=socket.AF_INET6) as everywhere6,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as loopback6,
    ):
        found = listening(os.getpid())
        assert {everywhere.getsockname()[1], everywhere6.getsockname()[1]} <= found
        assert not {loopback.getsockname()[1], loopback6.getsockname()[1]} & found
        assert holder(loopback.getsockname()[1]).endswith(f"(pid {os.getpid()})")
    assert listening(2**22 + 1) == set(), "a process that is gone listens on nothing"
