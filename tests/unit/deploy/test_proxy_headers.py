"""Headers of services' pages as a browser gets them: a real Caddy with the site's own part, before a service."""

import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli import headers
from deploy import proxy
from tests.unit.deploy.test_proxy import CADDY, OTHER, caddyfile, needs_caddy

pytestmark = needs_caddy

OWN = "default-src 'none'"
DEFAULT = "frame-ancestors 'self'; base-uri 'self'; object-src 'self' blob: data:"


class Service(BaseHTTPRequestHandler):
    """Has a policy on its page /own; elsewhere it says what RStudio Server says, and no more."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("X-Frame-Options", "SAMEORIGIN")
        if self.path == "/own":
            self.send_header("Content-Security-Policy", OWN)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing, on the terminal of the tests."""


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def url(service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with site(replace(OTHER, upstream=service), tmp_path_factory.mktemp("caddy")) as url:
        yield url


@contextmanager
def site(service: proxy.Entry, folder: Path) -> Iterator[str]:
    """The site of the one name, on a free port and without TLS; the sites beside it are left out.

    Pages of our own are in the folder.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    text = caddyfile("bench.example", [service]).replace(proxy.SITE, str(folder))
    text = re.sub(r"^(\{|https?:// \{)\n.*?^\}\n", "", text, flags=re.MULTILINE | re.DOTALL)
    text = "{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n}\n" + text
    (folder / "Caddyfile").write_text(text.replace("https://bench.example {", f"{url} {{"))
    process = subprocess.Popen(
        [str(CADDY), "run", "--adapter", "caddyfile", "--config", folder / "Caddyfile"],
        stderr=subprocess.DEVNULL,
        env={"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
    )
    try:
        _wait_for(f"{url}{service.path}")
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            httpx.get(url)
            return
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def policies(answer: httpx.Response) -> list[str]:
    return answer.headers.get_list("Content-Security-Policy")


def test_a_service_without_a_policy_is_given_one_and_the_doctor_has_no_complaint(url: str) -> None:
    answer = httpx.get(f"{url}/other/")
    assert policies(answer) == [DEFAULT]
    seen = {name: answer.headers.get_list(name) for name in answer.headers}
    assert list(headers.complaints(seen, trusted=False)) == []


def test_a_services_own_policy_is_left_as_it_is(url: str) -> None:
    assert policies(httpx.get(f"{url}/other/own")) == [OWN]


def test_pages_of_our_own_keep_their_stricter_policy(url: str) -> None:
    [said] = policies(httpx.get(f"{url}/"))
    assert said.startswith("default-src 'none'; style-src 'self';")
