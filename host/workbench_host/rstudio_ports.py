"""rstudio-ports: says whether a user of RStudio may see what listens on a port of loopback: where it is theirs.

RStudio's open-source server passes /p/PORT/ to that port for whoever is signed in, and does not ask whose it is: it
connects as itself, so that the firewall's rule of owners does not hold. Caddy asks here first (forward_auth), on a
socket that systemd opens. A request is answered with 200, or with 403 and a sentence.

The port is disguised by a token in a cookie (src/cpp/server_core/UrlPorts.cpp of github.com/rstudio/rstudio), and the
user is in another cookie (src/cpp/core/http/SecureCookie.cpp) whose signature RStudio checks of the same request: what
is said here of somebody's ports is of no use to who cannot sign as that user. What is spelt otherwise than RStudio
does it is refused.
"""

import pwd
import re
import socket
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from urllib.parse import unquote

from workbench_host.checkup.listeners import listening

PORT = re.compile(r"/p6?/([0-9a-fA-F]{8,9})")
USER = re.compile(r"(?:^|; )user-id=([a-z_][a-z0-9_-]*)\|[^;]*(?:;|$)")
TOKEN = re.compile(r"(?:^|; )port-token=([0-9a-f]{4})([0-9a-f]{8})(?:;|$)")
DEFAULT_TOKEN = "a433", "e59dc087"  # RStudio's own for a browser that has none yet
TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
FIRST_PASSED = 3  # sd_listen_fds(3)


def ports(uri: str, cookie: str) -> Iterator[int]:
    """The ports that a request could be passed to: as it is written, and as it reads once decoded."""
    found = TOKEN.search(cookie)
    multiplier, key = found.groups() if found else DEFAULT_TOKEN
    for text in {uri, unquote(uri)}:
        for disguised in PORT.findall(text):
            hidden = (int(disguised, 16) & 0xFFFFFFFF) ^ int(key, 16)
            yield hidden // int(multiplier, 16) * 61279 % 65535 if int(multiplier, 16) else 0


def user(cookie: str) -> str:
    """Who the request says that it comes from, empty where it does not say it once and plainly."""
    found = USER.search(cookie)
    return found[1] if found and cookie.count("user-id") == 1 else ""


def owners(port: int, tables: Sequence[Path] = TABLES) -> set[int]:
    """The uids that listen on the TCP port, on whatever address."""
    found = [one for table in tables if table.exists() for one in listening(table.name, table.read_text())]
    return {one.uid for one in found if one.port == port}


def complaint(uri: str, cookies: Sequence[str]) -> str:
    """Why the request is refused, empty where it is not."""
    if not uri:
        return "This is for Caddy, which says what is asked for."
    cookie = "; ".join(cookies)
    wanted = list(ports(uri, cookie))
    if not wanted:
        return ""
    if cookie.count("port-token") > 1 or ("port-token" in cookie and not TOKEN.search(cookie)):
        return "The cookie port-token is not as RStudio writes it; sign in to RStudio again."
    name = user(cookie)
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        return "Sign in to RStudio first."
    if any(owners(port) != {uid} for port in wanted):
        return "Nothing of yours listens there."
    return ""


class Handler(BaseHTTPRequestHandler):
    """What Caddy asks: the request's own headers, and its address in X-Forwarded-Uri."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        said = complaint(self.headers.get("X-Forwarded-Uri", ""), self.headers.get_all("Cookie", []))
        body = f"{said}\n".encode() if said else b""
        self.send_response(403 if said else 200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: Caddy's log has what is refused."""


class Server(ThreadingMixIn, UnixStreamServer):
    """On the socket that systemd passes."""

    daemon_threads = True

    def __init__(self, listening: socket.socket) -> None:
        super().__init__("", Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening


def main(_: Sequence[str]) -> int:
    Server(socket.socket(fileno=FIRST_PASSED)).serve_forever()
    return 0
