"""What the proxy makes of users' apps: a real Caddy with the configuration's own part, in front of an app that lies."""

import re
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.deploy.test_proxy import CADDY, caddyfile, needs_caddy

pytestmark = needs_caddy

# All that would speak for the whole site, or show the page otherwise than the proxy says.
LIES = {
    "Set-Cookie": "a=b; Path=/",
    "Clear-Site-Data": '"*"',
    "Service-Worker-Allowed": "/",
    "Strict-Transport-Security": "max-age=0",
    "Alt-Svc": 'h2=":8443"',
    "NEL": '{"report_to": "x", "max_age": 9}',
    "Report-To": '{"group": "x", "max_age": 9, "endpoints": [{"url": "https://evil.example"}]}',
    "Reporting-Endpoints": 'x="https://evil.example"',
    "Access-Control-Allow-Credentials": "true",
}
LOOSE = {"Content-Security-Policy": "default-src *", "Access-Control-Allow-Origin": "https://evil.example"}


class App:
    """Stands for ada's: answers everything with its lies, and keeps the heads that it got."""

    def __init__(self, path: Path) -> None:
        self.heads: list[str] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(10)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        said = b""
        while b"\r\n\r\n" not in said:
            if not (more := connection.recv(65536)):
                return
            said += more
        self.heads.append(said.decode())
        lies = "".join(f"{name}: {value}\r\n" for name, value in {**LIES, **LOOSE}.items())
        if "pgrade: websocket" in said.decode():
            status = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        else:
            status = f"HTTP/1.1 103 Early Hints\r\n{lies}\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
        connection.sendall(f"{status}{lies}\r\nhers".encode())


class Proxy:
    """A Caddy on a port of loopback that has the part `apps` of the Caddyfile, for the path /apps/."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        [part] = re.findall(r"^\(apps\) \{.*?^\}\n", caddyfile(), re.MULTILINE | re.DOTALL)
        (folder / "Caddyfile").write_text(
            "{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n}\n"
            + part.replace("/run/apps", str(folder / "run"))
            + f"http://127.0.0.1:{self.port} {{\n\thandle /apps/* {{\n"
            + f"\t\timport apps /apps/ unix/{folder}/run/{{re.user.1}}/x.sock\n\t}}\n}}\n"
        )
        self.process = subprocess.Popen(
            [str(CADDY), "run", "--adapter", "caddyfile", "--config", folder / "Caddyfile"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/apps/"

    def raw(self, head: str) -> str:
        """All that comes back for what is sent as it is, within a second."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.settimeout(1)
            connection.sendall(head.replace("\n", "\r\n").encode())
            said = b""
            try:
                while data := connection.recv(65536):
                    said += data
            except TimeoutError:
                pass
            return said.decode()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wb") as path:  # short, for a socket in it
        (Path(path) / "run/2000").mkdir(parents=True)
        (Path(path) / "run/ada").symlink_to("2000")
        yield Path(path)


@pytest.fixture(scope="module")
def app(folder: Path) -> App:
    return App(folder / "run/2000/x.sock")


@pytest.fixture(scope="module")
def proxy(folder: Path, app: App) -> Iterator[Proxy]:
    proxy = Proxy(folder)
    until = time.monotonic() + 30
    while True:
        try:
            httpx.get(proxy.url)
            break
        except httpx.ConnectError:
            assert time.monotonic() < until
            time.sleep(0.1)
    yield proxy
    proxy.process.terminate()
    proxy.process.wait(10)


def test_a7_an_app_says_nothing_for_the_whole_site(proxy: Proxy) -> None:
    answer = httpx.get(f"{proxy.url}ada/x/")
    assert answer.text == "hers"
    assert [name for name in LIES if name in answer.headers] == []


def test_a7_the_policy_and_whom_it_may_be_read_by_are_the_proxys(proxy: Proxy) -> None:
    answer = httpx.get(f"{proxy.url}ada/x/")
    [policy] = answer.headers.get_list("Content-Security-Policy")
    assert policy.startswith("sandbox ")
    assert "allow-same-origin" not in policy
    assert answer.headers.get_list("Access-Control-Allow-Origin") == ["null"]


def test_a7_nor_does_it_by_the_answers_that_come_before_the_last(proxy: Proxy) -> None:
    upgrade = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: eA==\n"
    for head, expected in ((upgrade, " 101 "), ("", " 103 ")):
        said = proxy.raw(f"GET /apps/ada/x/ HTTP/1.1\nHost: 127.0.0.1\n{head}\n")
        assert expected in said
        assert [name for name in LIES if f"\n{name.lower()}:" in said.lower()] == []


def test_an_app_gets_no_cookie_and_its_answers_are_not_for_service_workers(proxy: Proxy, app: App) -> None:
    httpx.get(f"{proxy.url}ada/x/", headers={"Cookie": "jupyterhub-session-id=1", "X-Own": "2"})
    assert "cookie" not in app.heads[-1].lower()
    assert "X-Own: 2" in app.heads[-1]
    assert httpx.get(f"{proxy.url}ada/x/sw.js", headers={"Service-Worker": "script"}).status_code == 403


def test_c27_what_the_page_asks_of_itself_is_let_through(proxy: Proxy, app: App) -> None:
    before = len(app.heads)
    asked = {"Origin": "null", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x"}
    answer = httpx.options(f"{proxy.url}ada/x/session/1/upload/2", headers=asked)
    assert answer.status_code == 204
    for name, value in {"Origin": "null", "Methods": "*", "Headers": "*"}.items():
        assert answer.headers[f"Access-Control-Allow-{name}"] == value
    assert len(app.heads) == before
    assert httpx.options(f"{proxy.url}ada/x/").text == "hers"  # no preflight: the app's own business


@pytest.mark.parametrize(
    "path",
    [
        "ada",
        "",
        "bob/x/",
        "2000/x/",
        "../run/ada/x/",
        ".hidden/x/",
        "%2e%2e/ada/x/",
        "ada%2f..%2fbob/",
        "ADA/x/",
    ],
)
def test_whoever_has_no_apps_has_no_page(proxy: Proxy, app: App, path: str) -> None:
    before = len(app.heads)
    said = proxy.raw(f"GET /apps/{path} HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n\n")
    assert "hers" not in said
    assert len(app.heads) == before


def test_a_connection_carries_one_request(proxy: Proxy, app: App) -> None:
    for _ in range(2):
        httpx.get(f"{proxy.url}ada/x/")
    assert all("\r\nConnection: close\r\n" in head for head in app.heads if "pgrade" not in head)
