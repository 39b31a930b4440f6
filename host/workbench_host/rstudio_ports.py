"""rstudio-ports: says whether a user of RStudio may see what listens on a port of loopback: where it is theirs.

RStudio's open-source server passes /p/PORT/ to that port for whoever is signed in, and does not ask whose it is: it
connects as itself, so that the firewall's rule of owners does not hold. Caddy asks here first (forward_auth), on a
socket that systemd opens. A request is answered with 200, or with 403 and a sentence.

The port is disguised by a token in a cookie (src/cpp/server_core/UrlPorts.cpp of github.com/rstudio/rstudio), and the
user is in another cookie (src/cpp/core/http/SecureCookie.cpp) whose signature RStudio checks of the same request: what
is said here of somebody's ports is of no use to who cannot sign as that user. What is spelt otherwise than RStudio
does it is refused. Anybody may ask, with cookies of their own making: an answer takes a moment, however long the
question, and the kernel is asked for the port alone.
"""

import contextlib
import pwd
import re
import socket
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import unquote

from workbench_host import peers
from workbench_host.processes import USER_UIDS

PORT = re.compile(r"/p6?/([0-9a-fA-F]{8,9})")
USER = re.compile(r"(?:^|; )user-id=([a-z_][a-z0-9_-]*)\|[^;]*(?:;|$)")
TOKEN = re.compile(r"(?:^|; )port-token=([0-9a-f]{4})([0-9a-f]{8})(?:;|$)")
DEFAULT_TOKEN = "a433", "e59dc087"  # RStudio's own for a browser that has none yet
LOCALHOST = ("127.0.0.1", "::1")  # RStudio connects to the name, which is both (ServerSessionProxy.cpp)
MOST_PORTS = 4  # of a request; RStudio's own pages name one
AT_ONCE = 32  # requests; Caddy waits for each, and a visitor may send any number
SECONDS = 5  # for Caddy to say what is asked
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
FIRST_PASSED = 3  # sd_listen_fds(3)


def ports(uri: str, cookie: str) -> set[int]:
    """The ports that a request could be passed to: as it is written, and as it reads once decoded."""
    found = TOKEN.search(cookie)
    multiplier, key = found.groups() if found else DEFAULT_TOKEN
    spelt = {disguised for text in (uri, unquote(uri)) for disguised in PORT.findall(text)}
    hidden = {(int(disguised, 16) & 0xFFFFFFFF) ^ int(key, 16) for disguised in spelt}
    return {one // int(multiplier, 16) * 61279 % 65535 if int(multiplier, 16) else 0 for one in hidden}


def user(cookie: str) -> str:
    """Who the request says that it comes from, empty where it does not say it once and plainly."""
    found = USER.search(cookie)
    return found[1] if found and cookie.count("user-id") == 1 else ""


def uid_of(name: str) -> int | None:
    """A user's uid; None for whoever says that they are root, a service or nobody we know."""
    with contextlib.suppress(KeyError):
        uid = pwd.getpwnam(name).pw_uid
        return uid if uid in USER_UIDS else None
    return None


def owners(port: int) -> set[int]:
    """The uids of who gets what is sent to the TCP port of localhost."""
    return {uid for address in LOCALHOST if (uid := peers.listener(address, port)) is not None}


def complaint(uri: str, cookies: Sequence[str]) -> str:
    """Why the request is refused, empty where it is not."""
    if not uri:
        return "This is for Caddy, which says what is asked for."
    cookie = "; ".join(cookies)
    wanted = ports(uri, cookie)
    if not wanted:
        return ""
    if len(wanted) > MOST_PORTS:
        return f"A request is for one port; this one names {len(wanted)}."
    if cookie.count("port-token") > 1 or ("port-token" in cookie and not TOKEN.search(cookie)):
        return "The cookie port-token is not as RStudio writes it; sign in to RStudio again."
    uid = uid_of(user(cookie))
    if uid is None:
        return "Sign in to RStudio first."
    if any(owners(port) != {uid} for port in wanted):
        return "Nothing of yours listens there."
    return ""


class Handler(BaseHTTPRequestHandler):
    """What Caddy asks: the request's own headers, and its address in X-Forwarded-Uri."""

    protocol_version = "HTTP/1.1"
    timeout = SECONDS

    def do_GET(self) -> None:
        said = complaint(self.headers.get("X-Forwarded-Uri", ""), self.headers.get_all("Cookie", []))
        body = f"{said}\n".encode() if said else b""
        self.send_response(403 if said else 200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")  # one that is kept would hold its thread
        with contextlib.suppress(ConnectionError):  # who asked has gone
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: Caddy's log has what is refused."""


class Server(ThreadingMixIn, UnixStreamServer):
    """On the socket that systemd passes, with a thread a request; beyond AT_ONCE they are refused."""

    daemon_threads = True

    def __init__(self, listening: socket.socket) -> None:
        super().__init__("", Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening

    def process_request(self, request: Any, client_address: Any) -> None:
        if threading.active_count() <= AT_ONCE:  # with the one that is here
            super().process_request(request, client_address)
            return
        with contextlib.suppress(OSError):
            request.sendall(BUSY)
        self.shutdown_request(request)


def main(_: Sequence[str]) -> int:
    Server(socket.socket(fileno=FIRST_PASSED)).serve_forever()
    return 0
