"""Images of machines: what AWS keeps of one, where moto has a 15 GiB placeholder.

A stand-in: an image is the file system of the stopped machine that it was made of, which stays under the machines that
start from it (lab/containers.py), so that making one takes no time. AWS copies the disk to S3, and loads it lazily.
Hence the lab makes images of stopped machines and their root disk alone, and never starts such a machine again.
"""

import json
from datetime import datetime, timedelta
from typing import Any

from moto.ec2.models.amis import Ami

from lab.calls import Call
from lab.faults import Faults
from lab.snapshots import Growing

_SPECIFICATION = "TagSpecification"
_SNAPSHOTS_TAGS = "Lab.SnapshotTags"  # a parameter of ours, which moto passes by


class Baked(Ami):
    """One of moto's that was made of a machine: its root disk is that machine's, in size and encryption."""

    root_gib: int
    encrypted: bool

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        return [
            {
                "DeviceName": self.root_device_name,
                "Ebs": {
                    "SnapshotId": self.ebs_snapshot.id,
                    "VolumeSize": self.root_gib,
                    "DeleteOnTermination": True,
                    "VolumeType": "gp3",
                    "Encrypted": self.encrypted,
                },
            }
        ]


def tags_apart(call: Call) -> bool:
    """Takes the tags of the snapshot out of the call, which moto does not take there; whether there were any."""
    wanted: dict[str, str] = {}
    kept: dict[str, str] = {}
    for specification in call.structures(_SPECIFICATION):
        if specification.get("ResourceType") == "snapshot":
            keys = [key.removesuffix(".Key") for key in specification if key.endswith(".Key")]
            wanted = {specification[f"{key}.Key"]: specification.get(f"{key}.Value", "") for key in keys}
        else:
            at = f"{_SPECIFICATION}.{len({name.split('.')[1] for name in kept}) + 1}"
            kept |= {f"{at}.{key}": value for key, value in specification.items()}
    if not wanted:
        return False
    for name in [name for name in call.parameters if name.startswith(f"{_SPECIFICATION}.")]:
        del call.parameters[name]
    call.parameters.update({**kept, _SNAPSHOTS_TAGS: json.dumps(wanted)})
    return True


def begin(ec2: Any, call: Call, faults: Faults, now: datetime) -> None:
    """The image that moto has just made of a machine: as AWS would have it, and pending as long as its snapshot is."""
    for image in ec2.amis.values():
        if image.instance_id != call.get("InstanceId") or isinstance(image, Baked):
            continue
        machine = image.instance
        root = ec2.volumes[machine.block_device_mapping[machine.root_device_name].volume_id]
        image.__class__ = Baked
        image.state, image.root_device_type = "pending", "ebs"
        image.root_device_name = machine.root_device_name
        image.root_gib, image.encrypted = int(root.size), bool(root.encrypted)
        snapshot = image.ebs_snapshot
        snapshot.__class__ = Growing
        snapshot.volume, snapshot.encrypted = root, image.encrypted
        snapshot.status, snapshot.begun, snapshot.seen = "pending", now, now
        snapshot.due = now + timedelta(seconds=faults.snapshot_seconds)
        snapshot.failure = faults.snapshot_error
        for key, value in json.loads(call.get(_SNAPSHOTS_TAGS) or "{}").items():
            snapshot.add_tag(key, value)


def settle(ec2: Any) -> bool:
    """Ends the pending ones whose snapshot has ended; whether there were any."""
    ended = False
    for image in ec2.amis.values():
        if isinstance(image, Baked) and image.state == "pending" and image.ebs_snapshot.status != "pending":
            image.state = "available" if image.ebs_snapshot.status == "completed" else "failed"
            ended = True
    return ended


def source(ec2: Any, image_id: str) -> str:
    """The machine that an image was made of; empty for Debian's."""
    image = ec2.amis.get(image_id)
    return str(image.instance_id) if isinstance(image, Baked) else ""


def sources(ec2: Any) -> frozenset[str]:
    """The machines that the registered images were made of."""
    return frozenset(str(image.instance_id) for image in ec2.amis.values() if isinstance(image, Baked))
