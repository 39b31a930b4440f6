"""A stack on moto in this process, for the commands that move its volumes: a stand-in for AWS, and for the engine.

The engine is a dict of what its state has, and does what the program would: it refuses what infra/existing.py refuses,
takes the data volume into the state by its tags, attaches it, and starts the server.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from moto import mock_aws
from moto.backends import get_backend

from cli import cloud, common, locks, repair, stack, statefile, swapping
from cli.account import Found
from cli.disks import Disks
from workbench import stack as stacks
from workbench import volumes

STACK, ID, REGION = "prod", "0123456789ab", "eu-west-1"
ZONE = f"{REGION}a"
WHOLE = f"urn:pulumi:{STACK}::workbench::workbench:infra:Workbench::workbench"
URN = f"urn:pulumi:{STACK}::workbench::workbench:infra:Workbench$workbench:infra:Storage$aws:ebs/volume:Volume::data"
SERVER_URN = URN.replace("Storage$aws:ebs/volume:Volume::data", "Server$aws:ec2/instance:Instance::server")

DEAD = f"{socket.gethostname()} {os.getpid()} 2020-01-01T00:00:00+00:00"  # the number is another process's by now


def living() -> tuple[str, str]:
    """A process of this machine that is not this one, as the tag By says it and as people are told."""
    since = datetime.fromtimestamp(psutil.Process(os.getppid()).create_time(), UTC)
    host, pid = socket.gethostname(), os.getppid()
    return f"{host} {pid} {since.isoformat()}", f"{host}, process {pid}"


class KilledError(Exception):
    """The command is no more, at this moment."""


@dataclass
class World:
    """The account, the state, and what stops a command."""

    ec2: Any
    folder: Path
    state: dict[str, str] = field(
        default_factory=dict
    )  # the ids of data volume and server, where the state has them
    calls: list[str] = field(default_factory=list)
    dies_after: int = -1
    configured: int = 0
    others: list[str] = field(default_factory=list)  # the types of what else the state has
    left: list[Found] = field(default_factory=list)  # what AWS has beside, and no state knows
    protected: bool = False  # the component that is the whole stack
    lost: bool = False  # the state is empty, as of a stack that was just begun
    settings: dict[str, Any] = field(default_factory=dict)

    def tags(self, role: str, stack_id: str = ID, **more: str) -> list[dict[str, str]]:
        told = {"Project": "workbench", "Stack": STACK, "StackId": stack_id, "Role": role, **more}
        return [{"Key": key, "Value": value} for key, value in told.items()]

    def volume(self, role: str = volumes.DATA, gib: int = 10, zone: str = ZONE, **more: str) -> str:
        specified = [{"ResourceType": "volume", "Tags": self.tags(role, **more)}]
        made = self.ec2.create_volume(
            AvailabilityZone=zone, Size=gib, VolumeType="gp3", TagSpecifications=specified
        )
        return str(made["VolumeId"])

    def snapshot(self, volume: str, name: str, how: str = volumes.BY_HAND, stack_id: str = ID) -> str:
        tags = self.tags(volumes.SNAPSHOT, stack_id, Name=name, Made=how)
        specified = [{"ResourceType": "snapshot", "Tags": tags}]
        return str(self.ec2.create_snapshot(VolumeId=volume, TagSpecifications=specified)["SnapshotId"])

    def server(self) -> str:
        specified = [{"ResourceType": "instance", "Tags": self.tags("server")}]
        run = self.ec2.run_instances(
            ImageId="ami-12c6146b", MinCount=1, MaxCount=1, InstanceType="t3.large", TagSpecifications=specified,
            Placement={"AvailabilityZone": ZONE},
        )  # fmt: skip
        return str(run["Instances"][0]["InstanceId"])

    def up(self) -> tuple[str, str]:
        """A stack as `up` leaves it: the ids of its data volume and its server."""
        volume, server = self.volume(), self.server()
        self.ec2.attach_volume(VolumeId=volume, InstanceId=server, Device=volumes.DEVICE)
        self.state["data"] = volume
        return volume, server

    def roles(self) -> dict[str, str]:
        return {one.id: one.role for one in self.disks().volumes()}

    def holder(self, volume: str) -> str:
        attached = self.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"]
        return str(attached[0]["InstanceId"]) if attached else ""

    def disks(self) -> Disks:
        return Disks(STACK, ID, stacks.AwsConfig(REGION, None))

    # The engine's part.

    def exported(self) -> dict[str, Any]:
        if self.lost:
            return {"deployment": {"resources": []}}
        found: list[dict[str, Any]] = [{"type": kind, "urn": f"::{kind}"} for kind in self.others]
        found += [
            {
                "type": "workbench:infra:Workbench",
                "urn": WHOLE,
                "outputs": {"stackId": ID},
                "protect": self.protected,
            }
        ]
        if "data" in self.state:
            found.append({"type": "aws:ebs/volume:Volume", "urn": URN, "id": self.state["data"]})
        if "server" in self.state:
            found.append({"type": "aws:ec2/instance:Instance", "urn": SERVER_URN, "id": self.state["server"]})
        if "configured" in self.state:
            found.append({"type": "pulumi-python:dynamic:Configuration", "urn": "::configuration"})
        return {"deployment": {"resources": found}}

    def drop(self, _stack: str, urn: str) -> None:
        assert urn in (URN, SERVER_URN)
        for key in ("data", "server", "configured") if urn == URN else ("server", "configured"):
            self.state.pop(key, None)
        self.step("drop")

    def make(self, name: str, _yes: bool, _times: dict[str, float]) -> None:
        """What `workbench up` does once its settings are judged."""
        swapping.settle(name, self.exported())
        disks = self.disks()
        data = disks.data()
        assert data is not None
        assert not disks.volumes(volumes.INCOMING), "the program refuses it"
        assert self.state.get("data") in (None, data.id), "the program refuses it"
        self.state["data"] = data.id
        self.ec2.delete_tags(Resources=[data.id], Tags=[{"Key": "By"}, {"Key": "RestoredFrom"}])
        server = disks.server()
        assert server is not None
        if not data.server:
            self.ec2.attach_volume(VolumeId=data.id, InstanceId=server.id, Device=volumes.DEVICE)
        self.ec2.start_instances(InstanceIds=[server.id])
        self.configured += 1

    # Being killed.

    def step(self, what: str) -> None:
        """Something was changed; here the command may die."""
        self.calls.append(what)
        if len(self.calls) == self.dies_after:
            raise KilledError(what)

    def dies(self, after: int) -> None:
        """The next command dies after so many changes; -1: it does not."""
        self.calls.clear()
        self.dies_after = after


@contextmanager
def account() -> Iterator[Any]:
    """An account for many tests, one after the other: to make one takes long. Its EC2 client."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        yield boto3.client("ec2", region_name=REGION)


@contextmanager
def world(ec2: Any, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[World]:
    """A stack's, in an account that has nothing."""
    kept = get_backend("ec2")["123456789012"][REGION]
    for things in (kept.volumes, kept.snapshots, kept.reservations, kept.tags):
        things.clear()
    made = World(ec2, folder)
    patch.setattr(stacks, "ROOT", folder)
    patch.setattr(stacks, "aws_config", lambda stack=None: stacks.AwsConfig(REGION, None))
    patch.setattr(locks, "of", lambda stack: [])
    patch.setattr(common, "enter", lambda stack: STACK)
    patch.setattr(common, "require_stack_file", lambda stack: None)
    patch.setattr(statefile, "exported", lambda stack: made.exported())
    patch.setattr(repair, "left_over", lambda stack, exported: made.left)
    patch.setattr(stacks, "outputs_in", lambda exported: None)
    patch.setattr(swapping, "drop", made.drop)
    patch.setattr(stack, "make", made.make)
    patch.setattr(cloud, "client", lambda service, access, region=None: Counting(ec2, made.step))
    yield made


class Counting:
    """A client of which each call that changes something is a step."""

    def __init__(self, client: Any, step: Callable[[str], None]) -> None:
        self._client = client
        self._step = step

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if name.startswith(("describe", "get")):
            return call

        def noted(**arguments: Any) -> Any:
            answer = call(**arguments)
            self._step(name)
            return answer

        return noted
