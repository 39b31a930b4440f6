"""sign-in PORT PAGE

Stands between Caddy and the sign-in of a service on the loopback port PORT, such as RStudio's, which itself neither
knows where somebody comes from nor keeps two from waiting for each other. It gives turns (workbench_host/turns.py),
passes the form on, and says `Failed login from ADDRESS` where the answer leads back to PAGE with an error. That line is
what fail2ban reads in the journal.

It serves the socket that systemd hands it; Caddy, which alone can come there, has limited the body and says where the
request came from in X-Forwarded-For. A request is one of HTTP/1.1 with a Content-Length, and ends its connection.
"""

import asyncio
import http.client
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from workbench_host.turns import TooManyError, Turns

LISTENING = 3  # the descriptor of systemd's first socket (sd_listen_fds(3))
HEAD_BYTES, BODY_BYTES, ANSWER_BYTES = 64 * 1024, 64 * 1024, 1024**2
READ_SECONDS, ANSWER_SECONDS = 20.0, 30.0
HOPS = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "content-length",
    "expect",
}
TOO_MANY = "Too many failed logins came from your network. Wait half a minute, then try again.\n"
UNAVAILABLE = "The service does not answer at the moment. Try again in a minute.\n"
Headers = list[tuple[str, str]]


class BadRequestError(Exception):
    """What Caddy does not send."""


@dataclass(frozen=True)
class Request:
    """What is passed on, and the address that it came from."""

    method: str
    target: str
    headers: Headers
    body: bytes
    address: str


@dataclass(frozen=True)
class Answer:
    """What is given back."""

    status: int
    headers: Headers
    body: bytes


def plain(status: HTTPStatus, text: str) -> Answer:
    """An answer of our own."""
    return Answer(status, [("Content-Type", "text/plain; charset=utf-8")], text.encode())


async def read(reader: asyncio.StreamReader) -> Request:
    """The request. Raises BadRequestError for one that we do not take, and what asyncio raises where it is cut off."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    parts, fields = first.split(" "), [line.partition(":") for line in lines]
    headers = [(name, value.strip()) for name, _, value in fields]
    told = {name.lower(): value for name, value in headers}
    size, addresses = told.get("content-length", ""), told.get("x-forwarded-for", "")
    if len(parts) != 3 or not (size.isascii() and size.isdigit()) or int(size) > BODY_BYTES or not addresses:
        raise BadRequestError
    body = await reader.readexactly(int(size))
    return Request(parts[0], parts[1], headers, body, addresses.rpartition(",")[2].strip())


def passed_on(request: Request, port: int) -> Answer:
    """What the service answers. Raises OSError or HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in without_hops(request.headers):
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(request.body)))
        connection.putheader("Connection", "close")
        connection.endheaders(request.body)
        answer = connection.getresponse()
        return Answer(answer.status, without_hops(answer.getheaders()), answer.read(ANSWER_BYTES))
    finally:
        connection.close()


def without_hops(headers: Headers) -> Headers:
    """What concerns more than one connection (RFC 9110, section 7.6.1)."""
    return [(name, value) for name, value in headers if name.lower() not in HOPS]


def is_failure(answer: Answer, page: str) -> bool:
    """Whether it leads back to the page that asks for the password, with an error, or to where no address does."""
    location = next((value for name, value in answer.headers if name.lower() == "location"), "")
    try:
        parts = urlsplit(location)
    except ValueError:  # a visitor may have a part in it, and would so try unseen
        return True
    return parts.path.rstrip("/").endswith(page) and "error" in parse_qs(parts.query)


class SignIn:
    """The sign-in of the service at `port`, whose page is called `page`."""

    def __init__(self, port: int, page: str) -> None:
        self._port, self._page = port, page
        self._turns = Turns()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection. A turn is not given up where the client is gone: that would be a way to go faster."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                request = await read(reader)
            answer = await self._answer(request)
        except BadRequestError:
            answer = plain(HTTPStatus.BAD_REQUEST, "That is no sign-in.\n")
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError, TimeoutError):
            writer.close()
            return
        writer.write(written(answer))
        writer.close()

    async def _answer(self, request: Request) -> Answer:
        try:
            return await self._turns.take(request.address, lambda: self._checked(request))
        except TooManyError:
            return plain(HTTPStatus.TOO_MANY_REQUESTS, TOO_MANY)

    async def _checked(self, request: Request) -> tuple[bool, Answer]:
        try:
            answer = await asyncio.to_thread(passed_on, request, self._port)
        except (OSError, http.client.HTTPException):
            return True, plain(HTTPStatus.BAD_GATEWAY, UNAVAILABLE)
        failed = is_failure(answer, self._page)
        if failed:
            print(f"Failed login from {request.address}", flush=True)
        return not failed, answer


def written(answer: Answer) -> bytes:
    """The answer as it goes over the wire."""
    own = [("Content-Length", str(len(answer.body))), ("Connection", "close")]
    lines = [f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, '')}"]
    lines += [f"{name}: {value}" for name, value in [*answer.headers, *own]]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body


async def run(port: int, page: str) -> None:
    """Serves until it is stopped."""
    listening = socket.socket(fileno=LISTENING)
    listening.setblocking(False)
    server = await asyncio.start_unix_server(SignIn(port, page).serve, sock=listening, limit=HEAD_BYTES)
    await server.serve_forever()


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 2 or not arguments[0].isdigit():
        print("sign-in takes a port and the name of the sign-in page.", file=sys.stderr)
        return 2
    asyncio.run(run(int(arguments[0]), arguments[1]))
    return 0
