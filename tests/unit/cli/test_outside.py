"""What `workbench doctor` sees from here: ports, certificates of a real TLS server, headers."""

import http.server
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli import headers, outside
from cli.outside import Certificate

NOW = datetime(2026, 11, 27, tzinfo=UTC)
GOOD = {
    "content-security-policy": ["default-src 'self'; frame-ancestors 'self'"],
    "x-content-type-options": ["nosniff"],
    "referrer-policy": ["same-origin"],
}
NAME = "bench.example.org"


def shown(days_old: float, days_left: float, refused: str | None, refused_by_own: str | None) -> Certificate:
    since, until = NOW - timedelta(days=days_old), NOW + timedelta(days=days_left)
    return Certificate("Caddy Local Authority", since, until, refused, refused_by_own, NOW)


def said(certificate: Certificate, server: str | None = None) -> list[tuple[bool, str]]:
    return [(one.note, one.what) for one in outside.of_certificate(certificate, NAME, server)]


def test_a_certificate_that_browsers_take_is_a_note_with_its_days() -> None:
    ((note, what),) = said(shown(30, 60, None, "unknown"), "https://acme.example/directory")
    assert note
    assert "vouches for it, 60 days more" in what


def test_the_own_ca_is_a_note_where_nobody_else_was_to_vouch_and_a_finding_where_somebody_was() -> None:
    ((note, what),) = said(shown(0.25, 0.25, "self-signed", None))
    assert note
    assert "6 hours more" in what
    ((note, what),) = said(shown(0.25, 0.25, "self-signed", None), "https://acme.example/directory")
    assert not note
    assert "https://acme.example/directory gave no certificate" in what


def test_a_certificate_of_nobody_known_is_a_finding() -> None:
    ((note, what),) = said(shown(30, 60, "self-signed certificate", "self-signed certificate"))
    assert not note
    assert "self-signed certificate" in what


@pytest.mark.parametrize(("old", "left"), [(80, 10), (91, -1)])
def test_a_certificate_that_was_not_renewed_in_time_is_a_finding(old: float, left: float) -> None:
    first, *_ = said(shown(old, left, None, None))
    assert not first[0]
    assert "renewing it failed" in first[1] or "has expired" in first[1]


def test_a_short_lived_certificate_is_not_taken_for_one_that_runs_out() -> None:
    assert all(note for note, _ in said(shown(0.3, 0.2, "self-signed", None)))


def test_a_port_beside_ours_is_a_finding_and_a_closed_443_a_note() -> None:
    assert list(outside.of_ports({22, 80, 443})) == []
    more, closed = outside.of_ports({22, 80, 8787})
    assert more.what.startswith("Port 8787 answers from here; only 22, 80, 443 should")
    assert (more.note, closed.note) == (False, True)


def test_an_open_port_answers_and_a_closed_one_does_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else will
        port, closed = server.getsockname()[1], taken.getsockname()[1]
        assert outside.answering("127.0.0.1", {port, closed}) == {port}


def test_what_this_machine_has_open_on_all_addresses_is_not_a_labs() -> None:
    with socket.create_server(("0.0.0.0", 0)) as everywhere, socket.create_server(("127.7.7.7", 0)) as labs:
        ports = {everywhere.getsockname()[1], labs.getsockname()[1]}
        assert outside.answering("127.7.7.7", ports) == {labs.getsockname()[1]}


def test_good_headers_are_not_complained_of() -> None:
    assert list(headers.complaints(GOOD, trusted=False)) == []


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"x-content-type-options": []}, "No X-Content-Type-Options"),
        ({"content-security-policy": [], "x-frame-options": ["DENY"]}, "No Content-Security-Policy"),
        ({"content-security-policy": ["default-src 'self'"]}, "Other sites may show it in a frame"),
        ({"x-jupyterhub-version": ["6.1.1"]}, "The header X-JupyterHub-Version tells which version runs (6.1.1)"),
        ({"server": ["TornadoServer/6.5"]}, "The header Server tells which version runs (TornadoServer/6.5)"),
        ({"set-cookie": ["a=1; Path=/; HttpOnly"]}, "The cookie a is without Secure, SameSite"),
        ({"set-cookie": ["a=1; Secure; SameSite=None"]}, "The cookie a is without SameSite, HttpOnly"),
        ({"set-cookie": ["_xsrf=1; Secure"]}, "The cookie _xsrf is without SameSite"),
    ],
)  # fmt: skip
def test_what_is_missing_or_weak_is_named(said: dict[str, list[str]], complaint: str) -> None:
    assert complaint in list(headers.complaints({**GOOD, **said}, trusted=False))


def test_what_deletes_a_cookie_need_not_protect_it() -> None:
    gone = ["a=; Max-Age=0", "b=; expires=Thu, 01 Jan 1970 00:00:00 GMT"]
    assert list(headers.complaints({**GOOD, "set-cookie": gone}, trusted=False)) == []


def test_hsts_is_missed_where_browsers_trust_the_certificate_and_only_there() -> None:
    assert list(headers.complaints(GOOD, trusted=True)) == ["No Strict-Transport-Security"]


def test_pages_that_lack_the_same_are_one_finding() -> None:
    bare = {
        "x-content-type-options": ["nosniff"],
        "referrer-policy": ["no-referrer"],
        "x-frame-options": ["DENY"],
    }
    (one,) = headers.of_pages({"/": GOOD, "/b/": bare, "/a/": bare}, trusted=False)
    assert one.what == "No Content-Security-Policy: /a/, /b/."


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A site of NAME on 127.0.0.1, with a certificate of its own CA, whose PEM this is; / leads to /login."""
    key, pem = tmp_path / "key.pem", tmp_path / "ca.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
    ]
    where = [
        "9",
        "-keyout",
        key,
        "-out",
        pem,
        "-subj",
        f"/O=Own/CN={NAME}",
        "-addext",
        f"subjectAltName=DNS:{NAME}",
    ]
    subprocess.run([*made, *where], check=True, capture_output=True)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            named = self.headers["Host"] == NAME
            self.send_response(302 if self.path == "/" else 200 if named else 500)
            self.send_header("Location", "/login?next=%2F") if self.path == "/" else None
            self.send_header("X-Path", self.path)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setattr(outside, "HTTPS", server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield pem.read_text()
    server.shutdown()
    server.server_close()


def test_who_vouches_is_found_out_by_asking_both_trusts(site: str) -> None:
    found = outside.certificate("127.0.0.1", NAME, site)
    assert found.refused
    assert found.refused_by_own is None
    assert found.issuer == f"Own {NAME}"
    assert 8 < found.days < 9
    assert outside.certificate("127.0.0.1", "other.example.org", site).refused_by_own
    assert outside.certificate("127.0.0.1", NAME, None).refused_by_own


def test_a_page_is_looked_at_where_it_leads_to(site: str) -> None:
    found = headers.pages("127.0.0.1", NAME, ["/"])
    assert list(found) == ["/login"]
    assert found["/login"]["x-path"] == ["/login?next=%2F"]
