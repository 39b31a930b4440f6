"""What passes between an app and Jupyter, by the real jupyter-server-proxy, Jupyter Server and JupyterHub's HubOAuth.

Stand-ins: the app, which tells what it was asked; and the hub, which knows one token.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import AllowAllAuthorizer
from jupyterhub.services.auth import HubOAuth
from jupyterhub.singleuser.extension import JupyterHubIdentityProvider
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, create_signed_value
from tornado.websocket import WebSocketHandler, websocket_connect

from workbench_host.webapps import SOCKETS
from workbench_server import MESSAGE_BYTES, webapp_handlers

BASE, SECRET = "/jupyter/user/ada/", b"0" * 32
HUBS, LOGIN = "the-hubs-token", "what-her-cookie-stands-for"
SCOPE = "access:servers!server=ada/"
EVENTS = {"Accept": "text/event-stream"}
PROGRAM = {"Authorization": f"token {HUBS}"}
AS_A_BROWSER_OPENS_A_WEBSOCKET = {"Sec-Fetch-Mode": "websocket"}


class App:
    """On a port and on a socket: answers all with the same fields, and keeps what it was told."""

    def __init__(self, fields: str) -> None:
        self.status, self.fields, self.asked = "200 OK", fields, ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked = (await reader.readuntil(b"\r\n\r\n")).decode()
        body = "Transfer-Encoding: chunked\r\n\r\n4\r\nhere\r\n0\r\n\r\n"
        writer.write(f"HTTP/1.1 {self.status}\r\n{self.fields}{body}".encode())
        await writer.drain()
        writer.close()

    @property
    def address(self) -> str:
        return self.asked.split(" ")[1]


class Bench:
    """Ada's server with the app behind it."""

    def __init__(self, app: App, app_port: int, port: int) -> None:
        self.app, self.app_port, self.port = app, app_port, port

    async def get(self, path: str, headers: Mapping[str, str]) -> HTTPResponse:
        return await AsyncHTTPClient(force_instance=True).fetch(
            HTTPRequest(
                f"http://127.0.0.1:{self.port}{BASE}proxy/{path}",
                headers=dict(headers),
                follow_redirects=False,
            ),
            raise_error=False,
        )


def hub() -> HubOAuth:
    made = HubOAuth(
        base_url=BASE,
        oauth_client_id="jupyterhub-user-ada",
        api_token="the-servers-own",
        api_url="http://127.0.0.1:1/hub/api",
        access_scopes={SCOPE},
    )

    async def user_for_token(token: str, **_: Any) -> dict[str, Any] | None:
        return {"name": "ada", "kind": "user", "scopes": [SCOPE]} if token in (HUBS, LOGIN) else None

    made.user_for_token = user_for_token
    return made


@asynccontextmanager
async def bench(folder: Path, fields: str = "") -> AsyncIterator[Bench]:
    app, auth = App(fields), hub()
    on_port = await asyncio.start_server(app.answer, "127.0.0.1", 0)
    on_socket = await asyncio.start_unix_server(app.answer, folder / "tidy.sock")
    server = HTTPServer(
        Application(
            webapp_handlers.at(BASE),
            base_url=BASE,
            cookie_secret=SECRET,
            websocket_max_message_size=MESSAGE_BYTES,
            authorizer=AllowAllAuthorizer(),
            identity_provider=JupyterHubIdentityProvider(hub_auth=auth),
            allow_remote_access=True,
            login_url="/login",
        )
    )
    [listening] = bind_sockets(0, "127.0.0.1")
    server.add_sockets([listening])
    async with on_port, on_socket:
        yield Bench(app, on_port.sockets[0].getsockname()[1], listening.getsockname()[1])
    server.stop()


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(SOCKETS, str(tmp_path))
    return tmp_path


COOKIES = (
    "Set-Cookie: _xsrf=1; Path=/\r\nset-cookie: a=1; HttpOnly\r\nSet-Cookie: b=1; Path=/jupyter/user/ada/\r\n"
)


@pytest.mark.parametrize("accept", [EVENTS, {}], ids=["a stream of events", "all else"])
@pytest.mark.parametrize("where", ["{}", "absolute/{}", "unix/tidy"])
def test_all_cookies_of_an_app_are_sent_to_that_app_alone(
    folder: Path, where: str, accept: dict[str, str]
) -> None:
    async def check() -> None:
        async with bench(folder, COOKIES + "Content-Type: text/event-stream\r\n") as ada:
            place = where.format(ada.app_port)
            answer = await ada.get(f"{place}/", {**PROGRAM, **accept})
            assert answer.body == b"here"
            assert answer.headers["Content-Type"] == "text/event-stream"
            path = f"Path={BASE}proxy/{place}/"
            assert answer.headers.get_list("Set-Cookie") == [
                f"_xsrf=1; {path}",
                f"a=1; HttpOnly; {path}",
                f"b=1; {path}",
            ]

    asyncio.run(check())


CASES = [
    # What let the visitor in goes no further, wherever it was.
    (f"?token={HUBS}", AS_A_BROWSER_OPENS_A_WEBSOCKET, "/ws"),
    (f"?a=1&token={HUBS}&b=%2F", AS_A_BROWSER_OPENS_A_WEBSOCKET, "/ws?a=1&b=%2F"),
    (f"?%74oken={HUBS}&a=1", AS_A_BROWSER_OPENS_A_WEBSOCKET, "/ws?a=1"),
    (f"?token=first&token={HUBS}", AS_A_BROWSER_OPENS_A_WEBSOCKET, "/ws"),
    (f"?a=1&token={HUBS}", PROGRAM, "/ws?a=1"),
    # An app's own does.
    ("?a=1&token=the-apps", PROGRAM, "/ws?a=1&token=the-apps"),
]


@pytest.mark.parametrize("where", ["{}", "unix/tidy"])
@pytest.mark.parametrize(("query", "headers", "asked"), CASES)
def test_the_hubs_token_that_let_a_program_in_is_not_passed_on_and_an_apps_own_is(
    folder: Path, where: str, query: str, headers: dict[str, str], asked: str
) -> None:
    async def check() -> None:
        async with bench(folder) as ada:
            place = where.format(ada.app_port)
            await ada.get(f"{place}/ws{query}", headers)
            assert ada.app.address == asked
            assert HUBS not in ada.app.asked
            # A websocket, which this app refuses to speak.
            url = f"ws://127.0.0.1:{ada.port}{BASE}proxy/{place}/ws{query}"
            connection = await websocket_connect(HTTPRequest(url, headers=headers))
            assert await connection.read_message() is None
            assert "Upgrade: websocket" in ada.app.asked
            assert ada.app.address == asked
            assert HUBS not in ada.app.asked

    asyncio.run(check())


def test_who_is_let_in_by_a_cookie_has_the_apps_token_passed_on(folder: Path) -> None:
    """As in a browser, where an app that has tokens of its own (Jupyter's, code-server's) opens a websocket."""
    cookie = create_signed_value(SECRET, "jupyterhub-user-ada", LOGIN).decode()
    headers = {"Cookie": f"jupyterhub-user-ada={cookie}", **AS_A_BROWSER_OPENS_A_WEBSOCKET}

    async def check() -> None:
        async with bench(folder) as ada:
            url = f"ws://127.0.0.1:{ada.port}{BASE}proxy/{ada.app_port}/ws?token=the-apps&a=1"
            connection = await websocket_connect(HTTPRequest(url, headers=headers))
            assert await connection.read_message() is None
            assert ada.app.address == "/ws?token=the-apps&a=1"
            assert cookie not in ada.app.asked

    asyncio.run(check())


PLACE = BASE + "proxy/{}"


@pytest.mark.parametrize(
    ("told", "passed"),
    [
        # By an app that knows nothing of its place, and by one that does: Flask with x_prefix, Django.
        ("/done?a=1#b", f"{PLACE}/done?a=1#b"),
        (f"{PLACE}/done?a=1#b", f"{PLACE}/done?a=1#b"),
        (PLACE, PLACE),
        (f"{PLACE}1/done", f"{PLACE}{PLACE}1/done"),
        ("done", "done"),
        ("https://example.org/done", "https://example.org/done"),
    ],
)
def test_a_redirect_leads_below_the_apps_place(folder: Path, told: str, passed: str) -> None:
    async def check() -> None:
        async with bench(folder) as ada:
            ada.app.status, ada.app.fields = (
                "303 See Other",
                f"Location: {told.replace('{}', str(ada.app_port))}\r\n",
            )
            answer = await ada.get(f"{ada.app_port}/form", PROGRAM)
            assert answer.headers["Location"] == passed.replace("{}", str(ada.app_port))

    asyncio.run(check())


class Table(WebSocketHandler):
    """An app that answers with so many MiB."""

    def on_message(self, message: str | bytes) -> None:
        self.write_message(bytes(int(message) * 1024**2), binary=True)


def test_a_message_of_an_app_may_be_as_large_as_streamlit_has_them(folder: Path) -> None:
    async def check() -> None:
        app = Application([("/ws", Table)])
        [listening] = bind_sockets(0, "127.0.0.1")
        server = HTTPServer(app)
        server.add_sockets([listening])
        async with bench(folder) as ada:
            url = f"ws://127.0.0.1:{ada.port}{BASE}proxy/{listening.getsockname()[1]}/ws"
            request = HTTPRequest(url, headers=PROGRAM)
            connection = await websocket_connect(request, max_message_size=MESSAGE_BYTES)
            connection.protocol.stream.max_buffer_size = MESSAGE_BYTES + 1024**2  # as browsers have
            for mib in (11, 130):
                await connection.write_message(str(mib))
                message = await connection.read_message()
                assert message is not None, f"a message of {mib} MiB is lost"
                assert len(message) == mib * 1024**2
        server.stop()

    asyncio.run(check())
