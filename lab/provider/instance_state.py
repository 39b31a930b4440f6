"""What an instance is like: reading aws:ec2 Instance."""

from __future__ import annotations

import base64
from typing import Any

from lab.provider.cloud import Cloud, tag_map, tag_state
from lab.provider.power import find_instance
from lab.provider.values import State

METADATA = {
    "httpEndpoint": "HttpEndpoint",
    "httpProtocolIpv6": "HttpProtocolIpv6",
    "httpPutResponseHopLimit": "HttpPutResponseHopLimit",
    "httpTokens": "HttpTokens",
    "instanceMetadataTags": "InstanceMetadataTags",
}
# Attributes that modify_instance_attribute sets one at a time, while the instance runs.
ATTRIBUTES = {
    "disableApiStop": "DisableApiStop",
    "disableApiTermination": "DisableApiTermination",
    "sourceDestCheck": "SourceDestCheck",
}


def read_instance(cloud: Cloud, instance: str, known: State) -> State | None:
    """The inputs and outputs of an instance as they are, or None when there is none."""
    found = find_instance(cloud, instance)
    if found is None:
        return None
    return {
        "ami": found["ImageId"],
        "instanceType": found["InstanceType"],
        "keyName": found.get("KeyName"),
        "availabilityZone": found["Placement"]["AvailabilityZone"],
        "ebsOptimized": found.get("EbsOptimized", False),
        "iamInstanceProfile": _profile(cloud, found),
        "sourceDestCheck": found.get("SourceDestCheck", True),
        "metadataOptions": _metadata(found),
        "disableApiStop": _attribute(cloud, instance, "disableApiStop"),
        "disableApiTermination": _attribute(cloud, instance, "disableApiTermination"),
        "rootBlockDevice": _read_root(cloud, found),
        "arn": cloud.ec2_arn(f"instance/{instance}"),
        "instanceState": found["State"]["Name"],
        "tenancy": found["Placement"].get("Tenancy", "default"),
        **_read_network(found),
        **_read_user_data(cloud, instance, known),
        **tag_state(found.get("Tags")),
    }


def _metadata(found: dict[str, Any]) -> State:
    return {ours: found.get("MetadataOptions", {}).get(theirs) for ours, theirs in METADATA.items()}


def _profile(cloud: Cloud, found: dict[str, Any]) -> str:
    """The name of its profile; asked of the association too, since moto forgets to change the instance itself."""
    held = profile_association(cloud, found["InstanceId"]) or found
    return str(held.get("IamInstanceProfile", {}).get("Arn", "")).rpartition("/")[2]


def profile_association(cloud: Cloud, instance: str) -> dict[str, Any] | None:
    """The association of an instance with its profile, if it has one."""
    here = [{"Name": "instance-id", "Values": [instance]}]
    found = cloud.ec2.describe_iam_instance_profile_associations(Filters=here)[
        "IamInstanceProfileAssociations"
    ]
    active = [item for item in found if item["State"] in ("associating", "associated")]
    return dict(active[0]) if active else None


def _attribute(cloud: Cloud, instance: str, name: str) -> bool:
    found = cloud.ec2.describe_instance_attribute(InstanceId=instance, Attribute=name)
    return str(found[ATTRIBUTES[name]].get("Value", False)).lower() == "true"


def _read_network(found: dict[str, Any]) -> State:
    interfaces = found.get("NetworkInterfaces", [])
    primary = interfaces[0] if interfaces else {}
    return {
        "subnetId": found.get("SubnetId", ""),
        "vpcSecurityGroupIds": [group["GroupId"] for group in found.get("SecurityGroups", [])],
        "securityGroups": [],
        "associatePublicIpAddress": bool(primary.get("Association")),
        "primaryNetworkInterfaceId": primary.get("NetworkInterfaceId", ""),
        "privateIp": found.get("PrivateIpAddress", ""),
        "privateDns": found.get("PrivateDnsName", ""),
        "publicIp": found.get("PublicIpAddress", ""),
        "publicDns": found.get("PublicDnsName", ""),
        "ipv6Addresses": [],
        "secondaryPrivateIps": [],
    }


def _read_user_data(cloud: Cloud, instance: str, known: State) -> State:
    found = cloud.ec2.describe_instance_attribute(InstanceId=instance, Attribute="userData")
    encoded = found.get("UserData", {}).get("Value") or ""
    if "userDataBase64" in known:
        return {"userDataBase64": encoded}
    try:
        return {"userData": base64.b64decode(encoded).decode()}
    except ValueError:  # bytes that are no text
        return {"userDataBase64": encoded}


def root_device(found: dict[str, Any]) -> dict[str, Any] | None:
    """The block device that a described instance boots from."""
    devices = found.get("BlockDeviceMappings", [])
    return next((item for item in devices if item["DeviceName"] == found.get("RootDeviceName")), None)


def _read_root(cloud: Cloud, found: dict[str, Any]) -> State | None:
    device = root_device(found)
    volume = (
        cloud.find("describe_volumes", "Volumes", VolumeIds=[device["Ebs"]["VolumeId"]]) if device else None
    )
    if device is None or volume is None:
        return None
    return {
        "deleteOnTermination": device["Ebs"]["DeleteOnTermination"],
        "deviceName": device["DeviceName"],
        "encrypted": volume["Encrypted"],
        "iops": volume.get("Iops"),
        "kmsKeyId": volume.get("KmsKeyId"),
        "throughput": volume.get("Throughput"),
        "volumeId": volume["VolumeId"],
        "volumeSize": volume["Size"],
        "volumeType": volume["VolumeType"],
        "tags": tag_map(volume.get("Tags")),
        "tagsAll": tag_map(volume.get("Tags")),
    }
