"""What anybody sees of a workbench from where this runs: open ports, the certificate, headers of the pages."""

import asyncio
import http.client
import ipaddress
import re
import socket
import ssl
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urljoin, urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from cli.findings import HTTPS, OPEN, Finding, plain

SECONDS = 1.5  # for a connection: who does not answer by then is behind a firewall that drops
PAGE_SECONDS = 10
REDIRECTS = 5
RENEWED_BY = 1 / 4  # of a certificate's life that is left; Caddy renews when a third is
# What databases, notebooks, dashboards and the like listen on by default, and where the workbench's own parts did.
USUAL = (
    *(
        21,
        23,
        25,
        53,
        110,
        111,
        139,
        143,
        389,
        445,
        631,
        873,
        1433,
        1521,
        2019,
        2049,
        2375,
        2376,
        3000,
        3128,
        3306,
    ),
    *(
        3389,
        3838,
        4040,
        4200,
        5000,
        5432,
        5601,
        5672,
        5678,
        5900,
        5901,
        6000,
        6006,
        6379,
        6443,
        7077,
        7860,
        8000,
        8001,
    ),
    *(
        8008,
        8050,
        8080,
        8081,
        8086,
        8088,
        8443,
        8501,
        8786,
        8787,
        8888,
        8889,
        8890,
        9000,
        9042,
        9090,
        9092,
        9100,
        9200,
    ),
    *(9300, 9999, 10000, 10250, 11211, 15672, 27017, 50070),
)
TELLING = ("Server", "X-Powered-By", "X-JupyterHub-Version", "X-Generator")


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
    shown = x509.load_der_x509_certificate(_greet(address, name, _unverified()))
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


def _greet(address: str, name: str, context: ssl.SSLContext) -> bytes:
    """The certificate (DER) that is shown. Raises OSError, of which ssl.SSLError is one."""
    with (
        socket.create_connection((address, HTTPS), PAGE_SECONDS) as plain_socket,
        context.wrap_socket(plain_socket, server_hostname=name) as greeted,
    ):
        return greeted.getpeercert(binary_form=True) or b""


def _refusal(address: str, name: str, context: ssl.SSLContext) -> str | None:
    try:
        _greet(address, name, context)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    return None


def _unverified() -> ssl.SSLContext:
    """For looking only: whom the certificate is of is judged apart, and nothing secret is sent."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


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


def pages(address: str, name: str, paths: Sequence[str]) -> dict[str, Mapping[str, list[str]]]:
    """The headers of what each path leads to, by the path that it led to: name in lower case -> values."""
    found: dict[str, Mapping[str, list[str]]] = {}
    for path in paths:
        for _ in range(REDIRECTS):
            connection = http.client.HTTPSConnection(address, timeout=PAGE_SECONDS, context=_unverified())
            # Python would name the address in its greeting, and not the workbench's name.
            connection.sock = _unverified().wrap_socket(
                socket.create_connection((address, HTTPS), PAGE_SECONDS), server_hostname=name
            )
            try:
                connection.request("GET", path, headers={"Host": name})
                answer = connection.getresponse()
                headers: dict[str, list[str]] = {}
                for key, value in answer.getheaders():
                    headers.setdefault(key.lower(), []).append(value)
            finally:
                connection.close()
            target = urlsplit(urljoin(f"https://{name}{path}", headers.get("location", [""])[0]))
            if not (300 <= answer.status < 400 and target.hostname == name):
                break
            path = target.path + (f"?{target.query}" if target.query else "")
        if answer.status < 500:
            found[path.partition("?")[0]] = headers
    return found


def of_pages(found: Mapping[str, Mapping[str, list[str]]], trusted: bool) -> Iterator[Finding]:
    """What is missing or weak in headers of the pages. `trusted`: whether browsers know who vouches for them."""
    lacking: dict[str, list[str]] = {}
    for path, headers in found.items():
        for complaint in complaints(headers, trusted):
            lacking.setdefault(complaint, []).append(path)
    for complaint, paths in lacking.items():
        yield Finding("headers", f"{complaint}: {', '.join(sorted(paths))}.", "workbench deploy")


def complaints(headers: Mapping[str, Sequence[str]], trusted: bool) -> Iterator[str]:
    """What is wrong with the headers of one page (OWASP Secure Headers Project, as far as it fits notebooks)."""
    policy = " ".join(headers.get("content-security-policy", ()))
    if "nosniff" not in " ".join(headers.get("x-content-type-options", ())).lower():
        yield "No X-Content-Type-Options"
    if not policy:
        yield "No Content-Security-Policy"
    if "frame-ancestors" not in policy and "x-frame-options" not in headers:
        yield "Other sites may show it in a frame"
    if "referrer-policy" not in headers:
        yield "No Referrer-Policy"
    if trusted and "strict-transport-security" not in headers:
        yield "No Strict-Transport-Security"
    for name in TELLING:
        told = " ".join(headers.get(name.lower(), ()))
        if re.search(r"\d", told):
            yield f"The header {name} tells which version runs ({plain(told)})"
    for cookie in headers.get("set-cookie", ()):
        yield from _weak(cookie)


def _weak(cookie: str) -> Iterator[str]:
    name, *attributes = (part.strip() for part in cookie.split(";"))
    name = plain(name.partition("=")[0])
    said = {
        attribute.partition("=")[0].lower(): attribute.partition("=")[2].lower() for attribute in attributes
    }
    if re.fullmatch(r"0|thu, 01[ -]jan[ -]1970.*", said.get("max-age", said.get("expires", ""))):
        return  # it is being deleted
    wanted = {"Secure": "secure" in said, "SameSite": said.get("samesite") in {"lax", "strict"}}
    if "xsrf" not in name.lower() and "csrf" not in name.lower():  # which pages' scripts send back
        wanted["HttpOnly"] = "httponly" in said
    if missing := [attribute for attribute, there in wanted.items() if not there]:
        yield f"The cookie {name} is without {', '.join(missing)}"
