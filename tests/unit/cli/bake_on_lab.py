"""A stack of which images are made, on the lab's own API.

Stand-ins: the machines are fakes (tests/unit/lab/cloud.py), the deploy and what is asked by SSH are recorded. What a
builder really has on it, tests/e2e/test_images.py sees.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli import baking, builders, makers, repair
from cli import cloud as clouds
from cli.amis import Amis
from cli.builders import Builders
from cli.disks import Disks
from lab.seed import ACCOUNT
from tests.unit.cli.stack_on_moto import ID, STACK
from tests.unit.lab.cloud import Cloud, Network, serve
from workbench import config
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.images import Image
from workbench.outputs import Outputs
from workbench.settings import Settings

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBFNhyUtPSImEKLShYkgFxvQcZ16K5mnOlE6hLT2nQeK ada@laptop"
CHANGING = ("run_", "stop_", "create_", "terminate_", "delete_", "deregister_")


class KilledError(BaseException):
    """The command is no more, at this moment."""


class Dying:
    """A client whose command dies once it has changed something so many times; it does nothing afterwards."""

    def __init__(self, client: Any, after: int) -> None:
        self._client, self._left = client, after

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._client, name)
        if not callable(asked) or name.startswith("_") or name == "meta":
            return asked

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._left == 0:
                raise KilledError(name)
            answer = asked(*args, **kwargs)
            if name.startswith(CHANGING):
                self._left -= 1
                if self._left == 0:
                    raise KilledError(name)
            return answer

        return call


class Bench:
    """A stack that is up, as its state and AWS have it, and what is asked of the builder."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.network = Network(cloud)
        self.asked: list[str] = []
        self.left: list[str] = []
        self.contexts: list[dict[str, Any]] = []
        self.deploy_fails = ""
        self.dies_after = -1
        self.given: dict[str, Any] = {}

    @property
    def settings(self) -> Settings:
        least = {
            "size": "t3.large",
            "zone": "eu-west-1a",
            "sshFrom": ["203.0.113.7/32"],
            "adminSshKeys": [KEY],
        }
        return config.parse({f"workbench:{key}": value for key, value in {**least, **self.given}.items()})

    def exported(self, _name: str = "") -> dict[str, Any]:
        known = {
            "aws:ec2/subnet:Subnet": self.network.subnet,
            "aws:ec2/securityGroup:SecurityGroup": self.network.group,
        }
        held = [{"type": kind, "urn": f"::{kind}", "id": id_} for kind, id_ in known.items()]
        whole = {"type": "workbench:infra:Workbench", "urn": "::workbench", "outputs": {"stackId": ID}}
        return {"deployment": {"resources": [whole, *held]}}

    def client(self, service: str, *_: Any) -> Any:
        client = self.cloud.client(service)
        return Dying(client, self.dies_after) if service == "ec2" and self.dies_after > 0 else client

    def configured(self, settings: Settings, facts: Outputs) -> None:
        self.contexts.append({"settings": settings, "facts": facts})
        if self.deploy_fails:
            raise WorkbenchError(self.deploy_fails)

    def ask(self, _facts: Outputs, verb: str, _seconds: int) -> list[str]:
        self.asked.append(verb)
        return self.left if verb == "clean" else []

    # What there is.

    def disks(self) -> Disks:
        return Disks(STACK, ID, stacks.AwsConfig("eu-west-1", None))

    def images(self) -> list[Image]:
        return Amis(self.disks()).all()

    def builders(self) -> list[builders.Builder]:
        return Builders(self.disks()).all()

    def bake(self) -> Image:
        return baking.made(STACK, self.settings)

    def is_clean(self) -> bool:
        """Nothing is left of a builder, and each snapshot is an image's."""
        ec2 = self.cloud.ec2
        told = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]  # moto tells of Debian's as well
        snapshots = {one["SnapshotId"] for one in told if one["OwnerId"] == ACCOUNT}
        mine = {image.snapshot for image in self.images()}
        return not self.builders() and not ec2.describe_volumes()["Volumes"] and snapshots == mine


@contextmanager
def baking_stack(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """One that is up, in an account that has nothing else."""
    with serve(folder / "cloud") as served:
        made = Bench(served)
        patch.setattr(stacks, "ROOT", folder)
        patch.setattr(stacks, "aws_config", lambda *_: stacks.AwsConfig("eu-west-1", None))
        patch.setattr(clouds, "client", made.client)
        patch.setattr(clouds, "POLL_SECONDS", 0.01)
        patch.setattr(repair, "export", made.exported)
        patch.setattr(baking, "_configured", made.configured)
        patch.setattr(baking, "_ask", made.ask)
        yield made


def left_by(bench: Bench, monkeypatch: pytest.MonkeyPatch, by: str) -> builders.Builder:
    """A builder of another process's."""
    with monkeypatch.context() as others:
        others.setattr(makers, "this", lambda: by)
        place = baking.Place(bench.network.subnet, bench.network.group)
        return Builders(bench.disks()).make(bench.settings, bench.cloud.image(), place)
