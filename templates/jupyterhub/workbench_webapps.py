"""An extension of Jupyter Server: web apps that its user runs have an address here, for that user alone.

/proxy/PORT/ leads to what listens on a port of loopback, /proxy/unix/NAME/ to a socket NAME.sock in a folder of the
user's own; what answers is in workbench_webapp_handlers.py. That is loaded by the first request for an app, with
jupyter-server-proxy: each start of a server would take a tenth longer otherwise.

What a visitor does counts as activity, of the kernel too in which the app runs; what the app says by itself does not.
"""

import os
from contextlib import suppress
from pathlib import Path

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado.ioloop import PeriodicCallback
from tornado.routing import PathMatches, Router, Rule
from tornado.web import Application, authenticated
from workbench_jobs import SECONDS, kernels, members, pid_of

SOCKETS = "WORKBENCH_APP_SOCKETS"  # in notebooks and terminals: the folder for apps that listen on a socket
VISITS = (
    "workbench_webapps_visits"  # of Jupyter Server's settings: ports, as text, and when each was visited last
)
LISTEN = "0A"  # proc_pid_net(5), linux/tcp_states.h


def _jupyter_server_extension_points():
    return [{"module": "workbench_webapps"}]


def _load_jupyter_server_extension(app):
    base = app.web_app.settings["base_url"]
    folder = Path(app.runtime_dir) / "apps"
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ[SOCKETS] = str(folder)
    later = Later(app.web_app)
    add_handlers(app.web_app, [Rule(PathMatches(url_path_join(base, r"/proxy/.*")), later)])
    if "servers" in app.config.ServerProxy:
        # Servers that the user's own configuration names are the library's; what it has at our addresses comes last.
        later.find_handler()
        import jupyter_server_proxy

        jupyter_server_proxy._load_jupyter_server_extension(app)
    else:
        add_handlers(app.web_app, [(url_path_join(base, "/server-proxy/servers-info"), NoServers)])
    PeriodicCallback(lambda: note(app), SECONDS * 1000).start()


def add_handlers(web_app, handlers):
    """Tornado's own way: Jupyter Server's takes no router, and warns of handlers that ask for a login in `prepare`."""
    Application.add_handlers(web_app, ".*", handlers)


class Later(Router):
    """Loads what answers, at the first request, and leaves each to what comes after it."""

    def __init__(self, web_app):
        self.web_app = web_app
        self.loaded = False

    def find_handler(self, *_, **__):
        if not self.loaded:
            import workbench_webapp_handlers

            add_handlers(self.web_app, workbench_webapp_handlers.at(self.web_app.settings["base_url"]))
            self.loaded = True


class NoServers(APIHandler):
    """What the library's part of JupyterLab asks at each start: which servers have a place in the launcher."""

    @authenticated
    def get(self):
        self.finish({"server_processes": []})


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
