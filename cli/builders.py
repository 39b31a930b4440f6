"""Builders: servers that live for the minutes of a bake, and are found by their tags where a bake died.

The state knows none of them, so that no run of the program waits for one, or gives one back half-way. A builder has no
role and no data volume, but a blank one of its own, which goes with it, as its public address does.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli import makers
from cli.common import console
from cli.described import specified, tags_of
from cli.disks import Disks
from cli.waiting import asking, gone_is_fine, until
from infra.first_boot import user_data
from workbench import images, volumes
from workbench.errors import WorkbenchError
from workbench.settings import Settings

HOURS = 3  # after which a builder that still runs ends by itself, whatever became of the run that made it
_WAIT_SECONDS = 600.0  # for each of its states; minutes are usual


@dataclass(frozen=True)
class Builder:
    """One as EC2 describes it; `by` is the process that made it (cli/makers.py)."""

    id: str
    type: str
    state: str
    by: str
    address: str
    volume: str
    """The id of its own blank volume."""

    def __str__(self) -> str:
        return f"the builder {self.id} ({self.type}, {self.state})"


@dataclass(frozen=True)
class Place:
    """What a builder stands in: ids of the stack's subnet and firewall."""

    subnet: str
    group: str


class Builders:
    """Those of one stack."""

    def __init__(self, disks: Disks) -> None:
        self._disks, self._ec2 = disks, disks.ec2

    def all(self) -> list[Builder]:
        """Those that are not gone."""
        with asking("Looking for builders"):
            return [_builder(one) for one in self._disks.living(images.BUILDER)]

    def make(self, settings: Settings, base: str, place: Place) -> Builder:
        """One of the settings' size, from the image `base`, once it runs. Raises WorkbenchError where AWS refuses."""
        with asking("Asking for Debian's image"):
            (image,) = self._ec2.describe_images(ImageIds=[base])["Images"]
        tags = self._disks.tags(images.BUILDER, By=makers.this())
        with asking("Making a builder"):
            made = self._ec2.run_instances(
                ImageId=base,
                InstanceType=settings.size,
                MinCount=1,
                MaxCount=1,
                UserData=_user_data(self._disks.stack, settings.admin_ssh_keys),
                InstanceInitiatedShutdownBehavior="terminate",
                MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
                NetworkInterfaces=[
                    {
                        "DeviceIndex": 0,
                        "SubnetId": place.subnet,
                        "Groups": [place.group],
                        "AssociatePublicIpAddress": True,
                    }
                ],
                BlockDeviceMappings=[
                    _disk(image["RootDeviceName"], settings.root_volume_gib),
                    _disk(volumes.DEVICE, images.SCRATCH_GIB),
                ],
                TagSpecifications=[*specified("instance", tags), *specified("volume", tags)],
            )
        builder = _builder(made["Instances"][0])
        try:
            return self._await("running", builder)
        except BaseException:
            self.end(builder)
            raise

    def _again(self, builder: Builder) -> Builder | None:
        """None where AWS does not know it: not yet, or not any more."""
        with gone_is_fine("InvalidInstanceID.NotFound"):
            found = self._ec2.describe_instances(InstanceIds=[builder.id])
            return _builder(found["Reservations"][0]["Instances"][0])
        return None

    def _await(self, state: str, builder: Builder) -> Builder:
        found: Builder = until(
            lambda: self._again(builder),
            lambda one: one.state,
            state,
            f"the builder {builder.id}",
            _WAIT_SECONDS,
            "the next `workbench bake` tries again",
            () if state == "terminated" else ("shutting-down", "terminated"),
        )
        return found

    def stop(self, builder: Builder) -> None:
        """Shuts it down in order, so that all that it wrote is on its disk."""
        with asking(f"Stopping {builder}"):
            self._ec2.stop_instances(InstanceIds=[builder.id])
        self._await("stopped", builder)

    def end(self, builder: Builder) -> None:
        """Gives it back, its disks and its address with it, and waits until it is gone."""
        with asking(f"Ending {builder}"):
            self._ec2.terminate_instances(InstanceIds=[builder.id])
        self._await("terminated", builder)

    def settle(self, refuse: bool) -> list[Builder]:
        """Ends those of bakes that died, and gives them back.

        `refuse`: raises WorkbenchError where one is at work, or may be, since it is another machine's.
        """
        ended = []
        for builder in self.all():
            if makers.is_over(builder.by):
                console.print(f"A bake that died is taken back: {builder} goes.", markup=False)
                self.end(builder)
                ended.append(builder)
            elif refuse:
                raise WorkbenchError(
                    f"A bake of stack {self._disks.stack} is at work with {builder}, by {makers.said(builder.by)}; "
                    f"wait for it to end. If you know that it is dead: `workbench doctor --remove {builder.id}`."
                )
        return ended


def _builder(told: Mapping[str, Any]) -> Builder:
    mappings = {one["DeviceName"]: one["Ebs"]["VolumeId"] for one in told.get("BlockDeviceMappings") or ()}
    return Builder(
        id=told["InstanceId"],
        type=told["InstanceType"],
        state=told["State"]["Name"],
        by=tags_of(told).get("By", ""),
        address=told.get("PublicIpAddress") or "",
        volume=mappings.get(volumes.DEVICE, ""),
    )


def _disk(device: str, gib: int) -> dict[str, Any]:
    made = {"VolumeSize": gib, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
    return {"DeviceName": device, "Ebs": made}


def _user_data(stack: str, admin_keys: Sequence[str]) -> str:
    """A server's, and a clock that ends the builder: it is in memory, so that no image has it."""
    kind, _, document = user_data(f"{stack}-builder", list(admin_keys)).partition("\n")
    clock = ["systemd-run", f"--on-active={HOURS}h", "systemctl", "poweroff"]
    return f"{kind}\n{json.dumps({**json.loads(document), 'runcmd': [clock]})}\n"
