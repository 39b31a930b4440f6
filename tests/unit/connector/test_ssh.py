"""What a connection makes of servers that boot, with a server of paramiko's on loopback."""

import socket
import threading
from collections.abc import Iterator

import paramiko
import pytest
from paramiko import AuthenticationException, SSHException

from connector.ssh import PromptTransport

KEY = paramiko.ECDSAKey.generate()


class Server(paramiko.ServerInterface):
    """Refuses all keys, or goes away as soon as it is shown one."""

    def __init__(self, goes: threading.Event) -> None:
        self.goes = goes
        self.transport: paramiko.Transport | None = None

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        if self.goes.is_set() and self.transport is not None:
            self.transport.sock.close()
        return paramiko.AUTH_FAILED


@pytest.fixture
def client() -> Iterator[tuple[PromptTransport, threading.Event]]:
    """A connection to a server, and what has it go away."""
    goes = threading.Event()
    ours, theirs = socket.socketpair()
    server = Server(goes)
    transport = paramiko.Transport(theirs)
    server.transport = transport
    transport.add_server_key(KEY)
    transport.start_server(threading.Event(), server)
    own = PromptTransport(ours)
    own.start_client(timeout=10)
    yield own, goes
    own.close()
    transport.close()


def test_a_server_that_goes_away_has_refused_nobody(client: tuple[PromptTransport, threading.Event]) -> None:
    transport, goes = client
    goes.set()
    with pytest.raises(SSHException, match="before it let anybody in") as ended:
        transport.auth_publickey("ada", KEY)
    assert not isinstance(ended.value, AuthenticationException), "which nobody tries again"


def test_a_key_that_is_refused_is_refused(client: tuple[PromptTransport, threading.Event]) -> None:
    with pytest.raises(AuthenticationException):
        client[0].auth_publickey("ada", KEY)
