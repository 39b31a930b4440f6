"""Which ports a process's network listens on, and who holds them."""

import os
import socket

from lab.holders import holder, listening


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
