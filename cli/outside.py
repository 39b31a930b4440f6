"""What anybody sees of a workbench from where this runs: open ports, and the certificate."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from cli.common import plain
from cli.findings import HTTPS, OPEN, Finding

SECONDS = 1.5  # for a connection: who does not answer by then is behind a firewall that drops
ANSWER_SECONDS = 10
RENEWED_BY = 1 / 4  # of a certificate's life that is left; Caddy renews when a third is
# What databases, notebooks, dashboards and the like listen on by default, and where the workbench's own parts did.
USUAL = (
    21, 23, 25, 53, 110, 111, 139, 143, 389, 445, 631, 873, 1433, 1521, 2019, 2049, 2375, 2376, 3000, 3128, 3306,
    3389, 3838, 4040, 4200, 5000, 5432, 5601, 5672, 5678, 5900, 5901, 6000, 6006, 6379, 6443, 7077, 7860, 8000,
    8001, 8008, 8050, 8080, 8081, 8086, 8088, 8443, 8501, 8786, 8787, 8888, 8889, 8890, 9000, 9042, 9090, 9092,
    9100, 9200, 9300, 9999, 10000, 10250, 11211, 15672, 27017, 50070,
)  # fmt: skip


@dataclass(frozen=True)
class Certificate:
    """What is shown for a name: who signed it, from when until when it holds, and who refuses it, why."""

    issuer: str
    since: datetime
    until: datetime
    refused: str | None  # by what this machine trusts; None: it is taken
    refused_by_own: str | None  # by the workbench's own CA
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def days(self) -> float:
        return (self.until - self.now).total_seconds() / 86400


def answering(address: str, ports: Iterable[int]) -> set[int]:
    """The TCP ports of an address that take a connection from here.

    In the lab the address is one of loopback: what this machine itself has open on all of them is not the workbench's.
    """
    ports = set(ports)
    found = asyncio.run(_connect(address, ports))
    if ipaddress.ip_address(address).is_loopback and address != "127.0.0.1":
        found -= asyncio.run(_connect("127.0.0.1", found - OPEN))
    return found


async def _connect(address: str, ports: Collection[int]) -> set[int]:
    async def answers(port: int) -> bool:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), SECONDS)
        except (TimeoutError, OSError):
            return False
        writer.close()
        return True

    ordered = sorted(ports)
    taken = await asyncio.gather(*(answers(port) for port in ordered))
    return {port for port, takes in zip(ordered, taken, strict=True) if takes}


def of_ports(found: Collection[int]) -> Iterator[Finding]:
    """A finding for each port that should not answer; a note where the pages do not."""
    for port in sorted(set(found) - OPEN):
        yield Finding(
            "ports",
            f"Port {port} answers from here; only {', '.join(map(str, sorted(OPEN)))} should.",
            "workbench deploy && pulumi up --refresh",
        )
    if HTTPS not in found:
        what = "does not answer from here, so certificate and pages were not looked at (workbench:webFrom says who may)"
        yield Finding("ports", f"Port {HTTPS} {what}.", note=True)


def certificate(address: str, name: str, own_ca: str | None) -> Certificate:
    """What is shown to who asks for `name`. Raises OSError where nobody speaks TLS there."""
    with greeted(address, name) as connection:
        shown = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
    refused = _refusal(address, name, ssl.create_default_context())
    refused_by_own: str | None = "it is not known here"
    if own_ca:
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        own.load_verify_locations(cadata=own_ca)
        refused_by_own = _refusal(address, name, own)
    return Certificate(
        _common_name(shown.issuer),
        shown.not_valid_before_utc,
        shown.not_valid_after_utc,
        refused,
        refused_by_own,
    )


def greeted(address: str, name: str, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    """A connection to who answers for `name` there; without a `context`, whoever that is. Raises OSError.

    For looking only: whom the certificate is of is judged apart, and nothing secret is sent.
    """
    if context is None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    connection = socket.create_connection((address, HTTPS), ANSWER_SECONDS)
    try:
        return context.wrap_socket(connection, server_hostname=name)
    except BaseException:
        connection.close()
        raise


def _refusal(address: str, name: str, context: ssl.SSLContext) -> str | None:
    try:
        greeted(address, name, context).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    return None


def _common_name(name: x509.Name) -> str:
    """Who that is, in words: the organisation and the common name."""
    parts = [
        str(attribute.value)
        for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
        for attribute in name.get_attributes_for_oid(oid)
    ]
    return plain(" ".join(parts) or name.rfc4514_string())


def of_certificate(shown: Certificate, domain: str | None, server: str | None) -> Iterator[Finding]:
    """What is wrong with it; a note says who vouches, and for how long. `server`: the ACME CA that should."""
    life = (shown.until - shown.since).total_seconds() / 86400
    left = f"{shown.days:.0f} days" if shown.days >= 2 else f"{max(shown.days, 0) * 24:.0f} hours"
    if shown.days < RENEWED_BY * life:
        what = "has expired" if shown.days < 0 else f"holds for another {left} only: renewing it failed"
        yield Finding(
            "certificate",
            f"The certificate {what}.",
            "workbench ssh -- 'sudo journalctl -u caddy | tail -30'",
        )
    if shown.refused is None:
        yield Finding("certificate", f"{shown.issuer} vouches for it, {left} more.", note=True)
    elif shown.refused_by_own is None and server is None:
        yield Finding(
            "certificate",
            f"The workbench's own CA vouches for it ({left} more, then renewed); browsers warn until they know it.",
            "workbench ssh -- cat /etc/workbench/ca.crt",
            note=True,
        )
    elif shown.refused_by_own is None:
        what = f"The workbench's own CA vouches for {domain}, since {server} gave no certificate; the deploy says why."
        yield Finding("certificate", what, "workbench deploy")
    else:
        what = f"This machine does not take the certificate, which {shown.issuer} signed ({plain(shown.refused)}), and "
        yield Finding("certificate", f"{what}it is not of the workbench's own CA.", "workbench deploy")
