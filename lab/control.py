"""Starting, asking, stopping and removing the lab: what `workbench lab ...` and the tests use."""

import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab import image, runtime, traces
from lab.daemon import holder_of, read_ports
from lab.paths import Layout, cache, home
from lab.shell import wait_for_orphans
from lab.tools import check_loops, check_room, ensure_tools
from workbench.errors import WorkbenchError

REGION = "eu-west-1"
START_SECONDS = 180
STOP_SECONDS = 90
CLOCK_SECONDS = 600  # what is due may boot a machine

__all__ = ["Lab", "Status", "clock", "ensure_tools", "environment", "purge", "start", "status", "stop"]


@dataclass(frozen=True)
class Lab:
    """A lab that runs."""

    endpoint: str
    provider_port: int
    home: Path


@dataclass(frozen=True)
class InstanceStatus:
    id: str
    type: str
    state: str
    address: str


@dataclass(frozen=True)
class VolumeStatus:
    id: str
    size_gib: int
    attached_to: str


@dataclass(frozen=True)
class Status:
    """What there is; instances and volumes are known only while the lab runs."""

    running: bool
    endpoint: str = ""
    provider_port: int = 0
    instances: list[InstanceStatus] = field(default_factory=list)
    volumes: list[VolumeStatus] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def start(progress: Callable[[str], None]) -> Lab:
    """Start the lab, or find it running; says what takes time. Raises WorkbenchError with the reason it cannot."""
    layout = Layout(home())
    if not status().running:
        ensure_tools(progress)
        layout.make()
        with layout.start_lock.open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)  # somebody else may be at it: then it runs when we get here
            if not status().running:
                _start(layout, progress)
    now = status()
    return Lab(now.endpoint, now.provider_port, layout.root)


def _start(layout: Layout, progress: Callable[[str], None]) -> None:
    check_room(layout)
    check_loops()
    make_secrets(layout)
    traces.remember_before(layout)
    name = image.ensure(layout.id, cache(), runtime.Runtime().podman, progress)
    runtime.find(layout.runtime, name, layout.prefix, progress)
    progress("starting the lab")
    _spawn(layout)


def make_secrets(layout: Layout) -> None:
    """An SSH key and a passphrase for Pulumi's secrets, made once, for the owner alone."""
    if not layout.passphrase.exists():
        _write_private(layout.passphrase, secrets.token_urlsafe(32).encode())
    if not layout.ssh_key.exists():
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        layout.ssh_key.with_suffix(".pub").write_bytes(public + b" workbench-lab\n")
        _write_private(layout.ssh_key, private)


def _write_private(file: Path, content: bytes) -> None:
    fresh = file.with_name(file.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
    fresh.replace(file)


def _spawn(layout: Layout) -> None:
    """Start the daemon apart from this process and wait until it answers; raises WorkbenchError if it ends first."""
    with os.fdopen(os.open(layout.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab.daemon"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, env={**os.environ, "WORKBENCH_LAB_DIR": str(layout.root)},
            cwd=Path(__file__).resolve().parent.parent,
        )  # fmt: skip
    end = time.monotonic() + START_SECONDS
    while not status().running:
        if process.poll() is not None:
            raise WorkbenchError(_last_error(layout))
        if time.monotonic() > end:
            process.kill()
            raise WorkbenchError(f"the lab did not come up within {START_SECONDS} s; its log is {layout.log}")
        time.sleep(0.1)


def _last_error(layout: Layout) -> str:
    """The sentence that the daemon ended with."""
    lines = layout.log.read_text(errors="replace").splitlines()
    said = next((line for line in reversed(lines) if line.startswith("error: ")), "")
    return said.removeprefix("error: ") or f"the lab ended while it started; its log is {layout.log}"


def status() -> Status:
    """What there is now; never raises for a lab that is not there."""
    layout = Layout(home())
    if not holder_of(layout):
        return Status(running=False)
    ports = read_ports(layout)
    endpoint = f"http://127.0.0.1:{ports['api']}"
    try:
        with urllib.request.urlopen(f"{endpoint}/lab/status", timeout=120) as answer:  # noqa: S310 - our own
            told = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return Status(running=False)
    return Status(
        True, endpoint, ports["provider"], [InstanceStatus(**one) for one in told["instances"]],
        [VolumeStatus(**one) for one in told["volumes"]], told["problems"],
    )  # fmt: skip


def clock(to: str | None = None) -> dict[str, Any]:
    """The lab's time, {now, next: [{when, what}], done: [{when, what, outcome, failed}]}; with `to`, moved there first.

    `done` is then what was due in between. Raises WorkbenchError if the lab does not run, or `to` is no time.
    """
    endpoint = status().endpoint
    if not endpoint:
        raise WorkbenchError("the lab is not running: `workbench lab start` does that")
    data = None if to is None else to.encode()
    try:
        with urllib.request.urlopen(f"{endpoint}/lab/clock", data, timeout=CLOCK_SECONDS) as answer:  # noqa: S310 - our own
            told: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        raise WorkbenchError(json.load(error)["error"]) from None
    return told


def stop() -> None:
    """Shut the machines down and end the daemon; everything is kept, and the next start boots them again."""
    layout = Layout(home())
    pid = holder_of(layout)
    if pid:
        os.kill(pid, signal.SIGTERM)
        if not _ends(layout):
            raise WorkbenchError(f"the lab's daemon (process {pid}) does not end; its log is {layout.log}")


def _ends(layout: Layout) -> bool:
    """Wait for the daemon to end; whether it did in time."""
    end = time.monotonic() + STOP_SECONDS
    while holder_of(layout):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def purge() -> None:
    """Remove every trace of the lab but the cache: daemon, containers, image, loop devices, rules, home."""
    layout = Layout(home())
    if pid := holder_of(layout):
        # No need to shut down what is about to be removed, and nothing to wait for.
        os.kill(pid, signal.SIGKILL)
        _ends(layout)
        wait_for_orphans(pid)
    traces.remove(layout)
    if layout.root.exists():
        shutil.rmtree(layout.root)


def environment() -> dict[str, str]:
    """The variables with which pulumi, the AWS CLI and boto3 work on the lab; raises WorkbenchError if it is not up."""
    layout = Layout(home())
    ports = read_ports(layout)
    if not ports["api"]:
        raise WorkbenchError("the lab has never been started here: `workbench lab start` does that")
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['api']}",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "PULUMI_DEBUG_PROVIDERS": f"aws:{ports['provider']}",
        # the provider runs already: 2.5 s of each run go into looking for one to download otherwise
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_HOME": str(layout.pulumi_home),
        # without the notes beside a state file: a run that is killed can leave them empty, which ends all others
        "PULUMI_BACKEND_URL": f"file://{quote(str(layout.pulumi))}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(layout.passphrase),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "WORKBENCH_SSH_KEY": str(layout.ssh_key),
    }
