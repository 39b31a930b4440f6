"""Whose process is at the other end of a TCP connection on loopback: the kernel is asked for that very socket.

/proc/net/tcp says the same, but has to be read to its end, which users could make long. Source: sock_diag(7).
"""

import socket
import struct

_SOCK_DIAG, _BY_FAMILY, _REQUEST = 4, 20, 1  # linux/netlink.h, linux/sock_diag.h
_ESTABLISHED = 1
_HEADER = struct.Struct("=IHHII")
_WANTED = struct.Struct("=BBBBI")  # inet_diag_req_v2 without its socket
_SOCKET = struct.Struct("!HH16s16s12s")  # inet_diag_sockid: ports, addresses, interface and cookie
_ANY = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
_FOUND = struct.Struct("=BBBB48sIIIII")  # inet_diag_msg
_SECONDS = 1.0
_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291, 2.5.5.2

Address = tuple[str, int]


def owner(peer: Address, ours: Address) -> int | None:
    """The uid of who opened the IPv4 connection from `peer` to `ours`; None where it is no more, or nobody's.

    Where there is no such connection the kernel answers with a socket that listens at the peer's port, or with what is
    left of a closed one: neither is taken.
    """
    wanted = _socket(peer, ours, b"")
    body = _WANTED.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + wanted
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as kernel:
        kernel.settimeout(_SECONDS)
        kernel.send(_HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, 1, 0) + body)
        answer = kernel.recv(4096)
    if len(answer) < _HEADER.size + _FOUND.size or _HEADER.unpack_from(answer)[1] != _BY_FAMILY:
        return None
    family, state, _, _, found, _, _, _, uid, _ = _FOUND.unpack_from(answer, _HEADER.size)
    if family == socket.AF_INET6:  # one for both, as Java opens it: its addresses are told as mapped ones
        wanted = _socket(peer, ours, _MAPPED)
    same = found[:36] == wanted[:36]
    return int(uid) if same and state == _ESTABLISHED else None


def _socket(peer: Address, ours: Address, before: bytes) -> bytes:
    """A connection as sock_diag has it, with addresses of four bytes, or of sixteen after the bytes `before`."""
    one, other = ((before + socket.inet_aton(host)).ljust(16, b"\0") for host, _ in (peer, ours))
    return _SOCKET.pack(peer[1], ours[1], one, other, _ANY)
