"""Deploys without a host: a program that stands in for pyinfra's command, and the facts of a server."""

from pathlib import Path

import pytest

from connector import configure
from workbench.outputs import Outputs

FACTS = {
    "stack": "unit",
    "region": "eu-west-1",
    "zone": "eu-west-1a",
    "address": "127.0.0.1",
    "hostName": "127.0.0.1",
    "instanceId": "i-1",
    "instanceType": "t3.large",
    "architecture": "x86_64",
    "vcpus": 2,
    "memoryMib": 8192,
    "volumeId": "vol-1",
    "url": "https://127.0.0.1/",
    "ssh": "ssh admin@127.0.0.1",
}

END = {
    "event": "end",
    "host": "bench",
    "operations": 9,
    "changed": [],
    "units": [],
    "failed": None,
    "lines": [],
}


def deploy(extent: configure.Extent = configure.WHOLE) -> None:
    """Begins with a deploy, hands it what it needs, and waits for its end."""
    with configure.begun() as run:
        run.hand_over("{}", Outputs.model_validate(FACTS), extent)
        run.end()


def deploy_that(root: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Stands in for pyinfra's command: a Python program with `tell` for events, run in its place."""
    monkeypatch.setattr(configure, "wait_for_ssh", lambda _: None)
    monkeypatch.setattr(configure, "_require_key", lambda *_: None)
    tell = (
        "import json, os, sys\n"
        "def tell(**event):\n"
        "    os.write(int(os.environ['WORKBENCH_EVENTS']), json.dumps(event).encode() + b'\\n')\n"
    )
    body = "".join(f"    {line}\n" for line in (program or "pass").splitlines())
    command = root / "pyinfra_cli" / "main.py"
    command.parent.mkdir()
    (command.parent / "__init__.py").touch()
    command.write_text(f"{tell}def main():\n{body}")
