"""What leads to the web apps of a server's user (workbench_webapps.py), on top of jupyter-server-proxy.

The server connects as its user, and the host's firewall lets it reach that user's listeners alone
(templates/base/firewall.nft.j2). What is ours:

- Between an app and Jupyter: cookies of an app are sent to that app alone, and Jupyter's own are not sent to it.
- No other hosts, and no ports below 1024, where no user can listen.
- What does not answer is a 502, for which the proxy has a page.
"""

import os
import re
from datetime import UTC, datetime

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import ensure_async, url_path_join
from jupyter_server_proxy.handlers import AddSlashHandler, LocalProxyHandler
from tornado.web import HTTPError, authenticated
from workbench_webapps import SOCKETS, VISITS

PORTS = range(1024, 65536)
ACTIVITY = "last_activity_times"  # of which Jupyter Server takes the newest
XSRF = "_xsrf"
# What Dash asks for on an open page that nobody looks at.
POLLS = re.compile(r"/_(reload-hash|alive_\w+)$")
NOBODY = "Nothing of yours answers at this address."
BROKEN = (
    500  # with which the library says that there was no answer; an app's own is passed on without an error
)


def at(base):
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

    def __init__(self, *args, **kwargs):
        super().__init__(*args, rewrite_response=lambda response: self.confine(response), **kwargs)

    @property
    def port(self):
        """The port; whatever it is where the app is on a socket."""
        number = int(self.path_args[0])
        if number not in PORTS:
            raise HTTPError(403, f"An app of yours listens on a port from {PORTS.start} to {PORTS.stop - 1}.")
        return number

    @property
    def place(self):
        """The path that the app's pages are below, without a slash at its end."""
        return self._get_context_path("localhost", self.path_args[0])

    @property
    def log(self):
        """The server's, without what the library says of each connection: whole addresses, in which secrets may be."""
        quiet = super().log.getChild("webapps")
        quiet.setLevel("WARNING")
        return quiet

    def _request_summary(self):
        return f"{self.request.method} {self.request.path} ({self.request.remote_ip})"

    async def proxy(self, _, proxied_path):
        if not POLLS.search(proxied_path):
            self.visited()
        try:
            return await ensure_async(super().proxy(self.port, proxied_path))
        except (OSError, HTTPError) as error:
            if isinstance(error, HTTPError) and error.status_code < BROKEN:
                raise
            raise HTTPError(502, NOBODY) from error

    async def open(self, _, proxied_path):
        self.visited()
        try:
            await super().open(self.port, proxied_path)
        except Exception as error:  # whatever became of the connection to the app
            self.log.warning("No websocket at %s: %s", self.place, error)
            self.close(1011, NOBODY)

    def on_message(self, message):
        self.visited()
        super().on_message(message)

    def _record_activity(self):
        """The library's own, which takes an app's pings on a forgotten page for somebody at work."""

    def visited(self):
        """Notes that somebody is at the app."""
        now = datetime.now(UTC)
        self.settings.setdefault(ACTIVITY, {})["workbench_webapps"] = now
        self.settings.setdefault(VISITS, {})[self.path_args[0]] = now

    def proxy_request_headers(self):
        """What the app is told: neither Jupyter's cookies nor the hub's token that let the visitor in."""
        headers = super().proxy_request_headers()
        if "Cookie" in headers:
            headers["Cookie"] = without_jupyters(headers["Cookie"])
            if not headers["Cookie"]:
                del headers["Cookie"]
        if getattr(self, "_token_authenticated", False) and "Authorization" in headers:
            del headers["Authorization"]
        return headers

    def confine(self, response):
        """Has an app's cookies sent to that app alone: one called _xsrf would be taken for Jupyter's."""
        cookies = response.headers.get_list("Set-Cookie")
        if cookies:
            del response.headers["Set-Cookie"]
            for cookie in cookies:
                response.headers.add("Set-Cookie", below(cookie, self.place))


class WebAppOnSocket(WebApp):
    """What listens on a socket in the user's folder for them."""

    port = 80  # is in the address that is asked, and nowhere else

    @property
    def unix_socket(self):
        return f"{os.environ[SOCKETS]}/{self.path_args[0]}.sock"

    @property
    def place(self):
        return url_path_join(self.base_url, "proxy", "unix", self.path_args[0])

    def _get_context_path(self, *_):
        return self.place


class Elsewhere(JupyterHandler):
    """Other hosts, whose pages would be of this site, with all that a script of its user's may do here."""

    @authenticated
    def get(self):
        raise HTTPError(
            403, "Only apps of your own are here, by a port (/proxy/8501/) or a socket (/proxy/unix/NAME/)."
        )


def without_jupyters(cookies):
    """A Cookie field without Jupyter's; of two _xsrf the last is its own, with the shorter path (RFC 6265, 5.4)."""
    kept = [one for one in map(str.strip, cookies.split(";")) if one and not one.startswith("jupyterhub-")]
    theirs = [index for index, one in enumerate(kept) if one.partition("=")[0] == XSRF]
    if theirs:
        del kept[theirs[-1]]
    return "; ".join(kept)


def below(cookie, place):
    """A Set-Cookie field whose cookie is sent below `place` only; a longer path stays as it is."""
    paths = re.findall(r";\s*path\s*=\s*([^;]*)", cookie, re.IGNORECASE)  # of several the last counts
    if paths and f"{paths[-1].strip()}/".startswith(f"{place}/"):
        return cookie
    return re.sub(r";\s*path\b[^;]*", "", cookie, flags=re.IGNORECASE) + f"; Path={place}/"
