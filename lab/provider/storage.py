"""Disks: aws:ebs Volume and Snapshot, aws:ec2 VolumeAttachment."""

from __future__ import annotations

import re
import zlib
from typing import Any

from lab.provider.cloud import Cloud, given, gone_is_fine, tag_list, tag_specifications, tag_state
from lab.provider.network import retag
from lab.provider.power import stop_instance
from lab.provider.schema import TAGS, Edit, Prop, ResourceType, always
from lab.provider.values import State
from workbench.errors import WorkbenchError

VOLUME_TYPES = ("standard", "io1", "io2", "gp2", "gp3", "sc1", "st1")
VOLUME_SECONDS = 120.0
# A snapshot copies the whole volume.
SNAPSHOT_SECONDS = 900.0

# ---- aws:ebs:Volume

_PERFORMANCE = {"size": "Size", "iops": "Iops", "throughput": "Throughput"}


def _size_rule(inputs: State) -> str | None:
    return None if "size" in inputs or "snapshotId" in inputs else "size or snapshotId is needed"


def _create_volume(cloud: Cloud, inputs: State) -> str:
    names = {
        **_PERFORMANCE,
        "availabilityZone": "AvailabilityZone",
        "type": "VolumeType",
        "encrypted": "Encrypted",
        "kmsKeyId": "KmsKeyId",
        "snapshotId": "SnapshotId",
        "multiAttachEnabled": "MultiAttachEnabled",
    }
    made = cloud.ec2.create_volume(**given(inputs, names), **tag_specifications("volume", inputs))
    return str(made["VolumeId"])


def _find_volume(cloud: Cloud, volume: str) -> dict[str, Any] | None:
    return cloud.find("describe_volumes", "Volumes", VolumeIds=[volume])


def _finish_volume(cloud: Cloud, volume: str, _inputs: State) -> None:
    def ready() -> bool:
        found = _find_volume(cloud, volume)
        return found is not None and found["State"] in ("available", "in-use")

    cloud.wait(f"{volume} to be available", ready, VOLUME_SECONDS)


def _read_volume(cloud: Cloud, volume: str, _known: State) -> State | None:
    found = _find_volume(cloud, volume)
    if found is None or found["State"] in ("deleting", "deleted"):
        return None
    return {
        "availabilityZone": found["AvailabilityZone"],
        "size": found["Size"],
        "type": found["VolumeType"],
        "iops": found.get("Iops"),
        "throughput": found.get("Throughput"),
        "encrypted": found["Encrypted"],
        "kmsKeyId": found.get("KmsKeyId"),
        "snapshotId": found.get("SnapshotId"),
        "multiAttachEnabled": found.get("MultiAttachEnabled", False),
        "outpostArn": "",
        "createTime": found["CreateTime"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "arn": cloud.ec2_arn(f"volume/{volume}"),
        **tag_state(found.get("Tags")),
    }


def modify_volume(cloud: Cloud, volume: str, wanted: dict[str, Any]) -> None:
    """Give a volume another size (GiB), type, iops or throughput (MiB/s), named as the API names them."""
    cloud.ec2.modify_volume(VolumeId=volume, **wanted)

    def under_way() -> bool:
        found = cloud.ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"]
        # While it is "optimizing" the new size can be used already.
        return all(item["ModificationState"] in ("optimizing", "completed") for item in found[-1:])

    cloud.wait(f"the change of {volume}", under_way, VOLUME_SECONDS)


def _update_volume(cloud: Cloud, edit: Edit) -> None:
    names = {**_PERFORMANCE, "type": "VolumeType"}
    wanted = {
        theirs: edit.news[ours] for ours, theirs in names.items() if edit.has(ours) and ours in edit.news
    }
    if wanted:
        modify_volume(cloud, edit.id, wanted)
    retag(cloud, edit)


def _delete_volume(cloud: Cloud, volume: str, state: State) -> None:
    if _find_volume(cloud, volume) is None:
        return
    if state.get("finalSnapshot"):
        tags = [{"ResourceType": "snapshot", "Tags": tag_list(state["tags"])}] if state.get("tags") else []
        snapshot = cloud.ec2.create_snapshot(VolumeId=volume, TagSpecifications=tags)["SnapshotId"]
        _finish_snapshot(cloud, snapshot, {})
    with gone_is_fine():
        cloud.once_free(lambda: cloud.ec2.delete_volume(VolumeId=volume), "VolumeInUse")
    cloud.wait(f"{volume} to be deleted", lambda: _read_volume(cloud, volume, {}) is None, VOLUME_SECONDS)


VOLUME = ResourceType(
    type="aws:ebs/volume:Volume",
    props={
        "availabilityZone": Prop(required=True, replaces=always),
        "size": Prop("number", computed=True),
        "type": Prop(computed=True, choices=VOLUME_TYPES),
        "iops": Prop("number", computed=True),
        "throughput": Prop("number", computed=True),
        "encrypted": Prop("flag", computed=True, replaces=always),
        "kmsKeyId": Prop(computed=True, replaces=always),
        "snapshotId": Prop(computed=True, replaces=always),
        "multiAttachEnabled": Prop("flag", replaces=always),
        "finalSnapshot": Prop("flag", kept=True),
        "tags": TAGS,
    },
    outputs=("arn", "createTime", "outpostArn"),
    rules=(_size_rule,),
    create=_create_volume,
    finish=_finish_volume,
    read=_read_volume,
    update=_update_volume,
    delete=_delete_volume,
)


# ---- aws:ebs:Snapshot


def _create_snapshot(cloud: Cloud, inputs: State) -> str:
    described = given(inputs, {"description": "Description"})
    made = cloud.ec2.create_snapshot(
        VolumeId=inputs["volumeId"], **described, **tag_specifications("snapshot", inputs)
    )
    return str(made["SnapshotId"])


def _find_snapshot(cloud: Cloud, snapshot: str) -> dict[str, Any] | None:
    return cloud.find("describe_snapshots", "Snapshots", SnapshotIds=[snapshot])


def _finish_snapshot(cloud: Cloud, snapshot: str, _inputs: State) -> None:
    def completed() -> bool:
        found = _find_snapshot(cloud, snapshot)
        if found is not None and found["State"] == "error":
            raise WorkbenchError(f"{snapshot} failed: {found.get('StateMessage', 'no reason given')}")
        return found is not None and found["State"] == "completed"

    cloud.wait(f"{snapshot} to be completed", completed, SNAPSHOT_SECONDS)


def _read_snapshot(cloud: Cloud, snapshot: str, _known: State) -> State | None:
    found = _find_snapshot(cloud, snapshot)
    if found is None:
        return None
    return {
        "volumeId": found["VolumeId"],
        "description": found.get("Description", ""),
        "volumeSize": found["VolumeSize"],
        "encrypted": found["Encrypted"],
        "kmsKeyId": found.get("KmsKeyId", ""),
        "dataEncryptionKeyId": "",
        "ownerId": found.get("OwnerId", cloud.account),
        "ownerAlias": found.get("OwnerAlias", ""),
        "storageTier": found.get("StorageTier", "standard"),
        "arn": cloud.ec2_arn(f"snapshot/{snapshot}"),
        **tag_state(found.get("Tags")),
    }


def _delete_snapshot(cloud: Cloud, snapshot: str, _state: State) -> None:
    with gone_is_fine():
        cloud.ec2.delete_snapshot(SnapshotId=snapshot)


SNAPSHOT = ResourceType(
    type="aws:ebs/snapshot:Snapshot",
    props={
        "volumeId": Prop(required=True, replaces=always),
        "description": Prop(replaces=always),
        "tags": TAGS,
    },
    outputs=(
        "arn", "dataEncryptionKeyId", "encrypted", "kmsKeyId", "ownerAlias", "ownerId", "storageTier", "volumeSize",
    ),
    create=_create_snapshot,
    finish=_finish_snapshot,
    read=_read_snapshot,
    update=retag,
    delete=_delete_snapshot,
)  # fmt: skip


# ---- aws:ec2:VolumeAttachment


def _attachment_id(device: str, instance: str, volume: str) -> str:
    # As the real provider makes it.
    return f"vai-{zlib.crc32(f'{device}-{instance}-{volume}-'.encode())}"


def _attachment(cloud: Cloud, state: State) -> dict[str, Any] | None:
    found = _find_volume(cloud, state["volumeId"])
    for item in found["Attachments"] if found else []:
        if (item["InstanceId"], item["Device"]) == (state["instanceId"], state["deviceName"]):
            return dict(item)
    return None


def _attach(cloud: Cloud, inputs: State) -> str:
    device, instance, volume = inputs["deviceName"], inputs["instanceId"], inputs["volumeId"]
    if _attachment(cloud, inputs) is None:
        cloud.ec2.attach_volume(Device=device, InstanceId=instance, VolumeId=volume)
    return _attachment_id(device, instance, volume)


def _finish_attachment(cloud: Cloud, _id: str, inputs: State) -> None:
    def attached() -> bool:
        found = _attachment(cloud, inputs)
        return found is not None and found["State"] == "attached"

    cloud.wait(f"{inputs['volumeId']} to be attached to {inputs['instanceId']}", attached, VOLUME_SECONDS)


_IMPORTED = re.compile(r"(?P<deviceName>[^:]+):(?P<volumeId>vol-[^:]+):(?P<instanceId>i-[^:]+)")


def _read_attachment(cloud: Cloud, attachment: str, known: State) -> State | None:
    match = _IMPORTED.fullmatch(attachment)
    if known:
        state = {name: known[name] for name in _IMPORTED.groupindex}
    elif match:
        state = match.groupdict()
    else:
        raise WorkbenchError(
            f"to import an attachment give DEVICE_NAME:VOLUME_ID:INSTANCE_ID, not {attachment!r}"
        )
    found = _attachment(cloud, state)
    if found is None or found["State"] in ("detaching", "detached"):
        return None
    return {"id": _attachment_id(state["deviceName"], state["instanceId"], state["volumeId"]), **state}


def _detach(cloud: Cloud, _id: str, state: State) -> None:
    if state.get("skipDestroy") or _attachment(cloud, state) is None:
        return
    volume, instance = state["volumeId"], state["instanceId"]
    if state.get("stopInstanceBeforeDetaching"):
        stop_instance(cloud, instance)
    with gone_is_fine("IncorrectState"):
        cloud.ec2.detach_volume(
            Device=state["deviceName"],
            InstanceId=instance,
            VolumeId=volume,
            Force=bool(state.get("forceDetach")),
        )
    cloud.wait(
        f"{volume} to be detached from {instance}", lambda: _attachment(cloud, state) is None, VOLUME_SECONDS
    )


VOLUME_ATTACHMENT = ResourceType(
    type="aws:ec2/volumeAttachment:VolumeAttachment",
    props={
        "deviceName": Prop(required=True, replaces=always),
        "instanceId": Prop(required=True, replaces=always),
        "volumeId": Prop(required=True, replaces=always),
        "forceDetach": Prop("flag", kept=True),
        "skipDestroy": Prop("flag", kept=True),
        "stopInstanceBeforeDetaching": Prop("flag", kept=True),
    },
    outputs=(),
    create=_attach,
    finish=_finish_attachment,
    read=_read_attachment,
    delete=_detach,
)

TYPES = (VOLUME, SNAPSHOT, VOLUME_ATTACHMENT)
