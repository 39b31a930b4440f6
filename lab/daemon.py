"""The lab's process: `python -m lab.daemon`. Serves the API and the Pulumi provider until it is told to end.

One a home: it holds the lock for as long as it lives. Started by lab.control, which has seen to the tools, the
image and the runtime before.
"""

import fcntl
import importlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import IO, Any

from lab import bridge, clock, image, runtime
from lab.holders import holder
from lab.paths import Layout, home
from lab.shell import wait_for_orphans
from workbench.errors import WorkbenchError

log = logging.getLogger("lab.daemon")
LOOK_AFTER_SECONDS = 0.5
LOCK_SECONDS = 2  # who asks whether a daemon lives holds its lock for a moment


def lock(layout: Layout) -> IO[str]:
    """Hold the home's lock; raises WorkbenchError if another daemon does. Freed when the process ends."""
    held = os.fdopen(os.open(layout.lock, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    end = time.monotonic() + LOCK_SECONDS
    while not _take(held):
        if time.monotonic() > end:
            raise WorkbenchError(
                f"a lab already runs on {layout.root} (process {held.read().strip() or '?'})"
            )
        time.sleep(0.1)
    wait_for_orphans(int(held.read().strip() or 0))
    held.seek(0)
    held.truncate(0)
    held.write(str(os.getpid()))
    held.flush()
    return held


def _take(held: IO[str]) -> bool:
    """Whether the lock could be taken, without waiting."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def holder_of(layout: Layout) -> int:
    """The process id of the daemon that lives on the home, 0 if none does."""
    if not layout.lock.exists():
        return 0
    with layout.lock.open("r+") as held:
        if _take(held):
            return 0
        return int(held.read().strip() or 0)


def listen(port: int, purpose: str) -> socket.socket:
    """A socket on 127.0.0.1 and the port (0: a free one); raises WorkbenchError naming who has it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise WorkbenchError(
            f"port {port} of 127.0.0.1, the lab's for {purpose}, is taken by {holder(port)}: "
            "end that, or remove the lab with `workbench lab purge` to have other ports chosen"
        ) from None
    return sock


def serve_provider(port: int, endpoint: str) -> tuple[Any, int]:
    """Start the lab's Pulumi provider (lab.provider)."""
    provider = importlib.import_module("lab.provider")
    with listen(port, "the Pulumi provider"):
        pass  # only to say who has the port, if somebody does
    server, chosen = provider.serve(port, endpoint)
    return server, int(chosen)


def make_api(layout: Layout) -> Any:
    """The API with everything behind it, as it was left, and the machines that should run running."""
    # Only here: moto takes seconds to import, and lab.control imports this module.
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from lab.api import Api
    from lab.containers import Containers
    from lab.disks import Disks
    from lab.faults import Faults
    from lab.forwarder import Forwarder
    from lab.memory import Memory
    from lab.metadata import Metadata
    from lab.redirects import Redirects
    from lab.world import World

    name = image.name(layout.id)
    found = runtime.find(layout.runtime, name, layout.prefix, log.info)
    memory = Memory(layout.memory)
    memory.load()
    redirects = Redirects(layout.id)
    redirects.clear()
    forwarder = Forwarder(redirects)
    forwarder.start()
    containers = Containers(found, name, layout.id, layout.prefix, layout.instances)
    metadata = Metadata(
        lambda role, instance: api.credentials(role, instance), redirects, bridge.interface(layout.id)
    )
    world = World(containers, Disks(layout.volumes, layout.snapshots), forwarder, metadata)
    api = Api(DomainDispatcherApplication(create_backend_app), memory, world, Faults(layout.faults))
    api.recover()
    return api


class Front:
    """The lab's own pages beside the API's calls.

    /lab/status; /lab/clock, which a POST of a time moves; /lab/cut, which takes the power of the machine posted.
    """

    def __init__(self, api: Any) -> None:
        self._api = api

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        pages = {"/lab/status": self._status, "/lab/clock": self._clock, "/lab/cut": self._cut}
        page = pages.get(environ.get("PATH_INFO", ""))
        if page is None:
            answer: Iterable[bytes] = self._api(environ, start_response)
            return answer
        try:
            told, status = page(environ), "200 OK"
        except WorkbenchError as error:
            told, status = {"error": str(error)}, "400 Bad Request"
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(told).encode()]

    def _status(self, _environ: dict[str, Any]) -> Any:
        return self._api.describe()

    def _clock(self, environ: dict[str, Any]) -> Any:
        if environ["REQUEST_METHOD"] != "POST":
            return self._api.upkeep.describe()
        done = self._api.upkeep.move(clock.instant(_posted(environ)))
        return {**self._api.upkeep.describe(), "done": [asdict(one) for one in done]}

    def _cut(self, environ: dict[str, Any]) -> Any:
        self._api.cut(_posted(environ))
        return {}


def _posted(environ: dict[str, Any]) -> str:
    size = int(environ.get("CONTENT_LENGTH") or 0)
    text: bytes = environ["wsgi.input"].read(size)
    return text.decode()


def make_http_server(app: Any, sock: socket.socket) -> Any:
    """A werkzeug server; imported here, since lab.control imports this module."""
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    class Handler(MotoRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nothing: the API logs its own calls, by their names."""

    return make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler, fd=sock.fileno())


def look_after(api: Any) -> None:
    while True:
        time.sleep(LOOK_AFTER_SECONDS)
        try:
            api.look_after()
        except Exception:
            log.exception("while looking after the machines")


def write_ports(layout: Layout, ports: dict[str, int]) -> None:
    fresh = layout.ports.with_suffix(".new")
    fresh.write_text(json.dumps(ports))
    fresh.replace(layout.ports)


def read_ports(layout: Layout) -> dict[str, int]:
    """The ports chosen at the first start; zeros before."""
    return json.loads(layout.ports.read_text()) if layout.ports.exists() else {"api": 0, "provider": 0}


def serve(layout: Layout) -> None:
    """Everything, until SIGTERM or SIGINT; raises WorkbenchError if it cannot begin."""
    stopping = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping)  # every thread made from here on inherits it
    held = lock(layout)
    ports = read_ports(layout)
    sock = listen(ports["api"], "the API")
    api = make_api(layout)
    sock.listen(128)  # not before: who connects can be answered
    server = make_http_server(Front(api), sock)
    endpoint = f"http://127.0.0.1:{server.port}"
    threading.Thread(target=server.serve_forever, name="api", daemon=True).start()
    threading.Thread(target=look_after, args=(api,), name="look-after", daemon=True).start()
    provider, provider_port = serve_provider(ports["provider"], endpoint)
    write_ports(layout, {"api": server.port, "provider": provider_port})
    log.info("ready: %s, provider on %s", endpoint, provider_port)
    signal.sigwait(stopping)
    log.info("stopping")
    provider.stop(grace=1)
    api.stop()
    held.close()


def main() -> int:
    layout = Layout(home())
    layout.make()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr
    )
    for chatty in ("werkzeug", "botocore", "boto3", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        serve(layout)
    except WorkbenchError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    except Exception as error:
        log.exception("the lab could not start")
        print(f"error: the lab could not start: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    # At once: gRPC's and the server's threads have nothing left to save.
    status = main()
    sys.stderr.flush()
    os._exit(status)
