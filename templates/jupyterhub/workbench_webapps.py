"""An extension of Jupyter Server: web apps that its user runs have an address here, for that user alone.

/proxy/PORT/ leads to what listens on a port of loopback, /proxy/unix/NAME/ to a socket NAME.sock in a folder of the
user's own. jupyter-server-proxy does it; the server connects as its user, and the host's firewall lets it reach that
user's listeners alone (templates/base/firewall.nft.j2). On top of the library:

- Between an app and Jupyter: cookies of an app are sent to that app alone, and Jupyter's own are not sent to it.
- No other hosts, and no ports below 1024, where no user can listen.
- What does not answer is a 502, for which the proxy has a page.
- What a visitor does counts as activity, of the kernel too in which the app runs; what the app says by itself does not.
"""

import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import jupyter_server_proxy
from jupyter_server.utils import ensure_async, url_path_join
from jupyter_server_proxy.handlers import AddSlashHandler, LocalProxyHandler
from tornado.ioloop import PeriodicCallback
from tornado.web import HTTPError
from workbench_jobs import SECONDS, kernels, members, pid_of

PORTS = range(1024, 65536)
SOCKETS = "WORKBENCH_APP_SOCKETS"  # in notebooks and terminals: the folder for apps that listen on a socket
ACTIVITY, VISITS = "last_activity_times", "workbench_webapps_visits"
XSRF = "_xsrf"
# What Dash asks for on an open page that nobody looks at.
POLLS = re.compile(r"/_(reload-hash|alive_\w+)$")
NOBODY = "Nothing of yours answers at this address."
BROKEN = (
    500  # with which the library says that there was no answer; an app's own is passed on without an error
)
LISTEN = "0A"  # proc_pid_net(5), linux/tcp_states.h


def _jupyter_server_extension_points():
    return [{"module": "workbench_webapps"}]


def _load_jupyter_server_extension(app):
    base = app.web_app.settings["base_url"]
    folder = Path(app.runtime_dir) / "apps"
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ[SOCKETS] = str(folder)
    # Ours before the library's, which gives the addresses of servers that a user's own configuration names.
    app.web_app.add_handlers(
        ".*",
        [
            (url_path_join(base, r"/proxy/(?:absolute/)?\d+"), AddSlashHandler),
            (url_path_join(base, r"/proxy/unix/[\w.-]+"), AddSlashHandler),
            (url_path_join(base, r"/proxy/(\d+)(/.*)"), WebApp),
            (url_path_join(base, r"/proxy/absolute/(\d+)(/.*)"), WebApp, {"absolute_url": True}),
            (url_path_join(base, r"/proxy/unix/([\w.-]+)(/.*)"), WebAppOnSocket),
        ],
    )
    jupyter_server_proxy._load_jupyter_server_extension(app)
    PeriodicCallback(lambda: note(app), SECONDS * 1000).start()


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
            self.log.info("No websocket at %s: %s", self.place, error)
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


def without_jupyters(cookies):
    """A Cookie field without Jupyter's; of two _xsrf the last is its own, with the shorter path (RFC 6265, 5.4)."""
    kept = [one.strip() for one in cookies.split(";")]
    kept = [one for one in kept if not one.startswith("jupyterhub-")]
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


def note(app):
    """Notes the visits of late as activity of the kernels in which the visited apps run."""
    visits = app.web_app.settings.pop(VISITS, {})
    inodes = {}
    for port, number in listening():
        if port in visits:
            inodes[number] = max(visits[port], inodes.get(number, visits[port]))
    if not inodes:
        return
    parents = members()
    for kernel in kernels(app.kernel_manager):
        when = [
            inodes[one] for pid in family(parents, pid_of(kernel)) for one in sockets(pid) if one in inodes
        ]
        if when:
            kernel.last_activity = max(kernel.last_activity, *when)


def listening():
    """What listens on TCP, of whomever: pairs of the port and the socket's inode, both as text."""
    for family_ in ("tcp", "tcp6"):
        with suppress(OSError), Path(f"/proc/net/{family_}").open() as file:
            for line in list(file)[1:]:
                fields = line.split()
                if fields[3] == LISTEN:
                    yield str(int(fields[1].rpartition(":")[2], 16)), fields[9]


def family(parents, root):
    """A process and all that it has started, and those these."""
    found = {root} & set(parents)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def sockets(pid):
    """The inodes, as text, of the sockets that a process of this user has open."""
    with suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    yield target[8:-1]
