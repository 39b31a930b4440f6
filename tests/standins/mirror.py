"""A mirror on the workbench's own host, so that no network has to be shared: files over HTTP on loopback."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.workbench_in_lab import Workbench

PORT = 8999
ADDRESS = f"http://127.0.0.1:{PORT}"
FOLDER = "/run/test-mirror"
UNIT = "test-mirror.service"


def put(workbench: Workbench, name: str, content: bytes) -> None:
    """One more file of the mirror; of less than 100 kB, since it travels on a command line."""
    text = base64.b64encode(content).decode()
    workbench.ssh(f"mkdir -p $(dirname {FOLDER}/{name}) && echo {text} | base64 -d > {FOLDER}/{name}")


@contextmanager
def mirror(workbench: Workbench, files: Mapping[str, bytes]) -> Iterator[str]:
    """The address of a mirror of `files` (path -> content)."""
    workbench.ssh(f"mkdir -p {FOLDER}")
    for name, content in files.items():
        put(workbench, name, content)
    server = f"python3 -m http.server {PORT} --bind 127.0.0.1 --directory {FOLDER}"
    workbench.ssh(f"systemd-run --quiet --collect --unit {UNIT} {server}")
    try:
        yield ADDRESS
    finally:
        workbench.ssh(f"systemctl stop {UNIT}; rm -rf {FOLDER}")
