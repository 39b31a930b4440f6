"""Whose process is at the other end of a TCP connection on loopback, or would be: the kernel is asked for that socket.

/proc/net/tcp says the same, but has to be read to its end, which users could make long. Source: sock_diag(7).
"""

import socket
import struct
from typing import NamedTuple

_SOCK_DIAG, _BY_FAMILY, _REQUEST = 4, 20, 1  # linux/netlink.h, linux/sock_diag.h
_ESTABLISHED, _LISTEN = 1, 10  # include/net/tcp_states.h
_HEADER = struct.Struct("=IHHII")
_WANTED = struct.Struct("=BBBBI")  # inet_diag_req_v2 without its socket
_SOCKET = struct.Struct("!HH16s16s12s")  # inet_diag_sockid: ports, addresses, interface and cookie
_ANYWHERE, _LOOPBACK = 0, 1  # interfaces (LOOPBACK_IFINDEX in include/net/flow.h)
_FOUND = struct.Struct("=BBBB48sIIIII")  # inet_diag_msg
_SECONDS = 1.0
_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291, 2.5.5.2

Address = tuple[str, int]


class _Found(NamedTuple):
    """A socket as the kernel tells it; `id` begins with its own port and address, and those of its other end."""

    family: int
    state: int
    id: bytes
    uid: int


def owner(peer: Address, ours: Address) -> int | None:
    """The uid of who opened the IPv4 connection from `peer` to `ours`; None where it is no more, or nobody's.

    Where there is no such connection the kernel answers with a socket that listens at the peer's port, or with what is
    left of a closed one: neither is taken.
    """
    found = _found(socket.AF_INET, _socket(peer, ours))
    if found is None or found.state != _ESTABLISHED:
        return None
    # One for both families, as Java opens it: its addresses are told as mapped ones.
    wanted = _socket(peer, ours, _MAPPED if found.family == socket.AF_INET6 else b"")
    return found.uid if found.id[:36] == wanted[:36] else None


def listener(address: str, port: int) -> int | None:
    """The uid of who gets what is sent over loopback to the address, of either family, and port; None for nobody.

    That is whom the kernel would hand a connection: it knows those who listen on all addresses too, and for whom an
    interface counts.
    """
    family, nowhere = (socket.AF_INET6, "::") if ":" in address else (socket.AF_INET, "0.0.0.0")  # noqa: S104
    found = _found(family, _socket((address, port), (nowhere, 0), interface=_LOOPBACK))
    return found.uid if found is not None and found.state == _LISTEN else None


def _found(family: int, wanted: bytes) -> _Found | None:
    """What the kernel finds for a socket of TCP."""
    body = _WANTED.pack(family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + wanted
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as kernel:
        kernel.settimeout(_SECONDS)
        kernel.send(_HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, 1, 0) + body)
        answer = kernel.recv(4096)
    if len(answer) < _HEADER.size + _FOUND.size or _HEADER.unpack_from(answer)[1] != _BY_FAMILY:
        return None
    family, state, _, _, id_, _, _, _, uid, _ = _FOUND.unpack_from(answer, _HEADER.size)
    return _Found(family, state, id_, uid)


def _socket(one: Address, other: Address, before: bytes = b"", interface: int = _ANYWHERE) -> bytes:
    """A socket as sock_diag has it, by both ends, whose addresses come after the bytes `before`."""
    packed = ((before + _packed(host)).ljust(16, b"\0") for host, _ in (one, other))
    return _SOCKET.pack(one[1], other[1], *packed, struct.pack("=III", interface, 0xFFFFFFFF, 0xFFFFFFFF))


def _packed(host: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
