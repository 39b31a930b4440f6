"""What becomes of answers of users' servers and of the web apps behind them: a real Caddy with the hub's own rules."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.unit.deploy.test_proxy import HUB, needs_caddy
from tests.unit.deploy.test_proxy_headers import site

pytestmark = needs_caddy

OWN = "/jupyter/user/ada/"
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


class Behind(BaseHTTPRequestHandler):
    """In the place of the hub's proxy and all behind it: any visitor may see it, with the cookie that is asked for."""

    def do_GET(self) -> None:
        failed = self.path.endswith("/failed")
        self.send_response(204 if self.path == "/jupyter/hub/visit" else 502 if failed else 200)
        if cookie := self.headers.get("X-Set"):
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing, on the terminal of the tests."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("caddy")
    for name in ("server", "webapp", "unavailable"):
        (folder / f"{name}.html").write_text(f"the page {name}")
    with ThreadingHTTPServer(("127.0.0.1", 0), Behind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hub = replace(
            HUB, upstream=f"127.0.0.1:{server.server_port}", passage=None, rules="jupyterhub/proxy.caddy.j2"
        )
        with site(hub, folder) as url:
            yield url
        server.shutdown()


@pytest.mark.parametrize(
    ("set_", "path"),
    [
        ("a=1", OWN),
        ("a=1; Path=/; HttpOnly", OWN),
        (f"a=1; Path={OWN}proxy/8501/", f"{OWN}proxy/8501/"),
        (f"a=1; HttpOnly; Path={OWN}proxy/8501/; Max-Age=9", f"{OWN}proxy/8501/"),
        (f"a=1; Path={OWN}; Path=/", OWN),
        (f"a=1; path={OWN}one/; Path={OWN}two/", f"{OWN}two/"),
        ("a=1; Path=/jupyter/user/grace/; Own-Path=/", OWN),
        ("a=1; Own-Path=/; Own-Path=/", OWN),
        (f"a=1; Path={OWN}one/; Own-Path=/", f"{OWN}one/"),
        ("a=Path; Domain=example.org; Path=/jupyter/hub/", OWN),
    ],
)
def test_a_cookie_has_one_path_below_its_server_as_browsers_and_programs_read_it(
    url: str, set_: str, path: str
) -> None:
    """Browsers take the last of several paths (RFC 6265, 5.2.4), Python's http.cookiejar the first."""
    [cookie] = httpx.get(f"{url}{OWN}x", headers={**PAGE, "X-Set": set_}).headers.get_list("Set-Cookie")
    paths = [
        value
        for name, _, value in (one.strip().partition("=") for one in cookie.split(";")[1:])
        if name.lower() == "path"
    ]
    assert paths == [path], cookie
    assert "own-path" not in cookie.lower()
    assert "domain" not in cookie.lower()


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("lab/failed", "server"),
        ("proxy/8501/failed", "webapp"),
        ("proxy/8501/a/b/failed", "webapp"),
        ("proxy/unix/tidy/failed", "webapp"),
        ("second/proxy/8501/failed", "webapp"),
        ("second/lab/failed", "server"),
        ("files/a/proxy/failed", "server"),
    ],
)
def test_what_does_not_answer_is_told_apart_app_or_server(url: str, path: str, page: str) -> None:
    answer = httpx.get(f"{url}{OWN}{path}", headers=PAGE)
    assert (answer.status_code, answer.text) == (502, f"the page {page}")
