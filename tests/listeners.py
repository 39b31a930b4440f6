"""Who is told of alarms: a real SMTP server (aiosmtpd) and a webhook, on ports of their own, with a test's CA."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "workbench", "a secret with spaces & signs"


def make_ca(folder: Path, address: str, days: int = 2) -> tuple[Path, Path]:
    """(certificate of a new CA, PEM of key and certificate for the address) in the folder."""
    key, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's CA")])
    now = datetime.now(UTC)

    def certificate(
        subject: x509.Name, public: Any, *extensions: tuple[x509.ExtensionType, bool]
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=days))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(key, hashes.SHA256())

    # As Python 3.13 wants them (VERIFY_X509_STRICT), with the extensions that RFC 5280 asks for.
    usage = {
        "digital_signature": False, "content_commitment": False, "key_encipherment": False,
        "data_encipherment": False, "key_agreement": False, "crl_sign": True, "encipher_only": False,
        "decipher_only": False,
    }  # fmt: skip
    subject_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    root = certificate(
        name,
        key.public_key(),
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (x509.KeyUsage(key_cert_sign=True, **usage), True),
        (subject_id, False),
    )
    authority_id = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject_id)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    leaf = certificate(x509.Name([]), own.public_key(), (names, True), (authority_id, False))
    private = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    ca, pair = folder / "listeners-ca.crt", folder / "listeners.pem"
    ca.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    pair.write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM))
    return ca, pair


class Mailbox(MessageHandler):
    """What an SMTP server took; `refused` are the addresses that it takes nothing for."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []
        self.refused: set[str] = set()
        self.port = 0

    def handle_message(self, message: Message) -> None:
        self.mails.append(message)

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.refused:
            return "550 5.1.1 no such person here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]


@contextlib.contextmanager
def mail_server(
    address: str, pair: Path, *, security: str = "starttls", auth: bool = True
) -> Iterator[Mailbox]:
    """An SMTP server at the address that wants TLS as `security` says, and with `auth` a login."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    box = Mailbox()

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (
            USER.encode(),
            PASSWORD.encode(),
        )
        return AuthResult(success=right, handled=right)

    tls: dict[str, Any] = {
        "starttls": {"tls_context": context, "require_starttls": True},
        "tls": {"ssl_context": context},
        "none": {},
    }[security]
    login = (
        {"authenticator": check, "auth_required": True, "auth_require_tls": security == "starttls"}
        if auth
        else {}
    )
    controller = Controller(box, hostname=address, port=free_port(address), **tls, **login)
    controller.start()
    try:
        box.port = controller.port
        yield box
    finally:
        controller.stop()


def free_port(address: str) -> int:
    with socket.socket() as one:
        one.bind((address, 0))
        return int(one.getsockname()[1])


class Hook:
    """What a webhook was posted; it answers with `status`."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.status = 200
        self.port = 0


@contextlib.contextmanager
def webhook(address: str, pair: Path) -> Iterator[Hook]:
    """One at https://ADDRESS:PORT/."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.posts.append({"path": self.path, "type": self.headers["Content-Type"], **json.loads(body)})
            self.send_response(hook.status)
            if 300 <= hook.status < 400:
                self.send_header("Location", f"https://{address}:{hook.port}/elsewhere")
            self.end_headers()
            self.wfile.write(b"no_service\n" if hook.status >= 300 else b"ok")

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer((address, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    hook.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
