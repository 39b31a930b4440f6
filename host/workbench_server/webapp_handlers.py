"""What leads to the web apps of a server's user (webapps.py), on top of jupyter-server-proxy.

The server connects as its user, and the host's firewall lets it reach that user's listeners alone
(templates/base/firewall.nft.j2). What is ours:

- Between an app and Jupyter: cookies of an app are sent to that app alone; Jupyter's own, and the hub's token that lets
  a program in, are not sent to it.
- No other hosts, and no ports below 1024, where no user can listen.
- What does not answer is a 502, for which the proxy has a page.
- Redirects to an address that begins with the app's place stay as they are.
"""

import os
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import ensure_async, url_path_join
from jupyter_server_proxy.handlers import AddSlashHandler, LocalProxyHandler
from jupyter_server_proxy.websocket import PingableWSClientConnection
from tornado import websocket
from tornado.web import HTTPError, authenticated

from workbench_host.webapps import PORTS, SOCKETS
from workbench_server import MESSAGE_BYTES, VISITS

ACTIVITY = "last_activity_times"  # of which Jupyter Server takes the newest
XSRF = "_xsrf"
# What Dash asks for on an open page that nobody looks at.
POLLS = re.compile(r"/_(reload-hash|alive_\w+)$")
NOBODY = "Nothing of yours answers at this address."
# With which the library says that there was no answer; an app's own is passed on without an error.
BROKEN = 500
ROOM_BYTES = 64 * 1024  # for what is read together with a message
# Bytes of one message from an app, as Streamlit sends a table in one. The library has no setting for it and takes
# tornado's own, of 10 MB, above which a page connects again for ever.
websocket._default_max_message_size = MESSAGE_BYTES
_connect = PingableWSClientConnection.__init__


def _connect_with_room(connection: Any, **how: Any) -> None:
    """As the library, which reads a message only where it has room for all of it, by default 100 MB."""
    _connect(connection, **how)
    connection.max_buffer_size = MESSAGE_BYTES + ROOM_BYTES


PingableWSClientConnection.__init__ = _connect_with_room


def at(base: str) -> list[tuple[Any, ...]]:
    """The addresses below a server's."""
    return [
        (url_path_join(base, r"/proxy/(?:absolute/)?\d+"), AddSlashHandler),
        (url_path_join(base, r"/proxy/unix/[\w.-]+"), AddSlashHandler),
        (url_path_join(base, r"/proxy/(\d+)(/.*)"), WebApp),
        (url_path_join(base, r"/proxy/absolute/(\d+)(/.*)"), WebApp, {"absolute_url": True}),
        (url_path_join(base, r"/proxy/unix/([\w.-]+)(/.*)"), WebAppOnSocket),
        (url_path_join(base, r"/proxy/.*"), Elsewhere),
    ]


class WebApp(LocalProxyHandler):
    """What listens on a port of loopback."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, rewrite_response=lambda response: self.confine(response), **kwargs)
        # The library sets one of its own here, after which none of a class is found.
        self.set_header = self.hand_on

    @property
    def port(self) -> int:
        """The port; whatever it is where the app is on a socket."""
        number = int(self.path_args[0])
        if number not in PORTS:
            raise HTTPError(403, f"An app of yours listens on a port from {PORTS.start} to {PORTS.stop - 1}.")
        return number

    @property
    def place(self) -> str:
        """The path that the app's pages are below, without a slash at its end."""
        return str(self._get_context_path("localhost", self.path_args[0]))

    @property
    def log(self) -> Any:
        """The server's, without what the library says of each connection: whole addresses, in which secrets may be."""
        quiet = super().log.getChild("webapps")
        quiet.setLevel("WARNING")
        return quiet

    def _request_summary(self) -> str:
        return f"{self.request.method} {self.request.path} ({self.request.remote_ip})"

    async def proxy(self, _: Any, proxied_path: str) -> Any:
        if not POLLS.search(proxied_path):
            self.visited()
        try:
            return await ensure_async(super().proxy(self.port, proxied_path))
        except (OSError, HTTPError) as error:
            if isinstance(error, HTTPError) and error.status_code < BROKEN:
                raise
            raise HTTPError(502, NOBODY) from error

    async def open(self, _: Any, proxied_path: str) -> None:
        self.visited()
        try:
            await super().open(self.port, proxied_path)
        except Exception as error:  # whatever became of the connection to the app
            self.log.warning("No websocket at %s: %s", self.place, error)
            self.close(1011, NOBODY)

    def on_message(self, message: str | bytes) -> None:
        self.visited()
        super().on_message(message)

    def _record_activity(self) -> None:
        """The library's own, which takes an app's pings on a forgotten page for somebody at work."""

    def visited(self) -> None:
        """Notes that somebody is at the app."""
        now = datetime.now(UTC)
        self.settings.setdefault(ACTIVITY, {})["workbench_webapps"] = now
        self.settings.setdefault(VISITS, {})[self.path_args[0]] = now

    def proxy_request_headers(self) -> Any:
        """What the app is told: neither Jupyter's cookies nor the hub's token that let the visitor in."""
        headers = super().proxy_request_headers()
        if "Cookie" in headers:
            headers["Cookie"] = without_jupyters(headers["Cookie"])
            if not headers["Cookie"]:
                del headers["Cookie"]
        if getattr(self, "_token_authenticated", False) and "Authorization" in headers:
            del headers["Authorization"]
        return headers

    def get_client_uri(self, *where: Any) -> str:
        """Where the app is asked: without the hub's token, which a websocket's address may have (HubAuth.get_token).

        A `token` of the app's own stays.
        """
        address: str = super().get_client_uri(*where)
        if not getattr(self, "_token_authenticated", False):
            return address
        if self.get_argument("token", "") != self.identity_provider.hub_auth.get_token(self, in_cookie=False):
            return address
        kept = without(self.request.query, "token")
        return address.removesuffix(f"?{self.request.query}") + (f"?{kept}" if kept else "")

    def confine(self, response: Any) -> None:
        """Has an app's cookies sent to that app alone: one called _xsrf would be taken for Jupyter's."""
        cookies = response.headers.get_list("Set-Cookie")
        if cookies:
            del response.headers["Set-Cookie"]
            for cookie in cookies:
                response.headers.add("Set-Cookie", below(cookie, self.place))

    def _rewrite_location_header(self, location: str, *where: Any) -> str:
        """The library's own puts the place before each path, also where the app has done so."""
        if f"{urlsplit(location).path}/".startswith(f"{self.place}/"):
            return location
        return str(super()._rewrite_location_header(location, *where))

    def hand_on(self, name: str, value: Any) -> None:
        """Confines cookies in a stream of events too, whose fields the library sets one by one, each over the last."""
        if name.lower() == "set-cookie":
            self.add_header(name, below(value, self.place))
        else:
            super().set_header(name, value)


class WebAppOnSocket(WebApp):
    """What listens on a socket in the user's folder for them."""

    port = 80  # is in the address that is asked, and nowhere else

    @property
    def unix_socket(self) -> str:
        return f"{os.environ[SOCKETS]}/{self.path_args[0]}.sock"

    @property
    def place(self) -> str:
        return url_path_join(self.base_url, "proxy", "unix", self.path_args[0])

    def _get_context_path(self, *_: Any) -> str:
        return self.place


class Elsewhere(JupyterHandler):
    """Other hosts, whose pages would be of this site, with all that a script of its user's may do here."""

    @authenticated
    def get(self) -> None:
        raise HTTPError(
            403, "Only apps of your own are here, by a port (/proxy/8501/) or a socket (/proxy/unix/NAME/)."
        )


def without_jupyters(cookies: str) -> str:
    """A Cookie field without Jupyter's; of two _xsrf the last is its own, with the shorter path (RFC 6265, 5.4)."""
    kept = [one for one in map(str.strip, cookies.split(";")) if one and not one.startswith("jupyterhub-")]
    theirs = [index for index, one in enumerate(kept) if one.partition("=")[0] == XSRF]
    if theirs:
        del kept[theirs[-1]]
    return "; ".join(kept)


def without(query: str, name: str) -> str:
    """An address's query without the arguments of one name, however that is spelt."""
    return "&".join(one for one in query.split("&") if unquote_plus(one.partition("=")[0]) != name)


def below(cookie: str, place: str) -> str:
    """A Set-Cookie field whose cookie is sent below `place` only; a longer path stays as it is."""
    paths = re.findall(r";\s*path\s*=\s*([^;]*)", cookie, re.IGNORECASE)  # of several the last counts
    if paths and f"{paths[-1].strip()}/".startswith(f"{place}/"):
        return cookie
    return re.sub(r";\s*path\b[^;]*", "", cookie, flags=re.IGNORECASE) + f"; Path={place}/"
