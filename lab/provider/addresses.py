"""Public addresses: aws:ec2 Eip and EipAssociation."""

from __future__ import annotations

from typing import Any

from lab.provider.cloud import Cloud, given, gone_is_fine, tag_specifications, tag_state
from lab.provider.network import retag
from lab.provider.schema import TAGS, Prop, ResourceType, always, one_of
from lab.provider.values import State

# ---- aws:ec2:Eip (giving it to an instance is a resource of its own, EipAssociation)


def _create_address(cloud: Cloud, inputs: State) -> str:
    made = cloud.ec2.allocate_address(
        Domain=inputs.get("domain", "vpc"), **tag_specifications("elastic-ip", inputs)
    )
    return str(made["AllocationId"])


def _read_address(cloud: Cloud, allocation: str, _known: State) -> State | None:
    found = cloud.find("describe_addresses", "Addresses", AllocationIds=[allocation])
    if found is None:
        return None
    address = found["PublicIp"]
    return {
        "domain": found["Domain"],
        "allocationId": allocation,
        "publicIp": address,
        "publicDns": f"ec2-{address.replace('.', '-')}.{cloud.region}.compute.amazonaws.com",
        "privateIp": found.get("PrivateIpAddress", ""),
        "privateDns": "",
        "instance": found.get("InstanceId", ""),
        "networkInterface": found.get("NetworkInterfaceId", ""),
        "associationId": found.get("AssociationId", ""),
        "networkBorderGroup": found.get("NetworkBorderGroup", ""),
        "publicIpv4Pool": found.get("PublicIpv4Pool", ""),
        "carrierIp": "",
        "customerOwnedIp": "",
        "ptrRecord": "",
        "arn": cloud.ec2_arn(f"elastic-ip/{allocation}"),
        **tag_state(found.get("Tags")),
    }


def _delete_address(cloud: Cloud, allocation: str, _state: State) -> None:
    with gone_is_fine():
        cloud.once_free(
            lambda: cloud.ec2.release_address(AllocationId=allocation),
            "InvalidIPAddress.InUse",
            "DependencyViolation",
        )


EIP = ResourceType(
    type="aws:ec2/eip:Eip",
    props={"domain": Prop(computed=True, choices=("vpc",), replaces=always), "tags": TAGS},
    outputs=(
        "allocationId", "arn", "associationId", "carrierIp", "customerOwnedIp", "instance", "networkBorderGroup",
        "networkInterface", "privateDns", "privateIp", "ptrRecord", "publicDns", "publicIp", "publicIpv4Pool",
    ),
    create=_create_address,
    read=_read_address,
    update=retag,
    delete=_delete_address,
)  # fmt: skip


# ---- aws:ec2:EipAssociation

_TARGET = {
    "instanceId": "InstanceId",
    "networkInterfaceId": "NetworkInterfaceId",
    "privateIpAddress": "PrivateIpAddress",
    "allowReassociation": "AllowReassociation",
}


def _create_association(cloud: Cloud, inputs: State) -> str:
    made = cloud.ec2.associate_address(AllocationId=inputs["allocationId"], **given(inputs, _TARGET))
    return str(made["AssociationId"])


def _find_association(cloud: Cloud, association: str) -> dict[str, Any] | None:
    here = [{"Name": "association-id", "Values": [association]}]
    return cloud.find("describe_addresses", "Addresses", Filters=here)


def _read_association(cloud: Cloud, association: str, _known: State) -> State | None:
    found = _find_association(cloud, association)
    if found is None:
        return None
    return {
        "allocationId": found["AllocationId"],
        "publicIp": found["PublicIp"],
        "instanceId": found.get("InstanceId"),
        "networkInterfaceId": found.get("NetworkInterfaceId"),
        "privateIpAddress": found.get("PrivateIpAddress"),
    }


def _delete_association(cloud: Cloud, association: str, _state: State) -> None:
    with gone_is_fine():
        cloud.ec2.disassociate_address(AssociationId=association)


EIP_ASSOCIATION = ResourceType(
    type="aws:ec2/eipAssociation:EipAssociation",
    props={
        "allocationId": Prop(required=True, replaces=always),
        "instanceId": Prop(computed=True, replaces=always),
        "networkInterfaceId": Prop(computed=True, replaces=always),
        "privateIpAddress": Prop(computed=True, replaces=always),
        "allowReassociation": Prop("flag", kept=True, replaces=always),
    },
    outputs=("publicIp",),
    rules=(one_of("instanceId", "networkInterfaceId"),),
    create=_create_association,
    read=_read_association,
    delete=_delete_association,
)

TYPES = (EIP, EIP_ASSOCIATION)
