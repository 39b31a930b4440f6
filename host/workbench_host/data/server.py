"""data: gives users' programs credentials for the data of their groups, on a socket of loopback that systemd opens.

GET / answers as a container's endpoint does: {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}; GET /places
with what the user may do: {"places": [{"bucket", "prefix", "write", "region"}, ...]}. An error is {"code", "message"}.
Source: AWS SDKs and Tools Reference Guide, "Container credential provider".

For whom is never said in a request: it is who opened the connection, as the kernel tells (peers.py). For root, which
alone reaches the metadata service; a request is a line and a few fields, and nothing that it names is opened.
"""

import asyncio
import json
import pwd
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from workbench_host.data import ADDRESS, AUTHORIZATION, CONFIG, CONNECTIONS
from workbench_host.data.sessions import RefusedError, Sessions, Wanted
from workbench_host.peers import owner
from workbench_host.processes import USER_UIDS

LISTENING = 3  # the descriptor of systemd's first socket (sd_listen_fds(3))
HEAD_BYTES = 16 * 1024
READ_SECONDS = 5.0
PLACES = "/places"
# What DNS could be made to say of a name is not asked: a page in a browser would then read what it has no right to.
HOSTS = {ADDRESS, "localhost"}


class Server:
    """Serves one connection after the other of each user, and forgets none that is open."""

    def __init__(self, wanted: Wanted, sessions: Sessions) -> None:
        self._wanted, self._sessions = wanted, sessions
        self._here: Counter[int] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, of one request."""
        uid = _peer(writer)
        if uid is None or self._here[uid] >= CONNECTIONS:
            writer.close()
            return
        self._here[uid] += 1
        try:
            async with asyncio.timeout(READ_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            writer.write(written(*await self._answer(uid, head.decode("latin-1"))))
            async with asyncio.timeout(READ_SECONDS):
                await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError):
            pass  # who asked has gone, or never will ask
        finally:
            self._here[uid] -= 1
            if not self._here[uid]:
                del self._here[uid]
            writer.close()

    async def _answer(self, uid: int, head: str) -> tuple[int, Mapping[str, Any]]:
        try:
            path = asked(head)
            name = user(uid)
            if path == PLACES:
                return 200, {"places": self._wanted.of(name).places}
            return 200, await self._sessions.of(name)
        except RefusedError as refused:
            code = HTTPStatus(refused.status).phrase.replace(" ", "")
            return refused.status, {"code": code, "message": str(refused)}


def _peer(writer: asyncio.StreamWriter) -> int | None:
    try:
        return owner(writer.get_extra_info("peername"), writer.get_extra_info("sockname"))
    except (OSError, TypeError):  # the latter where it is gone already
        return None


def user(uid: int) -> str:
    """The name of a user of the workbench. Raises RefusedError for everybody else, root and services among them."""
    try:
        if uid in USER_UIDS:
            return pwd.getpwuid(uid).pw_name
    except KeyError:
        pass
    raise RefusedError(403, "Data is for users of the workbench, and not for this account.")


def asked(head: str) -> str:
    """The path that a request asks for. Raises RefusedError where an SDK would not ask so."""
    first, *lines = head.split("\r\n")
    fields = [
        (name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)
    ]
    told, parts = dict(fields), first.split(" ")
    if len(parts) != 3 or parts[0] != "GET" or parts[1] not in ("/", PLACES):
        raise RefusedError(404, f"There are GET / and GET {PLACES}.")
    if told.get("host", "").partition(":")[0] not in HOSTS or any(
        name.startswith(("x-forwarded", "forwarded")) for name, _ in fields
    ):
        raise RefusedError(
            403, "This is for programs on this host alone, and not for what is passed on to it."
        )
    if told.get("authorization") != AUTHORIZATION:
        raise RefusedError(
            401, f"The header Authorization is missing; SDKs send it where AWS_CONTAINER_AUTHORIZATION_TOKEN is "
            f"{AUTHORIZATION}, as in every session of a user."
        )  # fmt: skip
    return parts[1]


def written(status: int, told: Mapping[str, Any]) -> bytes:
    """The answer as it goes over the wire."""
    body = json.dumps(told).encode()
    fields = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "Connection": "close",
    }
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        *(f"{name}: {value}" for name, value in fields.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def run(listening: socket.socket, wanted: Wanted, sessions: Sessions) -> None:
    """Serves until it is stopped."""
    listening.setblocking(False)
    server = await asyncio.start_server(Server(wanted, sessions).serve, sock=listening, limit=HEAD_BYTES)
    await server.serve_forever()


def main(_: Sequence[str]) -> int:
    wanted = Wanted(CONFIG)
    asyncio.run(run(socket.socket(fileno=LISTENING), wanted, Sessions(wanted)))
    return 0
