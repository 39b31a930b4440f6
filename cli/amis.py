"""A stack's images in AWS: found by their tags, made of a builder, kept as many as there are to be, and removed."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from cli import cloud, makers
from cli.builders import Builder
from cli.common import console
from cli.described import specified, stored_gib, tags_of
from cli.disks import Disks
from cli.waiting import asking
from workbench import images, prices, volumes
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.images import AVAILABLE, IMAGE, KEPT, Image
from workbench.leftovers import LIVING

_GONE = ("InvalidAMIID.NotFound", "InvalidAMIID.Unavailable")
_IN_USE_SECONDS = 180.0
_PENDING_SECONDS = 2 * 3600.0  # AWS promises nothing; minutes are usual, an hour has been seen


class Amis:
    """Those of one stack."""

    def __init__(self, disks: Disks) -> None:
        self._disks, self._ec2 = disks, disks.ec2

    def all(self) -> list[Image]:
        """The newest first, whatever their state."""
        with asking("Looking for the stack's images"):
            told = self._ec2.describe_images(Owners=["self"], Filters=self._disks.mine(IMAGE))["Images"]
            sizes = self.snapshots()
        return sorted((image_of(one, sizes) for one in told), key=lambda one: one.made, reverse=True)

    def snapshots(self) -> dict[str, float]:
        """The images' snapshots, also of one that is gone: GiB that AWS stores, at most, by id."""
        with asking("Looking for the images' snapshots"):
            pages = self._ec2.get_paginator("describe_snapshots").paginate(
                OwnerIds=["self"], Filters=self._disks.mine(IMAGE)
            )
            return {one["SnapshotId"]: stored_gib(one) for page in pages for one in page["Snapshots"]}

    def usd_per_month(self, found: Sequence[Image]) -> float:
        """What these cost together, at most."""
        stored = self.snapshots()
        return sum(usd_per_month(stored.get(image.snapshot, 0.0)) for image in found)

    def servers(self, found: Sequence[Image]) -> dict[str, list[str]]:
        """Which servers run from which image: `ID of stack NAME`, by the image's id."""
        servers: dict[str, list[str]] = {}
        filters = [
            {"Name": "image-id", "Values": [image.id for image in found]},
            {"Name": "instance-state-name", "Values": list(LIVING)},
        ]
        if not found:
            return servers
        with asking("Looking for servers that run from the images"):
            for reservation in self._ec2.describe_instances(Filters=filters)["Reservations"]:
                for one in reservation["Instances"]:
                    stack = tags_of(one).get("Stack")
                    of = (
                        f" of stack {stack}"
                        if stack and stack != stacks.short_name(self._disks.stack)
                        else ""
                    )
                    servers.setdefault(one["ImageId"], []).append(f"{one['InstanceId']}{of}")
        return servers

    def make(self, builder: Builder, parts: Mapping[str, str]) -> Image:
        """An image of a stopped builder's root disk, encrypted as that is, once it is available.

        Raises WorkbenchError where AWS fails at it. Whatever ends this before, nothing is left of it.
        """
        short, now = stacks.short_name(self._disks.stack), datetime.now(UTC)
        # 128 characters at most, and none of another image of this account
        name = f"workbench-{short[:80]}-{now:%Y-%m-%d-%H%M}-{builder.id[-6:]}"
        tags = self._disks.tags(IMAGE, **images.tags(parts))
        with asking("Making the image"):
            image_id = self._ec2.create_image(
                InstanceId=builder.id,
                Name=name,
                Description=f"workbench {short}: packages, and nothing of a stack",
                BlockDeviceMappings=[{"DeviceName": volumes.DEVICE, "NoDevice": ""}],
                TagSpecifications=[
                    *specified("image", {**tags, "By": makers.this()}),
                    *specified("snapshot", self._disks.tags(IMAGE)),
                ],
            )["ImageId"]
        try:
            made = self._completed(image_id)
        except BaseException:
            self._give_up(image_id)
            raise
        self._claim(made)
        return replace(made, tags={key: value for key, value in made.tags.items() if key != "By"})

    def _claim(self, image: Image) -> None:
        """It is nobody's work under way any more."""
        with asking(f"Naming the image {image.id}"):
            self._ec2.delete_tags(Resources=[image.id], Tags=[{"Key": "By"}])

    def _completed(self, image_id: str) -> Image:
        began, shown = time.monotonic(), ""
        while True:
            found = next((image for image in self.all() if image.id == image_id), None)
            state = found.state if found else "not known everywhere yet"
            if found and state == AVAILABLE:
                return found
            if state not in ("pending", "not known everywhere yet"):
                raise WorkbenchError(
                    f"AWS could not make the image {image_id}: it is {state}{self._why(image_id)}."
                )
            if time.monotonic() - began > _PENDING_SECONDS:
                hours = _PENDING_SECONDS / 3600
                raise WorkbenchError(
                    f"The image {image_id} is {state} after {hours:g} hours; it was given up."
                )
            progress = self._progress(found)
            if progress != shown:
                shown = progress
                console.print(f"  {shown}")
            time.sleep(cloud.POLL_SECONDS)

    def _why(self, image_id: str) -> str:
        with asking(f"Asking for the image {image_id}"):
            found = self._ec2.describe_images(ImageIds=[image_id])["Images"]
        said = (found[0].get("StateReason") or {}).get("Message") if found else None
        return f" ({said.rstrip('.')})" if said else ""

    def _progress(self, image: Image | None) -> str:
        if image is None or not image.snapshot:
            return "0%"
        with asking(f"Asking for the snapshot {image.snapshot}"):
            wanted = [{"Name": "snapshot-id", "Values": [image.snapshot]}]
            found = self._ec2.describe_snapshots(Filters=wanted)["Snapshots"]
        return (found[0].get("Progress") if found else "") or "0%"

    def _give_up(self, image_id: str) -> None:
        """One that is pending may not name its snapshot yet: its own tags find it, or the next bake does."""
        image = next((one for one in self.all() if one.id == image_id), None)
        if image is not None:
            self.remove(image)
            self._remove_orphans()

    def remove(self, image: Image) -> None:
        """Deregisters it, then deletes its snapshot, which AWS keeps, and bills, otherwise."""
        with asking(f"Removing the image {image}"):
            try:
                self._ec2.deregister_image(ImageId=image.id)
            except ClientError as error:
                if error.response["Error"]["Code"] not in _GONE:
                    raise
        if image.snapshot:
            self._delete(image.snapshot)

    def _delete(self, snapshot: str) -> None:
        """AWS takes an image's snapshot to be in use for a while after the image is gone (boto, issue 3019)."""
        began = time.monotonic()
        with asking(f"Deleting the snapshot {snapshot}"):
            while True:
                try:
                    self._ec2.delete_snapshot(SnapshotId=snapshot)
                    return
                except ClientError as error:
                    code = error.response["Error"]["Code"]
                    if code == "InvalidSnapshot.NotFound":
                        return
                    if code != "InvalidSnapshot.InUse" or time.monotonic() - began > _IN_USE_SECONDS:
                        raise
                time.sleep(cloud.POLL_SECONDS)

    def settle(self) -> None:
        """What bakes that died have left: images that came to nothing, and snapshots whose image is gone.

        One that has become available is as good as any: it was made of a builder that was clean already.
        """
        for image in self.all():
            by = image.tags.get("By", "")
            if image.state == AVAILABLE and by and makers.is_over(by):
                self._claim(image)
            elif image.state != AVAILABLE and makers.is_over(by):
                console.print(f"A bake that died is taken back: the image {image} goes.", markup=False)
                self.remove(image)
        self._remove_orphans()

    def _remove_orphans(self) -> None:
        for snapshot in sorted(self.snapshots().keys() - {image.snapshot for image in self.all()}):
            console.print(f"The image of the snapshot {snapshot} is gone: it goes too.")
            self._delete(snapshot)

    def prune(self) -> list[Image]:
        """Removes all but the newest that are to be kept, and says which."""
        older = [image for image in self.all() if image.state == AVAILABLE][KEPT:]
        for image in older:
            self.remove(image)
            console.print(f"  {image}, of {image.made:%Y-%m-%d}, removed: {KEPT} are kept")
        return older


def image_of(told: Mapping[str, Any], snapshots: Mapping[str, float]) -> Image:
    """One as AWS describes it, whose snapshot is among those that there are, or is not there."""
    root: Mapping[str, Any] = next(
        (
            one["Ebs"]
            for one in told.get("BlockDeviceMappings") or ()
            if one.get("DeviceName") == told.get("RootDeviceName") and "Ebs" in one
        ),
        {},
    )
    snapshot = root.get("SnapshotId", "")
    return Image(
        id=told["ImageId"],
        name=told.get("Name", told["ImageId"]),
        state=told["State"],
        architecture=told.get("Architecture", ""),
        root_gib=root.get("VolumeSize") or 0,
        snapshot=snapshot if snapshot in snapshots else "",
        made=datetime.fromisoformat(told["CreationDate"].replace("Z", "+00:00")).astimezone(UTC),
        tags=tags_of(told),
    )


def usd_per_month(gib: float) -> float:
    """At most: what a snapshot of that much costs alone."""
    return gib * prices.SNAPSHOT_USD_PER_GIB_MONTH
