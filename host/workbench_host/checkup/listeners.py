"""Who listens on the host, as /proc says: what a process calls itself is never parsed together with anything else."""

import contextlib
import ipaddress
import os
import pwd
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from workbench_host.processes import PROCESSES, USER_UIDS, owners

TCP = ("tcp", "tcp6")
TABLES = (*TCP, "udp", "udp6")
# The kernel's numbers (include/net/tcp_states.h): a TCP socket that listens, a UDP one that takes from anybody.
TCP_LISTEN, UDP_OPEN = "0A", "07"
SECONDS = 10.0  # to look for who holds the sockets: users may have millions of descriptors


class Socket(NamedTuple):
    """A socket that takes what comes; `inode` leads to the processes that hold it."""

    protocol: str
    address: str
    port: int
    uid: int
    inode: int


def listening(table: str, text: str) -> Iterator[Socket]:
    """Those of /proc/net/TABLE (proc(5)); UDP ports that the kernel picks for who only sends are left out."""
    protocol = table[:3]
    wanted = TCP_LISTEN if protocol == "tcp" else UDP_OPEN
    for line in text.splitlines()[1:]:
        fields = line.split()
        if fields[3] != wanted:
            continue
        address, _, port = fields[1].partition(":")
        found = Socket(protocol, address_of(address), int(port, 16), int(fields[7]), int(fields[9]))
        if protocol == "tcp" or found.port not in picked_ports():
            yield found


def address_of(digits: str) -> str:
    """An address as people write it, from the kernel's: words of four bytes, each in this machine's order."""
    packed = b"".join(bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8))
    address = ipaddress.ip_address(packed)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def picked_ports() -> range:
    """The ports that the kernel gives to who asks for none."""
    try:
        first, last = (PROCESSES / "sys/net/ipv4/ip_local_port_range").read_text().split()
    except OSError:
        return range(32768, 61000)
    return range(int(first), int(last) + 1)


def sockets(tables: Sequence[str] = TABLES) -> set[Socket]:
    """Whatever listens, of whomever."""
    found = set[Socket]()
    for table in tables:
        with contextlib.suppress(OSError):  # a kernel without IPv6
            found.update(listening(table, (PROCESSES / "net" / table).read_text()))
    return found


def held() -> Iterator[tuple[int, int]]:
    """(pid, inode) of each socket that a process has open; for who is not root those of their own processes.

    Those of users come last, and what is not found within SECONDS is left out.
    """
    ends = time.monotonic() + SECONDS
    for process, _ in sorted(owners(), key=lambda one: (one[1] in USER_UIDS, one[0])):
        # else it ended meanwhile, or is somebody else's
        with contextlib.suppress(OSError), os.scandir(PROCESSES / str(process) / "fd") as entries:
            for entry in entries:
                if time.monotonic() > ends:
                    return
                with contextlib.suppress(OSError, ValueError):
                    target = os.readlink(entry.path)
                    if target.startswith("socket:["):
                        yield process, int(target[8:-1])


def holders(inodes: set[int]) -> dict[int, int]:
    """The first process that is found to hold each socket, by the socket's inode."""
    found: dict[int, int] = {}
    for process, inode in held() if inodes else ():
        if inode in inodes:
            found.setdefault(inode, process)
            if len(found) == len(inodes):
                break
    return found


def user_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def report() -> list[dict[str, Any]]:
    """[{protocol, address, port, loopback, user, program, pid, unit}, ...]; the latter null where no holder is found.

    A socket that systemd listens on is its; `program` is what the process calls itself, which may be anything.
    """
    found = sockets()
    by_inode = holders({one.inode for one in found})
    return [described(one, by_inode.get(one.inode)) for one in sorted(found)]


def described(one: Socket, pid: int | None) -> dict[str, Any]:
    return {
        "protocol": one.protocol,
        "address": one.address,
        "port": one.port,
        "loopback": ipaddress.ip_address(one.address).is_loopback,
        "user": user_of(one.uid),
        "pid": pid,
        "program": _read(pid, "comm"),
        "unit": unit_of(_read(pid, "cgroup") or ""),
    }


def unit_of(cgroup: str) -> str | None:
    """The innermost unit in the text of /proc/PID/cgroup."""
    parts = cgroup.strip().rpartition(":")[2].split("/")
    units = [part for part in parts if part.endswith((".service", ".scope"))]
    return units[-1] if units else None


def _read(pid: int | None, name: str) -> str | None:
    try:
        return (PROCESSES / str(pid) / name).read_text(errors="replace").strip() if pid else None
    except OSError:
        return None
