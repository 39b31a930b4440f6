"""alarms --look | --test

/etc/workbench/alarms.json says what there is to look at, and how people are told: {"stack", "host", "url", "disks"
[path, ...], "snapshots" (null, or {"hours"}), "mail" (null, or {"server", "port", "security", "user", "from", "to"}),
"webhook" (whether there is one)}. Passwords and addresses that are secret come from systemd ($CREDENTIALS_DIRECTORY).

--look  as a unit of systemd, by a timer: begins and ends alarms, and tells by each way what it was not told yet.
--test  by a person, as root: sends a message by each way, in a unit like the other's, and prints {"sent" [way, ...],
        "failed" {way: why}}.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench_host import alarms
from workbench_host.alarms import looking, mail, memory, webhook
from workbench_host.tools import FailureError

Config = Mapping[str, Any]

CREDENTIALS = "CREDENTIALS_DIRECTORY"
TEST = ("This is a test of the alarms: who reads this is told of what goes wrong.", "A test of the alarms")


def ways(config: Config) -> list[str]:
    """How people are told."""
    return [way for way in (alarms.MAIL, alarms.WEBHOOK) if config[way]]


def secret(name: str) -> str | None:
    """One that systemd has handed over, None where there is no such."""
    path = Path(os.environ[CREDENTIALS]) / f"{alarms.CREDENTIAL}_{name}"
    return path.read_text() if path.exists() else None


def send(config: Config, way: str, subject: str, lines: Sequence[str]) -> None:
    """One message. Raises FailureError with what is wrong, in a sentence."""
    if way == alarms.MAIL:
        body = "\n".join([*lines, "", config["url"], "`workbench doctor` shows more, and what mends it.", ""])
        mail.send(config["mail"], secret(alarms.PASSWORD), f"[workbench {config['stack']}] {subject}", body)
        return
    address = secret(alarms.WEBHOOK)
    if address is None:
        raise FailureError("the address of the webhook is not on the server; deploy again")
    webhook.send(address, "\n".join([f"Workbench {config['stack']} ({config['url']})", *lines]))


def tell(config: Config, way: str, begun: Sequence[str], over: Sequence[str]) -> None:
    """Of what has begun and what is over, in one message."""
    lines = [*(f"ALARM: {text}" for text in begun), *(f"OVER: {text}" for text in over)]
    what = [*(f"{text}" for text in begun), *(f"Over: {text}" for text in over)]
    subject = what[0].rstrip(".") if len(what) == 1 else f"{len(begun)} alarms, {len(over)} over"
    try:
        send(config, way, subject, lines)
    except mail.PartlyError as failure:
        print(failure, file=sys.stderr)


def look(config: Config, state: Path) -> None:
    """Looks, remembers, tells."""
    found, now = memory.load(state), datetime.now(UTC)
    found.take(looking.look(config, found.on, now), now)
    found.tell(
        ways(config),
        lambda way, begun, over: tell(config, way, begun, over),
        now,
        lambda kept: memory.save(state, kept),
    )
    for way, refused in found.refused.items():
        print(f"Nobody could be told by {way}: {refused.why}.", file=sys.stderr)


def test(config: Config) -> dict[str, Any]:
    """What came of a message by each way."""
    failed = {}
    for way in ways(config):
        try:
            send(config, way, TEST[1], [TEST[0]])
        except FailureError as failure:
            failed[way] = str(failure)
    return {"sent": [way for way in ways(config) if way not in failed], "failed": failed}


def in_a_unit() -> int:
    """Runs this command again as nobody, with what it may know, as the timer's unit does."""
    properties = [
        "DynamicUser=yes",
        f"LoadCredential={alarms.CREDENTIAL}:{alarms.SECRETS}",
        "MemoryMax=128M",
        "NoNewPrivileges=yes",
        "PrivateDevices=yes",
        "ProtectHome=yes",
        "ProtectSystem=strict",
    ]
    line = [
        "systemd-run",
        "--pipe",
        "--wait",
        "--collect",
        "--quiet",
        *(f"--property={one}" for one in properties),
    ]
    return subprocess.run([*line, sys.argv[0], "--test"], check=False).returncode


def main(arguments: Sequence[str]) -> int:
    if list(arguments) not in (["--look"], ["--test"]):
        print("alarms takes --look or --test.", file=sys.stderr)
        return 2
    if CREDENTIALS not in os.environ:
        if os.geteuid() != 0 or arguments[0] == "--look":
            print(
                "Only root may send a test, and only systemd has it look; run --test with sudo.",
                file=sys.stderr,
            )
            return 1
        return in_a_unit()
    config = json.loads(Path(alarms.CONFIG).read_text())
    if arguments[0] == "--test":
        print(json.dumps(test(config)))
    else:
        look(config, Path(os.environ["STATE_DIRECTORY"]) / "state.json")
    return 0
