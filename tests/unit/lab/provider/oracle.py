"""What the real AWS provider says: the answers kept in verdicts.json, and how to ask again.

`python -m tests.unit.lab.provider.oracle TFAWS_PY TERRAFORM_PROVIDER_BINARY` makes one resource of each type
through the oracle of shared/pulumi.md and writes its verdicts on every change of verdicts.json back into the file.
In a change, null takes an input away and "UNKNOWN" is a value that a preview does not know yet.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from tests.unit.lab.provider.backend import serving
from tests.unit.lab.provider.client import UNKNOWN, Client, Made
from tests.unit.lab.provider.world import World

FILE = Path(__file__).with_name("verdicts.json")
# Outputs that the oracle reports along with inputs: they follow from those.
_FOLLOW = {"tagsAll", "id"}

# Blocks that may be repeated, which the oracle calls by Terraform's names and the SDK by the plural.
_PLURAL = {"costFilter": "costFilters", "notification": "notifications"}

Case = dict[str, Any]


def cases() -> dict[str, list[Case]]:
    """By name of a resource in World: changes, and the real provider's verdict on each."""
    loaded: dict[str, list[Case]] = json.loads(FILE.read_text())
    return loaded


def news(made: Made, change: dict[str, Any]) -> dict[str, Any]:
    """The inputs after the change."""
    changed = {key: UNKNOWN if value == "UNKNOWN" else value for key, value in change.items()}
    return {key: value for key, value in {**made.inputs, **changed}.items() if value is not None}


def verdict(client: Client, made: Made, change: dict[str, Any]) -> Case:
    """A provider's verdict, in the form of verdicts.json."""
    said = client.diff(made, news(made, change))
    # Every plan of the oracle recomputes what the cloud may choose within these, once anything else changes.
    noise = _FOLLOW | ({"rootBlockDevice", "policyDetails"} - change.keys())
    return {
        "change": change,
        "diffs": sorted({_PLURAL.get(name, name) for name in said.diffs} - noise),
        "replaces": sorted(set(said.replaces) - _FOLLOW),
    }


@contextmanager
def oracle(tool: Path, binary: Path, endpoint: str) -> Iterator[Client]:
    """The oracle at work on the AWS at `endpoint`."""
    env = {
        **os.environ,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "lab",
        "AWS_SECRET_ACCESS_KEY": "lab",
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(tool), str(port), str(binary)]
    # A session of its own: the tool leaves the binary running when it is stopped.
    process = subprocess.Popen(
        command,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield Client(port)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def record(client: Client, world: World) -> None:
    """Ask the oracle about every change again and write down what it says."""
    answers: dict[str, list[Case]] = {}
    for name, listed in cases().items():
        made = getattr(world, name)
        answers[name] = []
        for case in listed:
            try:
                answers[name].append(verdict(client, made, case["change"]))
            except grpc.RpcError as error:
                sys.exit(f"{name} {case['change']}: {error}")
    lines = ",\n".join(
        f"{json.dumps(name)}: [\n  " + ",\n  ".join(json.dumps(case) for case in listed) + "\n]"
        for name, listed in answers.items()
    )
    FILE.write_text("{\n" + lines + "\n}\n")


def main() -> None:
    """See the module's own words."""
    with serving() as url, oracle(Path(sys.argv[1]), Path(sys.argv[2]), url) as client:
        record(client, World(client, lambda service: service))


if __name__ == "__main__":
    main()
