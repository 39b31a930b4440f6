"""Volumes and snapshots: where they may go, and what they may become."""

from datetime import timedelta
from typing import Any

from lab.rules.common import Facts, Refusal, Rule

# docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html: sizes in GiB.
SIZES = {
    "gp2": (1, 16384), "gp3": (1, 65536), "io1": (4, 16384), "io2": (4, 65536),
    "st1": (125, 16384), "sc1": (125, 16384), "standard": (1, 1024),
}  # fmt: skip
MODIFICATIONS_APART = timedelta(hours=6)


def size_fits_type(facts: Facts) -> None:
    volume = facts.ec2.volumes.get(facts.call.get("VolumeId"))
    kind = facts.call.get("VolumeType") or (volume.volume_type if volume else "gp2")
    if kind not in SIZES:
        raise Refusal("UnknownVolumeType", f"Unsupported volume type '{kind}' for volume creation.")
    if facts.call.get("Size"):
        smallest, largest = SIZES[kind]
        if not smallest <= int(facts.call.get("Size")) <= largest:
            raise Refusal(
                "InvalidParameterValue",
                f"Volume of {facts.call.get('Size')}GiB is invalid for volume type {kind}; "
                f"it takes {smallest} to {largest} GiB.",
            )


def zone_exists(facts: Facts) -> None:
    zone = facts.call.get("AvailabilityZone")
    if zone and facts.ec2.get_zone_by_name(zone) is None:
        raise Refusal("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")


def holds_its_snapshot(facts: Facts) -> None:
    snapshot = facts.ec2.snapshots.get(facts.call.get("SnapshotId"))
    size = facts.call.get("Size")
    if snapshot is not None and size and int(size) < int(snapshot.volume.size):
        raise Refusal(
            "InvalidParameterValue",
            f"The size of a volume cannot be smaller than its snapshot: {size}GiB < {snapshot.volume.size}GiB",
        )


def is_completed(facts: Facts) -> None:
    snapshot_id = facts.call.get("SnapshotId")
    snapshot = facts.ec2.snapshots.get(snapshot_id)
    if snapshot_id and snapshot is None:
        raise _no_snapshot(snapshot_id)
    if snapshot is not None and snapshot.status != "completed":
        raise Refusal("IncorrectState", f"Snapshot is in invalid state - {snapshot.status}")


def snapshot_exists(facts: Facts) -> None:
    snapshot_id = facts.call.get("SnapshotId")
    if snapshot_id and snapshot_id not in facts.ec2.snapshots:
        raise _no_snapshot(snapshot_id)


def snapshots_exist(facts: Facts) -> None:
    for snapshot_id in facts.call.all("SnapshotId"):
        if snapshot_id not in facts.ec2.snapshots:
            raise _no_snapshot(snapshot_id)


def _no_snapshot(snapshot_id: str) -> Refusal:
    return Refusal("InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist.")


def was_not_modified_lately(facts: Facts) -> None:
    """Six hours between two changes, of whichever kind: AWS, "Modify a volume using Elastic Volumes operations"."""
    volume = facts.ec2.volumes.get(facts.call.get("VolumeId"))
    made = [one.start_time for one in volume.modifications] if volume is not None else []
    if made and facts.now - made[-1] < MODIFICATIONS_APART:
        raise Refusal(
            "VolumeModificationRateExceeded",
            "You've reached the maximum modification rate per volume limit. Wait at least 6 hours between "
            "modifications per EBS volume.",
        )


def does_not_shrink(facts: Facts) -> None:
    volume = facts.ec2.volumes.get(facts.call.get("VolumeId"))
    size = facts.call.get("Size")
    if volume is not None and size and int(size) < int(volume.size):
        raise Refusal("InvalidParameterValue", "New size cannot be smaller than existing size")


def _volume_and_instance(facts: Facts) -> tuple[Any | None, Any | None]:
    return facts.ec2.volumes.get(facts.call.get("VolumeId")), facts.instance(facts.call.get("InstanceId"))


def is_free(facts: Facts) -> None:
    volume, _ = _volume_and_instance(facts)
    if volume is not None and volume.attachment:
        raise Refusal("VolumeInUse", f"{volume.id} is already attached to an instance")


def is_in_the_instances_zone(facts: Facts) -> None:
    volume, instance = _volume_and_instance(facts)
    if volume is not None and instance is not None and volume.zone.name != instance.availability_zone:
        raise Refusal(
            "InvalidVolume.ZoneMismatch", f"The volume '{volume.id}' is not in the same availability zone as "
            f"instance '{instance.id}'"
        )  # fmt: skip


def instance_can_take_it(facts: Facts) -> None:
    _, instance = _volume_and_instance(facts)
    if instance is not None and instance.state not in ("running", "stopped"):
        raise Refusal("IncorrectState", f"Instance '{instance.id}' is not 'running' or 'stopped'.")


def device_is_free(facts: Facts) -> None:
    _, instance = _volume_and_instance(facts)
    device = facts.call.get("Device")
    if instance is not None and device in instance.block_device_mapping:
        raise Refusal(
            "InvalidParameterValue",
            f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use",
        )


def is_attached(facts: Facts) -> None:
    volume, _ = _volume_and_instance(facts)
    if volume is not None and not volume.attachment:
        raise Refusal("IncorrectState", f"Volume '{volume.id}' is in the 'available' state.")


def is_not_mounted(facts: Facts) -> None:
    """AWS keeps a mounted volume 'busy' until it is unmounted, for ever if need be; the lab says so at once.

    Forced, it goes as it is, with what was not written yet.
    """
    volume, _ = _volume_and_instance(facts)
    if volume is None or not volume.attachment or facts.call.get("Force").lower() == "true":
        return
    instance = volume.attachment.instance
    if instance.state == "running" and facts.mounted(instance.id, volume.id):
        raise Refusal(
            "IncorrectState",
            f"Volume '{volume.id}' is mounted in instance '{instance.id}': AWS would leave it 'busy'. "
            "Unmount it or stop the instance first.",
        )


def is_no_root_volume(facts: Facts) -> None:
    """The lab keeps a machine's root disk in its container, with no file of its own."""
    volume = facts.ec2.volumes.get(facts.call.get("VolumeId"))
    attachment = volume.attachment if volume is not None else None
    if attachment and attachment.device == attachment.instance.root_device_name:
        raise Refusal(
            "UnsupportedOperation",
            f"Volume '{volume.id}' is the root volume of '{attachment.instance.id}': the lab keeps that with "
            "the instance and can neither detach nor copy it.",
        )


STORAGE: dict[str, tuple[Rule, ...]] = {
    "CreateVolume": (size_fits_type, zone_exists, is_completed, holds_its_snapshot),
    "ModifyVolume": (does_not_shrink, size_fits_type, was_not_modified_lately),
    "AttachVolume": (instance_can_take_it, is_free, is_in_the_instances_zone, device_is_free),
    "DetachVolume": (is_attached, is_no_root_volume, is_not_mounted),
    "CreateSnapshot": (is_no_root_volume,),
    "DeleteSnapshot": (snapshot_exists,),
    "DescribeSnapshots": (snapshots_exist,),
}
