"""An address is open for exactly what is allowed and listened on."""

import contextlib
import os
import socket
import time

import pytest

from lab.forwarder import Forwarder, Target
from tests.unit.lab.forwarding import IP, MACHINE, FakeRedirects, Machine, call, is_refused, target


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
