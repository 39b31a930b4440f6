"""The program that chooses the proxy's certificate: what is said before a CA is asked, and what is chosen when."""

import datetime
import io
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from workbench_host import certificate

DOMAIN, ADDRESS = "bench.example.org", "192.0.2.7"
SERVER = "https://ca.example.org/directory"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The program over empty folders; no DNS, no network, no systemd unless a test says so."""
    module = certificate
    for folder in ("caddy", "stored"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(module, "CADDY", tmp_path / "caddy")
    monkeypatch.setattr(module, "STORED", tmp_path / "stored")
    (tmp_path / "caddy/acme.caddy").write_text("acme")
    (tmp_path / "caddy/own.caddy").write_text("own")
    return module


def config(**changes: Any) -> dict[str, Any]:
    return {
        "domain": DOMAIN,
        "address": ADDRESS,
        "server": SERVER,
        "root": None,
        "open": False,
        **changes,
    }


def chosen(program: ModuleType) -> str:
    return str((program.CADDY / "certificate.caddy").read_text())


def store(program: ModuleType, days: int, ca: str | None = SERVER) -> None:
    """A certificate as Caddy keeps it, valid for `days` more; `ca` None is the own CA's."""
    folder = program.STORED / ("ca" if ca else "local") / DOMAIN
    folder.mkdir(parents=True)
    now = datetime.datetime.now(datetime.UTC)
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=90))
        .not_valid_after(now + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    (folder / f"{DOMAIN}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{DOMAIN}.json").write_text(json.dumps({"issuer_data": {"ca": ca} if ca else None}))


@pytest.mark.parametrize(
    ("stored", "server", "choice"),
    [
        (None, SERVER, "own"),
        ((5, SERVER), SERVER, "acme"),
        ((-1, SERVER), SERVER, "own"),
        ((5, None), SERVER, "own"),
        ((5, "https://another.example/directory"), SERVER, "own"),
        ((5, SERVER), None, "own"),
    ],
)
def test_the_start_is_with_what_is_stored_and_valid_and_of_the_wanted_ca(
    program: ModuleType, stored: tuple[int, str | None] | None, server: str | None, choice: str
) -> None:
    if stored:
        store(program, *stored)
    wanted = config(server=server)
    assert program.choose(wanted, check=True) == program.WOULD_CHANGE
    assert not (program.CADDY / "certificate.caddy").exists()
    assert program.choose(wanted, check=False) == 0
    assert chosen(program) == choice
    assert program.choose(wanted, check=True) == 0


def test_of_a_domain_that_is_to_come_it_is_said_whom_a_run_would_ask(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(config())))
    assert program.main(["obtain", "--check", "--given"]) == program.WOULD_CHANGE
    assert capsys.readouterr().out == f"ask {SERVER} for a certificate of {config()['domain']}\n"


def test_a_run_that_was_killed_while_it_asked_starts_again_with_the_own_ca(program: ModuleType) -> None:
    program.put("acme.caddy")
    (program.CADDY / ".certificate.caddy.new").write_text("ha")
    assert program.choose(config(), check=False) == 0
    assert chosen(program) == "own"
    assert program.obtain(config(), check=True) == program.WOULD_CHANGE


def test_a_copy_of_the_cas_certificate_is_kept_beside_the_volume_as_long_as_there_is_one(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr(program, "SPARE", kept)
    assert program.spare(config()) == 0
    assert list(kept.iterdir()) == []
    store(program, 5)
    folder = program.STORED / "ca" / DOMAIN
    (folder / f"{DOMAIN}.key").write_text("a key")
    assert program.spare(config()) == 0
    assert (kept / "crt").read_bytes() == (folder / f"{DOMAIN}.crt").read_bytes()
    assert (kept / "key").read_text() == "a key"
    assert {file.stat().st_mode & 0o777 for file in kept.iterdir()} == {0o600}
    before = (kept / "key").stat().st_mtime_ns
    assert program.spare(config()) == 0
    assert (kept / "key").stat().st_mtime_ns == before
    assert program.spare(config(server=None)) == 0
    assert list(kept.iterdir()) == []


def answers(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """DNS answers with these addresses; with none it does not know the name."""

    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize(
    ("addresses", "sentence"),
    [
        ((), f"workbench:domain is {DOMAIN}, which DNS does not know"),
        (("198.51.100.1",), f"which leads to 198.51.100.1, but this server's address is {ADDRESS}"),
        ((ADDRESS, "2001:db8::1"), f"which leads to {ADDRESS}, 2001:db8::1, but this server's"),
    ],
)
def test_a_name_that_does_not_lead_here_is_said_before_anybody_is_asked(
    program: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    addresses: tuple[str, ...],
    sentence: str,
) -> None:
    answers(monkeypatch, *addresses)
    program.choose(config(), check=False)
    assert program.obtain(config(), check=False) == 1
    [said] = capsys.readouterr().err.splitlines()
    assert sentence in said
    assert "shows a certificate of its own CA" in said
    assert chosen(program) == "own"


def test_a_closed_port_80_names_who_may_connect(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(program.FailureError, match=r"port 80 .* does not answer .*workbench:webFrom"):
        program.reach(DOMAIN, ADDRESS)


@pytest.fixture
def web() -> Iterator[HTTPServer]:
    """A web server that answers everything with what its `said` holds: a status and a body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = self.server.said  # type: ignore[attr-defined]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (404, b"", "which answers with status 404"),
        (200, b"<html>", "does not answer as an ACME server does"),
        (200, b"{}", "is no ACME directory"),
    ],
)
def test_an_address_that_is_no_acme_server_is_named_by_its_key(
    program: ModuleType, web: HTTPServer, status: int, body: bytes, sentence: str
) -> None:
    web.said = (status, body)  # type: ignore[attr-defined]
    address = f"http://127.0.0.1:{web.server_port}/directory"
    with pytest.raises(program.FailureError) as caught:
        program.ask_directory(config(server=address))
    assert f"services.proxy.acmeServer is {address}, which" in str(caught.value)
    assert sentence in str(caught.value).replace("which is", "is")


def test_a_directory_is_taken(program: ModuleType, web: HTTPServer) -> None:
    web.said = (200, b'{"newOrder": "https://ca.example.org/new-order"}')  # type: ignore[attr-defined]
    program.ask_directory(config(server=f"http://127.0.0.1:{web.server_port}/directory"))


@pytest.mark.parametrize("at", [1, 2])
def test_a_proxy_that_cannot_be_reloaded_is_said_and_asks_nobody_at_its_next_start(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], at: int
) -> None:
    """At the first reload, which has it ask the CA, or at the second, after the CA has refused."""
    seen: list[str] = []

    def run(*command: str) -> str:
        assert command == program.RELOAD
        seen.append(chosen(program))
        if len(seen) == at:
            raise program.FailureError("`systemctl restart` failed with status 1: Job failed.")
        return ""

    monkeypatch.setattr(program.tools, "run", run)
    monkeypatch.setattr(program, "preflight", lambda config: None)
    monkeypatch.setattr(program, "refusal", lambda since: "too many requests")
    monkeypatch.setattr(program.time, "sleep", lambda seconds: None)
    assert program.obtain(config(), check=False) == 1
    assert seen == ["acme", "own"][:at]
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith(
        "the proxy did not take its configuration (`systemctl restart` failed with status 1: Job"
    )
    assert chosen(program) == "own"


def test_a_disk_that_is_full_is_told_in_a_sentence(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(config())))
    monkeypatch.setattr(program, "write", full)
    assert program.main(["choose", "--given"]) == 1
    assert capsys.readouterr().err == "The certificate cannot be chosen: No space left on device.\n"
