"""What AWS does along with a call and moto leaves out: done to moto's memory right after moto's part.

And, in `complete`, what AWS finds out by itself and moto wants to be told.
"""

import copy
from collections.abc import Callable
from datetime import datetime
from typing import Any

from moto.ec2.utils import random_ip

from lab import images
from lab.calls import Call

GP3_MIB_A_SECOND = 125


def measure_throughput(ec2: Any, _call: Call) -> None:
    """A gp3 volume has the throughput that it begins with unless another was asked for; no other type tells one."""
    for volume in ec2.volumes.values():
        if volume.volume_type == "gp3" and not volume.throughput:
            volume.throughput = GP3_MIB_A_SECOND


def run_instances(ec2: Any, call: Call) -> None:
    """The root volume is at the image's root device, is always there, and goes with the instance by default."""
    told = {mapping.get("DeviceName"): mapping for mapping in call.structures("BlockDeviceMapping")}
    for instance in ec2.all_instances():
        if hasattr(instance, "amended"):
            continue
        instance.amended = True
        instance.lower = images.source(ec2, instance.image_id)
        mapping, root = instance.block_device_mapping, instance.root_device_name
        if root not in mapping and "/dev/sda1" in mapping:  # moto's own default, whatever the image says
            mapping[root] = mapping.pop("/dev/sda1")
            ec2.volumes[mapping[root].volume_id].attachment.device = root
        elif root not in mapping:
            instance.add_block_device(8, root, None, False, True, None, "gp3")
        kept = {
            nic.get("DeviceIndex", "0") for nic in call.structures("NetworkInterface") if keeps_interface(nic)
        }
        for index, nic in instance.nics.items():
            nic.delete_on_termination = str(index) not in kept
        stays = told.get(root, {}).get("Ebs.DeleteOnTermination", "true").lower() == "false"
        mapping[root].delete_on_termination = not stays
    measure_throughput(ec2, call)
    give_addresses(ec2, call)


def give_addresses(ec2: Any, _call: Call) -> None:
    """The public addresses that come with instances are this machine's, as moto's Elastic IPs are."""
    for instance in ec2.all_instances():
        nic = instance.nics[0]
        if nic.public_ip and not nic.public_ip.startswith("127."):
            nic.public_ip = random_ip()


def keeps_interface(asked: dict[str, str]) -> bool:
    """Whether a network interface outlives its instance: one that was there before, or is told to."""
    return "NetworkInterfaceId" in asked or asked.get("DeleteOnTermination", "").lower() == "false"


def terminate_instances(ec2: Any, call: Call) -> None:
    """An Elastic IP leaves an instance that is terminated, which may be terminated a second time.

    Source: AWS, API Reference, TerminateInstances: "each call succeeds". Who was not answered in time asks again.
    """
    gone = set(call.all("InstanceId"))
    for instance in ec2.all_instances():
        for nic in instance.nics.values() if instance.id in gone else ():
            nic.delete_on_termination = False  # moto has deleted it, and would delete it again
    for address in ec2.addresses:
        if address.instance is not None and address.instance.id in gone:
            ec2.disassociate_address(address=address.public_ip)


def modify_groups(ec2: Any, call: Call) -> None:
    """An instance's groups are those of its first interface, and replaced, not added to."""
    instance = next((i for i in ec2.all_instances() if i.id == call.get("InstanceId")), None)
    if instance is not None and call.all("GroupId"):
        instance.nics[0]._group_set = list(instance.security_groups)
    nic = ec2.enis.get(call.get("NetworkInterfaceId"))
    if nic is not None and call.all("SecurityGroupId"):
        nic._group_set = [
            ec2.get_security_group_from_id(group_id) for group_id in call.all("SecurityGroupId")
        ]
        if nic.instance is not None and nic.device_index == 0:
            nic.instance.security_groups = list(nic._group_set)


def freeze_snapshots(ec2: Any, call: Call) -> None:
    """A snapshot keeps the size that its volume had, and a copied one comes from a snapshot."""
    for snapshot in ec2.snapshots.values():
        if not hasattr(snapshot, "frozen"):
            snapshot.frozen = True
            snapshot.volume = copy.copy(snapshot.volume)
            if call.action == "CopySnapshot":
                snapshot.copied_from = call.get("SourceSnapshotId")


def date_modification(ec2: Any, call: Call, now: datetime) -> None:
    """The last change of a volume was made now, by the lab's clock."""
    modification = ec2.volumes[call.get("VolumeId")].modifications[-1]
    modification.start_time = modification.end_time = now


def forget_deleted_records(route53: Any) -> None:
    """A record that was deleted can be made again: moto takes it for one that is there, by its journal of changes."""
    for zone in route53.zones.values():
        there = {(record.name.strip("."), record.type) for record in zone.rrsets}
        zone.rr_changes[:] = [
            change
            for change in zone.rr_changes
            if (change["ResourceRecordSet"]["Name"], change["ResourceRecordSet"]["Type"]) in there
        ]


def complete(ec2: Any, call: Call) -> bool:
    """Add the parameters that moto insists on; True when there were any."""
    if call.action == "CreateImage":
        return images.tags_apart(call)
    if call.action == "DetachVolume" and not call.get("InstanceId"):
        volume = ec2.volumes.get(call.get("VolumeId"))
        if volume is not None and volume.attachment:
            call.parameters["InstanceId"] = volume.attachment.instance.id
            return True
    return False


AMENDMENTS: dict[str, Callable[[Any, Call], None]] = {
    "RunInstances": run_instances,
    "StartInstances": give_addresses,
    "TerminateInstances": terminate_instances,
    "ModifyInstanceAttribute": modify_groups,
    "ModifyNetworkInterfaceAttribute": modify_groups,
    "CreateVolume": measure_throughput,
    "ModifyVolume": measure_throughput,
    "CreateSnapshot": freeze_snapshots,
    "CreateSnapshots": freeze_snapshots,
    "CopySnapshot": freeze_snapshots,
}
