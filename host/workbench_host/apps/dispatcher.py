"""apps FOLDER: serves the apps of the user that it runs as, on the socket that systemd hands it (sd_listen_fds(3)).

An app is started by the first request for it, and ended when its last connection has been gone for ten minutes; this
process ends a minute after there is nothing to do, and systemd starts it again with the next connection. Bytes are
passed on as they come, both ways, no faster than the other side takes them: websockets, uploads and streams of any
length take at most 64 KiB of memory each way. FOLDER is for the apps' own sockets.
"""

import asyncio
import contextlib
import os
import pwd
import signal
import socket
import sys
import time
from collections.abc import Coroutine, Sequence
from http import HTTPStatus
from typing import Any

from workbench_host.apps import listing, requests
from workbench_host.apps.kinds import KINDS
from workbench_host.apps.requests import Place, RefusedError
from workbench_host.apps.running import App, Limits

HANDED = 3  # the first file descriptor that systemd hands over
BUFFER_BYTES = 64 * 1024


class Dispatcher:
    """The apps of one user. `runtime` is a folder of the user's alone, with a short path: sockets' are at most 107."""

    def __init__(self, user: str, home: str, runtime: str, limits: Limits = Limits()) -> None:  # noqa: B008
        self.user, self.home, self.runtime, self.limits = user, home, runtime, limits
        self.apps: dict[Place, App] = {}
        self.held: dict[
            Place, tuple[float, RefusedError]
        ] = {}  # what died: until when it is not started again
        self.tasks = set[asyncio.Task[None]]()
        self.connections = self.started = 0
        self.busy_at = time.monotonic()
        self.told: list[listing.Shown] | None = None
        self.telling = asyncio.Lock()

    async def serve(self, listener: socket.socket) -> None:
        """Takes connections until there has been nothing to do for a while, or SIGTERM comes."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        listener.setblocking(False)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, done.set)
        loop.add_reader(listener, self._take, listener)
        try:
            # Nothing waits between the look and the end: who comes then is still systemd's, and starts the next one.
            while not (done.is_set() or self._is_idle()):
                self._tidy()
                if not self.telling.locked():
                    self._spawn(self._tell())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(
                        done.wait(), min(self.limits.idle_seconds, self.limits.leave_seconds) / 4
                    )
        finally:
            loop.remove_reader(listener)
            await asyncio.gather(*(app.end() for app in self.apps.values()))

    async def _tell(self) -> None:
        """Has the front page list what the user wants listed, where that is not what it was told last."""
        async with self.telling:
            listed = await asyncio.to_thread(listing.listed, self.home)
            if listed != self.told and await asyncio.to_thread(listing.tell, listed):
                self.told = listed

    def _is_idle(self) -> bool:
        if self.connections or self.apps:
            self.busy_at = time.monotonic()
        return time.monotonic() - self.busy_at > self.limits.leave_seconds

    def _take(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            connection.setblocking(False)
            self.connections += 1
            self._spawn(self._answer(connection))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, connection: socket.socket) -> None:
        """One connection, which is one request, from its first byte to its last."""
        loop = asyncio.get_running_loop()
        try:
            with connection, contextlib.suppress(OSError, TimeoutError):
                try:
                    await self._pass_on(connection)
                except RefusedError as refused:
                    again = ("Retry-After: 5",) if refused.status == HTTPStatus.SERVICE_UNAVAILABLE else ()
                    await loop.sock_sendall(connection, requests.page(refused.status, refused.text, *again))
        finally:
            self.connections -= 1
            self.busy_at = time.monotonic()

    async def _pass_on(self, connection: socket.socket) -> None:
        said = await asyncio.wait_for(requests.read(connection), self.limits.head_seconds)
        if not said:
            return
        if self.connections > self.limits.connections:
            text = "Too many people are connected to this user's apps."
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, text)
        request = requests.parse(said)
        await self._drop_outdated(request.place)
        if not (request.place in self.apps or self._has(request.place)):
            raise RefusedError(HTTPStatus.NOT_FOUND, "The address may have been mistyped.")
        if request.rest is None:
            await asyncio.get_running_loop().sock_sendall(connection, requests.with_slash(request))
            return
        app = self._app(request.place)
        app.connections += 1
        try:
            await asyncio.shield(app.ready)
            with await app.connect() as upstream:
                await splice(connection, upstream, request.as_the_app_sees_it())
        finally:
            app.connections -= 1
            app.quiet_since = time.monotonic()

    def _has(self, place: Place) -> bool:
        kind = KINDS.get(place.kind)
        return bool(kind and place.user == self.user and place.app and kind.has(self.home, place.app))

    async def _drop_outdated(self, place: Place) -> None:
        app = self.apps.get(place)
        if app and app.is_outdated():
            del self.apps[place]
            await app.end()

    def _app(self, place: Place) -> App:
        """The app that runs there, or is being started. Raises RefusedError where it has to wait."""
        if place in self.apps:
            return self.apps[place]
        until, why = self.held.get(place, (0.0, None))
        if why and time.monotonic() < until:
            raise why
        self._make_room()
        self.started += 1
        path = f"{self.runtime}/{self.started}"
        app = self.apps[place] = App(KINDS[place.kind], place, self.home, path, self.limits)
        self._spawn(self._watch(place, app))
        return app

    def _make_room(self) -> None:
        """Ends the app that nobody has used for the longest time where there are too many."""
        if len(self.apps) < self.limits.apps:
            return
        unused = [(app.quiet_since, place) for place, app in self.apps.items() if not app.connections]
        if not unused:
            text = (
                f"This user's apps are limited to {self.limits.apps} at a time, and all of these are in use."
            )
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, text)
        self._end(min(unused, key=lambda pair: pair[0])[1])

    async def _watch(self, place: Place, app: App) -> None:
        """Forgets the app once it has ended by itself; one that dies is not started again at every request."""
        with contextlib.suppress(RefusedError):
            await asyncio.shield(app.ready)
        if app.process:
            await app.process.wait()
        if self.apps.get(place) is app:
            del self.apps[place]
            self.held[place] = (app.began + self.limits.again_seconds, app.failed)
            await app.end()  # what it started may still run

    def _tidy(self) -> None:
        now = time.monotonic()
        self.held = {place: one for place, one in self.held.items() if one[0] > now}
        for place, app in list(self.apps.items()):
            if app.ready.done() and not app.connections and now - app.quiet_since > self.limits.idle_seconds:
                self._end(place)

    def _end(self, place: Place) -> None:
        self._spawn(self.apps.pop(place).end())


async def splice(client: socket.socket, app: socket.socket, first: bytes) -> None:
    """Passes on what both say, beginning with `first` to the app, until the app has said all or the client is gone."""
    answering = asyncio.ensure_future(_copy(app, client))
    asking = asyncio.ensure_future(_ask(client, app, first))
    try:
        await asyncio.wait({answering, asking}, return_when=asyncio.FIRST_COMPLETED)
        if asking.done() and not asking.result():
            await asyncio.wait({answering})
    finally:
        for task in (answering, asking):
            task.cancel()
        await asyncio.gather(answering, asking, return_exceptions=True)


async def _ask(client: socket.socket, app: socket.socket, first: bytes) -> bool:
    """Passes on what the client says; whether it is gone, else the app listens no more, having answered already."""
    loop, data = asyncio.get_running_loop(), first
    while data:
        try:
            await loop.sock_sendall(app, data)
        except OSError:
            return False
        try:
            data = await loop.sock_recv(client, BUFFER_BYTES)
        except OSError:
            break
    return True


async def _copy(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, BUFFER_BYTES):
        await loop.sock_sendall(target, data)


def main(arguments: Sequence[str]) -> int:
    account = pwd.getpwuid(os.getuid())
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        print("It is started by workbench-apps@.socket, which hands it a socket.", file=sys.stderr)
        return 1
    os.set_inheritable(HANDED, False)
    dispatcher = Dispatcher(account.pw_name, account.pw_dir, arguments[0])
    asyncio.run(dispatcher.serve(socket.socket(fileno=HANDED)))
    return 0
