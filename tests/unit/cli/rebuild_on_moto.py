"""A stack on moto in this process that is rebuilt: what infra's program does for it is a stand-in, as the engine is.

It refuses what infra/existing.py refuses, makes the server that the state lacks or takes the one that AWS has, and
gives it data volume and address unless the server from before has them still.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli import cloud, engine, planning, rebuild, rebuilding, repair, server, stack, swapping
from cli.machines import Machine, Machines
from cli.plan import Plan
from connector import configure
from tests.unit.cli.stack_on_moto import STACK, World, world
from tests.unit.connector.deploying import FACTS
from workbench import keys, servers, volumes
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs

OLD_IMAGE, NEW_IMAGE = "ami-12c6146b", "ami-0abcdef0123456789"
UP = {"jupyterhub": {"state": "up", "detail": ""}, "proxy": {"state": "up", "detail": ""}}


@dataclass
class Rebuilt:
    """The account and its state, and what goes wrong with new servers."""

    aws: World
    old: str = ""
    volume: str = ""
    address: str = ""
    no_room: bool = False  # AWS makes no server
    breaks: bool = False  # the deploy fails
    ailing: str = ""  # the service of a new server that does not come up
    settings: Any = field(
        default_factory=lambda: SimpleNamespace(
            configure=True,
            admin_ssh_keys=[],
            zone="eu-west-1a",
            data_volume_gib=10,
            size="t3.large",
            environments=[],
        )
    )

    def up(self) -> None:
        """As `up` leaves a stack."""
        self.volume, self.old = self.aws.up()
        self.aws.state.update(server=self.old, configured="yes", outputs=self.old)
        specified = [{"ResourceType": "elastic-ip", "Tags": self.aws.tags("address")}]
        made = self.aws.ec2.allocate_address(Domain="vpc", TagSpecifications=specified)
        self.address = made["AllocationId"]
        self.aws.ec2.associate_address(AllocationId=self.address, InstanceId=self.old)
        self.aws.dies(-1)

    @property
    def machines(self) -> Machines:
        return Machines(self.aws.disks())

    def facts(self) -> Outputs | None:
        known = self.aws.state.get("outputs")
        return Outputs.model_validate({**FACTS, "stack": STACK, "instanceId": known}) if known else None

    def living(self) -> dict[str, str]:
        """The servers that are not gone, by their state."""
        found = self.aws.ec2.describe_instances()["Reservations"]
        there = [one for reservation in found for one in reservation["Instances"]]
        return {
            one["InstanceId"]: one["State"]["Name"]
            for one in there
            if one["State"]["Name"] not in ("terminated", "shutting-down")
        }

    def holder_of_address(self) -> str:
        told = self.aws.ec2.describe_addresses(AllocationIds=[self.address])["Addresses"][0]
        return str(told.get("InstanceId") or "")

    def whole(self) -> str:
        """What has to hold in the end, whichever server it is; its id."""
        (server,) = self.living()
        assert self.living()[server] == "running"
        assert self.machines.former() is None
        now = self.machines.server()
        assert now is not None
        assert (now.id, now.by, now.replaced_by) == (server, "", "")
        assert self.aws.roles() == {self.volume: volumes.DATA}
        assert (self.aws.holder(self.volume), self.holder_of_address()) == (server, server)
        state = self.aws.state
        assert (state.get("server"), state.get("data"), state.get("outputs")) == (server, self.volume, server)
        return server

    # The engine's and the program's part.

    def run(self, _stack: str, *operation: str, **_: Any) -> SimpleNamespace:
        assert operation[0] == "up"
        self.program()
        facts = self.facts()
        assert facts is not None
        return SimpleNamespace(changes={}, outputs=facts.model_dump(by_alias=True))

    def make(self, name: str, _yes: bool, _times: dict[str, float]) -> Outputs | None:
        """What `workbench up` does once its settings are judged."""
        swapping.settle(name, self.aws.exported())
        rebuilding.settle(name, self.aws.exported())
        self.program()
        return self.facts()

    def program(self) -> None:
        former, data = self.machines.former(), self.aws.disks().data()
        if former is not None and os.environ.get(servers.REBUILD_VARIABLE) != former.id:
            raise engine.RunFailedError("A rebuild has begun and not ended.", False)
        assert data is not None
        assert data.server in ("", self._server(), former.id if former else "")
        server, ec2 = self._server() or self._made(), self.aws.ec2
        if self.aws.state.get("server") != server:  # taken over, its tags are made what the program says
            ec2.delete_tags(Resources=[server], Tags=[{"Key": "By"}, {"Key": servers.REPLACED_BY}])
        self.aws.state["server"] = server
        self.aws.step("program: server")
        beside = former is not None and data.server == former.id
        if not beside:
            if not data.server:
                ec2.attach_volume(VolumeId=data.id, InstanceId=server, Device=volumes.DEVICE)
                self.aws.step("program: volume")
            if self.holder_of_address() != server:
                assert not self.holder_of_address(), "another server has it"
                ec2.associate_address(AllocationId=self.address, InstanceId=server)
                self.aws.step("program: address")
            if self.breaks and server != self.old:
                raise engine.RunFailedError("configuration: the deploy failed.", True)
            self.aws.state["configured"] = "yes"
            self.aws.configured += 1
            self.aws.step("program: configured")
        self.aws.state["outputs"] = former.id if former and beside else server

    def _server(self) -> str:
        found = self.machines.server()
        return found.id if found else ""

    def _made(self) -> str:
        if self.no_room:
            raise engine.RunFailedError("We do not have sufficient capacity.", False)
        specified = [{"ResourceType": "instance", "Tags": self.aws.tags("server")}]
        run = self.aws.ec2.run_instances(
            ImageId=NEW_IMAGE, MinCount=1, MaxCount=1, InstanceType="t3.large", TagSpecifications=specified
        )
        return str(run["Instances"][0]["InstanceId"])

    def status(self, _stack: str) -> dict[str, Any]:
        facts = self.facts()
        ails = bool(facts and facts.instance_id != self.old and self.ailing)
        down = {self.ailing: {"state": "down", "detail": "it does not answer"}} if ails else {}
        return {"services": {**UP, **down}}


@contextmanager
def rebuilt(ec2: Any, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Rebuilt]:
    """A stack that is up, in an account that has nothing else."""
    with world(ec2, folder, patch) as aws:
        made = Rebuilt(aws)
        patch.setattr(cloud, "POLL_SECONDS", 0)
        patch.setattr(stacks, "settings", lambda name: made.settings)
        patch.setattr(stacks, "outputs_in", lambda exported: made.facts())
        patch.setattr(stacks, "outputs", lambda name: made.facts())
        patch.setattr(engine, "run", made.run)
        patch.setattr(stack, "make", made.make)
        patch.setattr(repair, "done", lambda name: None)
        patch.setattr(planning, "previewed", lambda name, exported: Plan([]))
        patch.setattr(keys, "not_accepted", lambda given: [])
        patch.setattr(configure, "seconds_of_last_run", lambda name, since: None)
        patch.setattr(configure, "wait_for_ssh", lambda address: None)
        patch.setattr(configure, "answers", lambda address: True)
        patch.setattr(server, "status_of", made.status)
        patch.setattr(rebuild, "show_status", lambda name, facts: None)
        patch.setattr(
            Machines, "image_name", lambda self, image: {OLD_IMAGE: "debian-1"}.get(image, "debian-2")
        )
        for address in ec2.describe_addresses()["Addresses"]:
            ec2.release_address(AllocationId=address["AllocationId"])
        made.up()
        yield made


def machine(made: Rebuilt) -> Machine:
    """The server from before."""
    found = made.machines.former()
    assert found is not None
    return found


def rebuild_now(**more: Any) -> None:
    rebuild.rebuild(**{"yes": True, **more})


def refused(command: Callable[[], object]) -> str:
    with pytest.raises(WorkbenchError) as error:
        command()
    return str(error.value)


def untouched(made: Rebuilt) -> None:
    """Nothing at all was changed."""
    assert made.aws.calls == []
    assert made.whole() == made.old


def begun(made: Rebuilt, by: str) -> None:
    """The first step of a rebuild is done, by that process."""
    made.machines.rename(made.old, servers.FORMER, By=by)
    made.aws.dies(-1)
