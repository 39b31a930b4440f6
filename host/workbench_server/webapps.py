"""An extension of Jupyter Server: web apps that its user runs have an address here, for that user alone.

/proxy/PORT/ leads to what listens on a port of loopback, /proxy/unix/NAME/ to a socket NAME.sock in a folder of the
user's own; what answers is in webapp_handlers.py. That is loaded by the first request for an app, with
jupyter-server-proxy: each start of a server would take a tenth longer otherwise.

What a visitor does counts as activity, of the kernel too in which the app runs; what the app says by itself does not.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado.routing import PathMatches, Router, Rule
from tornado.web import Application, authenticated

from workbench_host.checkup import listeners
from workbench_host.webapps import SOCKETS
from workbench_server import VISITS
from workbench_server.jobs import every, kernels, members, pid_of


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
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
    every(app, note)


def add_handlers(web_app: Any, handlers: list[Any]) -> None:
    """Tornado's own way: Jupyter Server's takes no router, and warns of handlers that ask for a login in `prepare`."""
    Application.add_handlers(web_app, ".*", handlers)


class Later(Router):
    """Loads what answers, at the first request, and leaves each to what comes after it."""

    def __init__(self, web_app: Any) -> None:
        self.web_app = web_app
        self.loaded = False

    def find_handler(self, *_: Any, **__: Any) -> None:
        if not self.loaded:
            from workbench_server import webapp_handlers

            add_handlers(self.web_app, webapp_handlers.at(self.web_app.settings["base_url"]))
            self.loaded = True


class NoServers(APIHandler):
    """What the library's part of JupyterLab asks at each start: which servers have a place in the launcher."""

    @authenticated
    def get(self) -> None:
        self.finish({"server_processes": []})


def note(app: Any) -> None:
    """Notes the visits of late as activity of the kernels in which the visited apps run."""
    visits = app.web_app.settings.pop(VISITS, {})
    if not visits:
        return
    visited = {
        one.inode: visits[str(one.port)]
        for one in listeners.sockets(listeners.TCP)
        if str(one.port) in visits
    }
    holding = [(pid, visited[inode]) for pid, inode in listeners.held() if inode in visited]
    parents = members()
    for kernel in kernels(app.kernel_manager):
        own = family(parents, pid_of(kernel))
        kernel.last_activity = max([kernel.last_activity, *(when for pid, when in holding if pid in own)])


def family(parents: Mapping[int, int], root: int | None) -> set[int]:
    """A process and all that it has started, and those these."""
    found = {root} & set(parents) if root else set()
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found
