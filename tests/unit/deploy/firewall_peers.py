"""What users of one host send each other on loopback: run as root in a network of its own, which has the firewall.

    firewall_peers.py FAMILY KIND LISTENER OPENER ADDRESS [ADDRESS AS THE OPENER SPELLS IT [THE OPENER'S OWN]]

A process of uid LISTENER listens at ADDRESS, one of uid OPENER connects to it or sends to it. KIND is tcp, mptcp, udp,
cookies (tcp, many connections to a listener that takes none, where the kernel answers with SYN cookies), or many (tcp,
connections that are held). Prints what the opener read, or the name of its error; of many how many there were.
"""

import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable

MPTCP = 262  # IPPROTO_MPTCP; Python knows it from 3.10 on, where the machine's headers did
PORT = 5001
DATAGRAM = socket.SOCK_DGRAM
FULL = 40  # connections that a queue of one does not take


def as_user(uid: int, act: Callable[[int], None]) -> tuple[int, int]:
    """Runs `act` with a pipe's end in a process of the user; gives its pid and the other end."""
    there, here = os.pipe()
    pid = os.fork()
    if pid:
        os.close(here)
        return pid, there
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    try:
        act(here)
    except OSError as error:
        os.write(here, type(error).__name__.encode())
    finally:
        os._exit(0)


def opened(family: int, kind: str) -> socket.socket:
    """A socket, which waits three seconds at most."""
    made = socket.socket(
        family, DATAGRAM if kind == "udp" else socket.SOCK_STREAM, MPTCP if kind == "mptcp" else 0
    )
    made.settimeout(3)
    return made


def listens(family: int, kind: str, address: str, out: int) -> None:
    here = opened(family, kind)
    here.settimeout(None)
    here.bind((address, PORT))
    if kind != "udp":
        here.listen(1 if kind == "cookies" else 64)
    os.write(out, b"ready")
    if kind == "cookies":
        time.sleep(60)
    while True:
        if kind == "udp":
            here.sendto(b"hello", here.recvfrom(64)[1])
        else:
            connection = here.accept()[0]
            connection.sendall(b"hello")
            connection.close()


def opens(family: int, kind: str, address: str, own: str, out: int) -> None:
    if kind == "cookies":
        os.write(out, floods(family, address))
        return
    if kind == "many":
        os.write(out, holds(family, address))
        return
    there = opened(family, kind)
    if own:
        there.bind((own, 0))
    there.connect((address, PORT))
    if kind == "udp":
        there.sendall(b"ping")
    os.write(out, there.recv(64))


def floods(family: int, address: str) -> bytes:
    """Whether any of many connections was made."""
    tries = [opened(family, "tcp") for _ in range(FULL)]
    for each in tries:
        each.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            each.connect((address, PORT))
    time.sleep(2.5)
    for each in tries:
        with contextlib.suppress(OSError):
            each.getpeername()
            return b"hello"
    return b"ConnectionRefusedError"


def holds(family: int, address: str) -> bytes:
    """How many connections the opener has at the same time; one that has ended makes place for another."""
    held: list[socket.socket] = []

    def fill() -> int:
        with contextlib.suppress(ConnectionRefusedError):
            while len(held) < FULL:
                there = opened(family, "tcp")
                there.connect((address, PORT))
                held.append(there)
        return len(held)

    most = fill()
    held.pop().close()
    time.sleep(0.2)
    return str(most if fill() == most else "no place is free again").encode()


def main() -> None:
    family, kind, listener, opener, address, *more = sys.argv[1:]
    spelt, own = more[:1], "".join(more[1:])
    wanted = socket.AF_INET6 if family == "6" else socket.AF_INET
    pid, told = as_user(int(listener), lambda out: listens(wanted, kind, address, out))
    assert os.read(told, 64) == b"ready"
    seen = socket.AF_INET6 if ":" in (spelt or [address])[0] else socket.AF_INET
    _, told = as_user(int(opener), lambda out: opens(seen, kind, (spelt or [address])[0], own, out))
    print(os.read(told, 64).decode())
    os.kill(pid, 9)


main()
