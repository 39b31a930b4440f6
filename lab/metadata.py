"""A stand-in for the instance metadata service, version 2, which machines reach at 169.254.169.254.

Paths, headers and statuses are those of AWS's "Use the Instance Metadata Service" (EC2 user guide); of the metadata
it has what programs on the workbench's host ask for. What a machine sends to that address leaves it by its interface,
as on AWS, and is led to this server on the lab's bridge, which knows the machine by its address there.
"""

import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lab.records import Machine
from lab.redirects import Redirects

ADDRESS, PORT = "169.254.169.254", 80
TOKEN_PATH = "/latest/api/token"  # noqa: S105 - an address
ROOT = "/latest/meta-data/"
ROLES = "iam/security-credentials/"
LONGEST = 21600  # seconds that a token may be valid

Credentials = dict[str, str]
AssumeRole = Callable[[str, str], Credentials]
"""What AWS hands out for a role's ARN to an instance: AccessKeyId, SecretAccessKey, Token, Expiration, ..."""


@dataclass
class Service:
    """What one machine is told."""

    machine: Machine
    assume: AssumeRole
    tokens: dict[str, float] = field(default_factory=dict)
    """When each token ends, by the monotonic clock."""

    def token(self, seconds: int) -> str:
        made = secrets.token_urlsafe(42)
        now = time.monotonic()
        for old in [old for old, end in self.tokens.items() if end <= now]:
            self.tokens.pop(old, None)
        self.tokens[made] = now + seconds
        return made

    def admits(self, token: str | None) -> bool:
        if token is None:
            return not self.machine.token_required
        return self.tokens.get(token, 0) > time.monotonic()

    def document(self) -> dict[str, Callable[[], str]]:
        """What can be read: path below meta-data/ -> its text."""
        machine = self.machine
        found = {
            "ami-id": machine.image,
            "hostname": machine.hostname,
            "instance-id": machine.id,
            "instance-type": machine.type,
            "local-hostname": machine.hostname,
            "local-ipv4": machine.private_ip,
            "placement/availability-zone": machine.zone,
            "placement/region": machine.zone[:-1],
        }
        if machine.public_key:
            found["public-keys/0/openssh-key"] = machine.public_key
        texts: dict[str, Callable[[], str]] = {path: text.__str__ for path, text in found.items()}
        if machine.role:
            name = machine.role.rpartition("/")[2]
            texts[ROLES + name] = lambda: json.dumps(self.assume(machine.role, machine.id), indent=2)
        return texts

    def read(self, path: str) -> str | None:
        """The text at a path, the list of what is in a folder, or None."""
        document = self.document()
        if path in document:
            return document[path]()
        folder = path.rstrip("/") + "/" if path else ""
        inside = {name.removeprefix(folder) for name in document if name.startswith(folder)}
        return "\n".join(sorted({listed(name) for name in inside})) if inside else None


def listed(name: str) -> str:
    """How the first part of a path is listed: folders with a slash."""
    first, slash, _ = name.partition("/")
    return first + slash


class Handler(BaseHTTPRequestHandler):
    """One request of a machine."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_PUT(self) -> None:
        service = self.service()
        if service is None or self.path != TOKEN_PATH:
            return self.answer(HTTPStatus.NOT_FOUND)
        if (
            "X-Forwarded-For" in self.headers
        ):  # it came through a proxy, which would hand it to whoever asks it
            return self.answer(HTTPStatus.FORBIDDEN)
        asked = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if not asked.isdecimal() or not 1 <= int(asked) <= LONGEST:
            return self.answer(HTTPStatus.BAD_REQUEST)
        self.connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, service.machine.hop_limit)
        return self.answer(
            HTTPStatus.OK, service.token(int(asked)), {"X-aws-ec2-metadata-token-ttl-seconds": asked}
        )

    def do_GET(self) -> None:
        service = self.service()
        if service is None:
            return self.answer(HTTPStatus.NOT_FOUND)
        if not service.admits(self.headers.get("X-aws-ec2-metadata-token")):
            return self.answer(HTTPStatus.UNAUTHORIZED)
        if not f"{self.path}/".startswith(ROOT):
            return self.answer(HTTPStatus.NOT_FOUND)
        text = service.read(self.path.removeprefix(ROOT.rstrip("/")).lstrip("/"))
        return self.answer(HTTPStatus.NOT_FOUND) if text is None else self.answer(HTTPStatus.OK, text)

    def service(self) -> Service | None:
        """That of the machine which asks."""
        return self.server.services.get(self.client_address[0])

    def answer(self, status: HTTPStatus, text: str = "", headers: Mapping[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the lab's log is about its own calls."""


class Server(ThreadingHTTPServer):
    """Serves all machines of a lab on one socket, each its own Service, known by its address on the bridge."""

    daemon_threads = True

    def __init__(self, listening: socket.socket) -> None:
        super().__init__(listening.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.services: dict[str, Service] = {}

    def begin(self) -> None:
        threading.Thread(target=self.serve_forever, name="metadata", daemon=True).start()

    def at(self) -> str:
        """Its address and port."""
        address, port = self.socket.getsockname()
        return f"{address}:{port}"

    def end(self) -> None:
        self.shutdown()
        self.server_close()


class Metadata:
    """The metadata services of the machines on the lab's bridge."""

    def __init__(self, assume: AssumeRole, redirects: Redirects, bridge: str) -> None:
        self._assume = assume
        self._redirects = redirects
        self._bridge = bridge
        self._server: Server | None = None

    def update(self, gateway: str, running: Mapping[str, Machine]) -> None:
        """From now on these machines, by their addresses on the bridge; `gateway` is this machine's address there.

        Raises OSError or CommandFailed where there is a machine and nothing can be opened for it.
        """
        if self._server and self._server.server_address[0] != gateway:
            self._redirects.remove_from_machines(self._bridge, ADDRESS, PORT, self._server.at())
            self._server.end()
            self._server = None
        if running and self._server is None:
            self._server = self._open(gateway)
        if self._server:
            known = self._server.services
            self._server.services = {
                address: Service(machine, self._assume, known[address].tokens if address in known else {})
                for address, machine in running.items()
            }

    def _open(self, gateway: str) -> Server:
        server = Server(socket.create_server((gateway, 0), backlog=64))
        self._redirects.add_from_machines(self._bridge, ADDRESS, PORT, server.at())
        server.begin()
        return server
