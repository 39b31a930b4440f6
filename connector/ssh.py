"""pyinfra's SSH connector with fewer and shorter waits: `@workbench/NAME` in an inventory.

Measured with 80 ms there and back, and on loopback; what each is worth stands in docs/connector.md.
"""

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import gevent
from paramiko import Agent, AuthenticationException, Channel, SSHException, Transport
from pyinfra.api.exceptions import ConnectError
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.sshuserclient.client import SSHClient

from connector import link, quick
from connector.remembering import Remembering
from connector.session import AgentError, Stream
from workbench import keys, openssh

KEY = "workbench_key"  # the host's data: the fingerprint of the agent's key to offer before all others


class PromptTransport(Transport):
    """A transport that never waits to fill a packet, and that keeps a channel open for the next command.

    Without TCP_NODELAY a command waits for the acknowledgement of the packet before, which the other end delays
    (Nagle's algorithm, RFC 896; some 40 ms on Linux). Opening a channel costs a round trip, and so does the command.
    """

    def __init__(self, sock: Any, **kwargs: Any) -> None:
        if isinstance(sock, socket.socket):  # not where a proxy command or a jump host is in between
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(sock, **kwargs)
        self._next: gevent.Greenlet[[], Channel | None] | None = None

    def open_session(self, *args: Any, **kwargs: Any) -> Channel:
        spare = self._next.get() if self._next is not None else None
        channel = spare if spare is not None and not spare.closed else super().open_session(*args, **kwargs)
        self._next = gevent.spawn(self._open_spare)
        return channel

    def auth_publickey(self, *args: Any, **kwargs: Any) -> list[str]:
        """A server that goes away in the midst has refused nobody, which paramiko says of it: one that boots does."""
        try:
            return super().auth_publickey(*args, **kwargs)
        except AuthenticationException as error:
            if self.is_active():
                raise
            raise SSHException("the server ended the connection before it let anybody in") from error

    def _open_spare(self) -> Channel | None:
        try:
            return super().open_session()
        except (SSHException, OSError, EOFError):  # the server may not allow so many
            return None


class ChannelStream:
    """The agent, over a channel of an SSH connection."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._read = b""

    def send(self, data: bytes) -> None:
        self._channel.sendall(data)

    def line(self, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        pieces = [self._read]
        while b"\n" not in pieces[-1]:
            self._channel.settimeout(max(0.001, deadline - time.monotonic()))
            more = self._channel.recv(1 << 16)  # raises TimeoutError
            if not more:
                break
            pieces.append(more)
        line, found, self._read = b"".join(pieces).partition(b"\n")
        return line + found

    def alive(self) -> bool:
        return not (self._channel.closed or self._channel.eof_received or self._channel.exit_status_ready())

    def complaint(self) -> str:
        self._channel.settimeout(1.0)
        with contextlib.suppress(OSError):
            lines = self._channel.recv_stderr(1 << 16).decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else ""
        return ""

    def close(self) -> None:
        with contextlib.suppress(OSError, EOFError, SSHException):
            self._channel.close()


class WorkbenchConnector(Remembering, SSHConnector):
    """The connector of deploy/inventory.py.

    Where an agent was started ahead, it connects by itself when it is to do more than ask that agent.
    """

    handles_execution = True
    _client: SSHClient | None = None
    _link: link.Link | None = None

    @property
    def client(self) -> SSHClient | None:
        """The connection. Raises OSError, which pyinfra takes for a failed command, where there cannot be one now."""
        if self._client is None:
            try:
                SSHConnector.connect(self)
            except ConnectError as error:
                self._client = None
                raise OSError(str(error)) from error
        return self._client

    @client.setter
    def client(self, client: SSHClient | None) -> None:
        self._client = client

    @staticmethod
    def make_names_data(name: str) -> Iterator[tuple[str, dict[str, str], list[str]]]:
        """The host is called as in the inventory, without the name of the connector."""
        quick.shorten()  # this is the first that pyinfra asks of the connector, before any operation
        yield name, {"ssh_hostname": name}, []

    def make_paramiko_kwargs(self) -> dict[str, Any]:
        ours = {"transport_factory": PromptTransport, **self._way(), **_first(self.host.data.get(KEY))}
        return {**super().make_paramiko_kwargs(), **ours}

    def disconnect(self) -> None:
        super().disconnect()
        if self._client is not None:
            self._client.close()
        self._leave()

    def _way(self) -> dict[str, Any]:
        """What paramiko is told of the way to the host, which `ssh` would take as well. Raises OSError."""
        self._leave()
        port = self.data["ssh_port"]
        route = openssh.route(self.data["ssh_user"], self.data["ssh_hostname"], int(port) if port else None)
        self._link = link.Link(route)
        way: dict[str, Any] = {"sock": self._link.socket}
        if route.proxy:  # which has its own connections to make meanwhile
            way |= {"timeout": link.PROXY_SECONDS, "banner_timeout": link.PROXY_SECONDS}
        return way

    def _connect(self) -> None:
        try:
            super()._connect()
        except (SSHException, EOFError) as error:
            complaint = self._link.complaint() if self._link is not None else ""
            if not complaint:
                raise
            raise SSHException(complaint) from error  # the proxy's, where paramiko knows of an end only

    def _leave(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _start_agent(self, line: str) -> Stream:
        try:
            transport = self.client.get_transport() if self.client is not None else None
            if transport is None:
                raise AgentError("there is no connection")
            channel = transport.open_session()
            channel.exec_command(line)
        except (SSHException, OSError, EOFError) as error:
            raise AgentError(str(error)) from error
        return ChannelStream(channel)


def _first(fingerprint: str | None) -> dict[str, Any]:
    """Has paramiko offer this key of the agent's before all others, each of which counts as a failed try."""
    if fingerprint is None:
        return {}
    for key in Agent().get_keys():
        if keys.fingerprint(key.blob) == fingerprint:
            return {"pkey": key}
    return {}  # it has been taken out meanwhile
