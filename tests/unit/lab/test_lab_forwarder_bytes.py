"""Bytes pass a forwarder unharmed, and ends of connections too."""

import contextlib
import socket
import threading
import time

import pytest

from lab import forwarder as module
from lab.forwarder import Forwarder
from tests.unit.lab.forwarding import Machine, call, target


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
