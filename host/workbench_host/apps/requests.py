"""A request's head: what it asks for, and as the app is to see it. Bodies are passed on unread.

The proxy sends one request a connection (its keep-alive is off), so nothing has to be known of where a body ends.
"""

import asyncio
import os
import re
import socket
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from workbench_host import pages

HEAD_BYTES = 64 * 1024  # httpuv's own parser takes 80 KiB
REQUEST_LINE = re.compile(rb"([A-Z]+) (/[^\s?]*)(\?\S*)? HTTP/1\.[01]")


class RefusedError(Exception):
    """A request that gets a page of ours instead of an app; `text` says why, for everybody who reads it."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


@dataclass(frozen=True)
class Place:
    """An app's address: /kind/user/app/."""

    kind: str
    user: str
    app: str


@dataclass(frozen=True)
class Request:
    """`rest` is the path below the app's as it was sent, None where not even the slash behind the app's name is there.

    `after` is all that has been read behind the request line: the header fields, and perhaps a part of the body.
    """

    place: Place
    method: bytes
    path: bytes
    rest: bytes | None
    query: bytes
    after: bytes

    def as_the_app_sees_it(self) -> bytes:
        """The head as it goes on: the app believes to be at the root."""
        return b"%s /%s%s HTTP/1.1\r\n%s" % (self.method, self.rest or b"", self.query, self.after)


async def read(connection: socket.socket) -> bytes:
    """A head and whatever came along with it; nothing where there was none. Raises RefusedError for too long a one."""
    loop, said = asyncio.get_running_loop(), b""
    while b"\r\n\r\n" not in said:
        if len(said) >= HEAD_BYTES:
            raise RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request is too long.")
        more = await loop.sock_recv(connection, HEAD_BYTES)
        if not more:
            return b""
        said += more
    return said


def parse(said: bytes) -> Request:
    """Raises RefusedError for what is no request for something in an app."""
    line, _, after = said.partition(b"\r\n")
    match = REQUEST_LINE.fullmatch(line)
    if not match:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The request cannot be understood.")
    method, path, query = match[1], match[2], match[3] or b""
    parts = path.split(b"/", 4)[1:]
    kind, user, app = (*map(name, parts[:3]), "", "", "")[:3]
    rest = parts[3] if len(parts) > 3 else None
    return Request(Place(kind, user, app), method, path, rest, query, after)


def name(part: bytes) -> str:
    """What a part of a path names. A name that is none of a folder's, or of a hidden one, is given back as nothing."""
    decoded = unquote_to_bytes(part)
    if decoded.startswith(b".") or b"/" in decoded or b"\0" in decoded:
        return ""
    return os.fsdecode(decoded)


_HEADINGS = {HTTPStatus.NOT_FOUND: "There is no such app here"}


def page(status: HTTPStatus, text: str, *fields: str) -> bytes:
    """A whole answer with a page of ours."""
    heading = _HEADINGS.get(status, "This app does not answer")
    body = pages.page(heading, text).encode(errors="replace")
    head = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        *fields,
    ]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def with_slash(request: Request) -> bytes:
    """The answer that sends a visitor on to the app's folder, below which its own links lead."""
    to = (request.path + b"/" + request.query).decode("latin-1")
    return page(HTTPStatus.MOVED_PERMANENTLY, "The app is at its name with a slash.", f"Location: {to}")
