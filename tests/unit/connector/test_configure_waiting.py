"""Waiting until a server answers by SSH."""

import socket
import threading
from pathlib import Path

import pytest

from connector import configure
from workbench import openssh
from workbench.errors import WorkbenchError
from workbench.openssh import Route


def greeting_server(greeting: bytes) -> int:
    """The port of a server that greets once."""
    server = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        connection, _ = server.accept()
        connection.sendall(greeting)
        connection.close()
        server.close()

    threading.Thread(target=greet, daemon=True).start()
    return int(server.getsockname()[1])


def route_to(monkeypatch: pytest.MonkeyPatch, port: int, *proxy: str) -> None:
    """What ssh says of the way to any host."""
    route = Route("127.0.0.1", port, proxy, (), None, "jump" if proxy else "")
    monkeypatch.setattr(openssh, "route", lambda *_: route)


def test_waiting_ends_when_an_ssh_server_greets(monkeypatch: pytest.MonkeyPatch) -> None:
    route_to(monkeypatch, greeting_server(b"SSH-2.0-OpenSSH_10.0\r\n"))
    configure.wait_for_ssh("127.0.0.1", timeout=5)


def test_a_server_that_is_not_ssh_is_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    route_to(monkeypatch, greeting_server(b"HTTP/1.1 400\r\n"))
    with pytest.raises(WorkbenchError, match=r"did not answer by SSH within 1 s.*workbench:sshFrom"):
        configure.wait_for_ssh("127.0.0.1", timeout=1)


def test_a_jump_host_is_logged_in_to_every_few_seconds_only_while_a_server_boots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configure, "PROXY_PAUSE", 1.0)
    monkeypatch.setattr(configure, "PAUSE", 0.0)
    route_to(monkeypatch, 22, "sh", "-c", f"echo login >> {tmp_path}/logins; exit 1")
    with pytest.raises(WorkbenchError, match="by way of jump"):
        configure.wait_for_ssh("127.0.0.1", timeout=0.5)
    assert (tmp_path / "logins").read_text().count("login") == 2
    assert configure.BOOT_TIMEOUT > 10 * configure.PROXY_PAUSE
