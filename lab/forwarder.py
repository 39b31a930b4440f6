"""Elastic IPs: listens on them for exactly what an instance's security groups allow, and passes it on.

A port is open when a rule allows it to a client of this machine (they all appear as 127.x.y.z) and the instance
listens on it; everything else is refused by the kernel, as by an instance on AWS on which nothing listens.
What passes through keeps its client's address, in the form that the bridge knows (lab/bridge.py).
TCP only. A connection keeps its half-closed state and its back pressure; it ends when its address moves away,
and outlives a rule that is taken back, as AWS's tracked connections do.
"""

import asyncio
import contextlib
import errno
import logging
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from lab.bridge import LOOPBACK, seen_as
from lab.holders import holder, listening
from lab.records import Allowed
from lab.redirects import Redirects
from lab.shell import CommandFailed

LOOK_SECONDS = 0.25  # how soon a service that starts or stops inside is noticed
CONNECT_SECONDS = 15
CHUNK = 256 * 1024
SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h
IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    """An Elastic IP and the machine behind it."""

    ip: str
    address: str
    """The machine's, on the bridge."""
    pid: int
    """Its first process: whose network is looked at for what listens."""
    allowed: tuple[Allowed, ...]

    def open_ports(self) -> set[int]:
        """What a client of this machine may reach and something answers."""
        rules = [rule for rule in self.allowed if rule.network.overlaps(LOOPBACK)]
        return {
            port for port in listening(self.pid) if any(rule.first <= port <= rule.last for rule in rules)
        }

    def admits(self, client: str, port: int) -> bool:
        where = IPv4Address(client)
        return any(rule.first <= port <= rule.last and where in rule.network for rule in self.allowed)


@dataclass
class Listener:
    """An open port."""

    task: "asyncio.Task[None]"
    redirected_to: int = 0
    """The port that is really listened on, where the open one was taken; else 0."""


@dataclass
class State:
    """What belongs to the event loop's thread alone."""

    targets: dict[str, Target] = field(default_factory=dict)
    listeners: dict[tuple[str, int], Listener] = field(default_factory=dict)
    connections: dict["asyncio.Task[None]", Target] = field(default_factory=dict)
    problems: dict[tuple[str, int], str] = field(default_factory=dict)


class Forwarder:
    """Runs in a thread of its own; `update` tells it what should be."""

    def __init__(self, redirects: Redirects) -> None:
        self._redirects = redirects
        self._state = State()
        self._changing = asyncio.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="forwarder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.create_task(self._watch())
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    def stop(self) -> None:
        """Close everything, redirections included."""
        self.update([])
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    def update(self, targets: Sequence[Target]) -> None:
        """From now on these; returns when it is so."""
        asyncio.run_coroutine_threadsafe(self._update(targets), self._loop).result(timeout=60)

    def problems(self) -> list[str]:
        return list(self._state.problems.values())

    async def _update(self, targets: Sequence[Target]) -> None:
        state = self._state
        state.targets = {target.ip: target for target in targets}
        for task, target in list(state.connections.items()):
            now = state.targets.get(target.ip)
            if now is None or (now.address, now.pid) != (target.address, target.pid):
                task.cancel()
        await self._open_and_close()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self._open_and_close()

    async def _open_and_close(self) -> None:
        async with self._changing:
            state = self._state
            wanted = {(target.ip, port) for target in state.targets.values() for port in target.open_ports()}
            closed = [self._close(key) for key in set(state.listeners) - wanted]
            await asyncio.gather(*closed, return_exceptions=True)
            self._open_all(wanted)

    def _open_all(self, wanted: set[tuple[str, int]]) -> None:
        """Open what is wanted and not open; note what cannot be."""
        state = self._state
        for key in set(state.problems) - wanted:
            del state.problems[key]
        for key in wanted - set(state.listeners) - set(state.problems):
            try:
                self._open(*key)
            except (OSError, CommandFailed) as failure:
                # Tried again when the port is asked for anew, not four times a second.
                state.problems[key] = f"port {key[1]} of {key[0]} cannot be opened: {failure}"
                log.error(state.problems[key])

    def _open(self, ip: str, port: int) -> None:
        listener, redirected_to = socket.socket(socket.AF_INET, socket.SOCK_STREAM), 0
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((ip, port))
            except OSError as taken:
                if taken.errno != errno.EADDRINUSE:
                    raise
                redirected_to = self._bind_elsewhere(listener, ip, port)
            listener.listen(512)
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
        task = self._loop.create_task(self._accept(listener, ip, port, redirected_to))
        self._state.listeners[ip, port] = Listener(task, redirected_to)

    def _bind_elsewhere(self, listener: socket.socket, ip: str, port: int) -> int:
        """Listen on a free port and have the kernel send there what goes to the one that is taken."""
        listener.bind((ip, 0))
        elsewhere = int(listener.getsockname()[1])
        try:
            self._redirects.add(ip, port, elsewhere)
        except CommandFailed as failure:
            reason = f"{holder(port)} holds it on every address, and it cannot be redirected ({failure})"
            raise OSError(reason) from None
        return elsewhere

    def _close(self, key: tuple[str, int]) -> "asyncio.Task[None]":
        """Tell the accepting task to end; it closes the socket, once the loop no longer looks at it."""
        listener = self._state.listeners.pop(key)
        if listener.redirected_to:
            self._redirects.remove(*key, listener.redirected_to)
        listener.task.cancel()
        return listener.task

    async def _accept(self, listener: socket.socket, ip: str, port: int, redirected_to: int) -> None:
        with listener:
            while True:
                try:
                    client, (peer, _) = await self._loop.sock_accept(listener)
                except OSError as failure:  # the client gave up already, or too many files are open
                    log.warning("port %s of %s: %s", port, ip, failure)
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                target = self._state.targets.get(ip)
                asked = _asked_port(client) if redirected_to else port
                if target is None or asked != port or not target.admits(peer, port):
                    reset(client)
                    continue
                task = self._loop.create_task(self._serve(client, peer, target.address, port))
                self._state.connections[task] = target
                task.add_done_callback(self._state.connections.pop)

    async def _serve(self, client: socket.socket, peer: str, address: str, port: int) -> None:
        """One connection, from its accept to its end."""
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        for end in (client, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The machine is on a bridge of ours: were that gone, the same address might be somebody's out there.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
        come_from(server, seen_as(peer))
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._loop.sock_connect(server, (address, port))
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(client, server))
                both.create_task(self._pump(server, client))
        except* (OSError, TimeoutError):
            # One side broke: the other must see that it did, not an orderly end.
            reset(client)
            reset(server)
        finally:
            client.close()
            server.close()

    async def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        """Pass bytes on until the source says it has no more; then say so to the sink, and only that."""
        buffer = memoryview(bytearray(CHUNK))
        while count := await self._loop.sock_recv_into(source, buffer):
            await self._loop.sock_sendall(sink, buffer[:count])
        with contextlib.suppress(OSError):  # it may have gone altogether by now
            sink.shutdown(socket.SHUT_WR)


def come_from(server: socket.socket, source: str) -> None:
    """Connect from this address, if the kernel has it: without a bridge (World says why) from the machine's own."""
    server.setsockopt(socket.SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    try:
        server.bind((source, 0))
    except OSError as failure:
        if failure.errno != errno.EADDRNOTAVAIL:
            raise
        log.debug("a client cannot come from %s: %s", source, failure)


def reset(connection: socket.socket) -> None:
    """End a connection with RST: refused or broken, as opposed to finished."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _asked_port(client: socket.socket) -> int:
    """The port that a redirected client asked for, 0 if it came without redirection."""
    try:
        told = client.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
    except OSError:
        return 0
    return int.from_bytes(told[2:4], "big")
