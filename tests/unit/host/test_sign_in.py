"""What stands before RStudio's sign-in: what it passes on, and what it calls a failure."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from workbench_host import sign_in, turns
from workbench_host.sign_in import Answer, SignIn, is_failure

HEAD = "POST /auth-do-sign-in HTTP/1.1\r\nHost: bench.example\r\nX-Forwarded-For: {}\r\nCookie: a=b\r\n"


@pytest.fixture
def service() -> Iterator[tuple[int, list[dict[str, str]]]]:
    """A port that takes the password `right`, and what it has heard: headers, and the body as `body`."""
    heard: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            heard.append({**dict(self.headers.items()), "body": body})
            self.send_response(302)
            right = "password=right" in body
            self.send_header("Location", "/" if right else "/rstudio/auth-sign-in?error=1")
            for cookie in ("one=1", "two=2") if right else ():
                self.send_header("Set-Cookie", cookie)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, heard
    server.shutdown()
    server.server_close()


def talk(port: int, tmp_path: Path, *requests: str) -> list[str]:
    """What is answered to each request, each on a connection of its own, one after the other."""

    async def run() -> list[str]:
        path = str(tmp_path / "sock")
        server = await asyncio.start_unix_server(
            SignIn(port, "auth-sign-in").serve, path, limit=sign_in.HEAD_BYTES
        )
        async with server:
            answers = []
            for request in requests:
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(request.encode())
                answers.append((await reader.read()).decode())
                writer.close()
            return answers

    return asyncio.run(run())


def form(password: str, address: str = "192.0.2.1") -> str:
    body = f"username=ada&password={password}"
    return f"{HEAD.format(address)}Content-Length: {len(body)}\r\n\r\n{body}"


def test_a_right_password_passes_with_headers_and_cookies(
    service: tuple[int, list[dict[str, str]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port, heard = service
    [answer] = talk(port, tmp_path, form("right"))
    assert answer.startswith("HTTP/1.1 302 Found\r\n")
    assert answer.count("Set-Cookie: ") == 2
    assert (heard[0]["Host"], heard[0]["Cookie"]) == ("bench.example", "a=b")
    assert heard[0]["body"] == "username=ada&password=right"
    assert capsys.readouterr().out == ""


def test_a_wrong_one_is_said_with_the_address_that_caddy_added_and_nothing_else(
    service: tuple[int, list[dict[str, str]]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "DELAY_SECONDS", 0.01)
    talk(service[0], tmp_path, form("wrong", "198.51.100.1, 192.0.2.1"))
    assert capsys.readouterr().out == "Failed login from 192.0.2.1\n"


def test_too_many_wrong_ones_are_not_passed_on(
    service: tuple[int, list[dict[str, str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "DELAY_SECONDS", 0.01)
    port, heard = service
    answers = talk(
        port, tmp_path, *[form("wrong")] * turns.FAILURES, form("right"), form("right", "192.0.2.2")
    )
    assert answers[-2].startswith("HTTP/1.1 429 ")
    assert answers[-1].startswith("HTTP/1.1 302 ")
    assert len(heard) == turns.FAILURES + 1


@pytest.mark.parametrize(
    "request_",
    [
        f"{HEAD.format('192.0.2.1')}\r\n",
        f"{HEAD.format('192.0.2.1')}Content-Length: 9999999\r\n\r\n",
        f"{HEAD.format('192.0.2.1')}Content-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "nonsense\r\n\r\n",
    ],
)
def test_what_is_no_sign_in_is_not_passed_on(
    service: tuple[int, list[dict[str, str]]], tmp_path: Path, request_: str
) -> None:
    port, heard = service
    [answer] = talk(port, tmp_path, request_)
    assert answer.startswith("HTTP/1.1 400 ")
    assert heard == []


def test_a_service_that_is_down_is_no_failure_of_the_visitors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    [answer] = talk(port, tmp_path, form("right"))
    assert answer.startswith("HTTP/1.1 502 ")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("location", "failed"),
    [
        ("/rstudio/auth-sign-in?error=1", True),
        ("./auth-sign-in?appUri=%2F&error=3", True),
        ("/rstudio/?error=1", False),
        ("/rstudio/auth-sign-in?appUri=%2F%3Ferror%3D1", False),
        ("/", False),
        ("http://[x/rstudio/auth-sign-in?error=1", True),
    ],
)
def test_a_failure_leads_back_to_the_sign_in_with_an_error(location: str, failed: bool) -> None:
    assert is_failure(Answer(302, [("Location", location)], b""), "auth-sign-in") is failed
