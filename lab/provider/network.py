"""The network: aws:ec2 Vpc, Subnet and InternetGateway."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from lab.provider.cloud import Cloud, gone_is_fine, tag_specifications, tag_state
from lab.provider.schema import TAGS, Edit, Prop, ResourceType, always
from lab.provider.values import State

READY_SECONDS = 60.0


def cidr_problem(smallest: int = 32, largest: int = 0) -> Callable[[str], str | None]:
    """A check: an IPv4 network in CIDR form, of a prefix length between `largest` and `smallest`."""

    def problem(text: str) -> str | None:
        try:
            network = ipaddress.IPv4Network(text)
        except ValueError:
            return f"must be an IPv4 network such as 10.0.0.0/16, got {text!r}"
        if largest <= network.prefixlen <= smallest:
            return None
        return f"must have a prefix length from /{largest} to /{smallest}, got {text!r}"

    return problem


# ---- aws:ec2:Vpc

_VPC_ATTRIBUTES = {
    "enableDnsSupport": "EnableDnsSupport",
    "enableDnsHostnames": "EnableDnsHostnames",
    "enableNetworkAddressUsageMetrics": "EnableNetworkAddressUsageMetrics",
}


def _create_vpc(cloud: Cloud, inputs: State) -> str:
    made = cloud.ec2.create_vpc(
        CidrBlock=inputs["cidrBlock"],
        InstanceTenancy=inputs["instanceTenancy"],
        **tag_specifications("vpc", inputs),
    )
    return str(made["Vpc"]["VpcId"])


def _finish_vpc(cloud: Cloud, vpc: str, inputs: State) -> None:
    def available() -> bool:
        found = cloud.find("describe_vpcs", "Vpcs", VpcIds=[vpc])
        return found is not None and found["State"] == "available"

    cloud.wait(f"{vpc} to be available", available, READY_SECONDS)
    for name in _VPC_ATTRIBUTES:
        if name in inputs and _vpc_attribute(cloud, vpc, name) != inputs[name]:
            _set_vpc_attribute(cloud, vpc, name, inputs[name])


def _set_vpc_attribute(cloud: Cloud, vpc: str, name: str, value: bool) -> None:
    cloud.ec2.modify_vpc_attribute(VpcId=vpc, **{_VPC_ATTRIBUTES[name]: {"Value": value}})


def _vpc_attribute(cloud: Cloud, vpc: str, name: str) -> bool:
    found = cloud.ec2.describe_vpc_attribute(VpcId=vpc, Attribute=name)
    return bool(found[_VPC_ATTRIBUTES[name]]["Value"])


def _read_vpc(cloud: Cloud, vpc: str, _known: State) -> State | None:
    found = cloud.find("describe_vpcs", "Vpcs", VpcIds=[vpc])
    if found is None:
        return None
    here = [{"Name": "vpc-id", "Values": [vpc]}]
    main = [*here, {"Name": "association.main", "Values": ["true"]}]
    default = [*here, {"Name": "default", "Values": ["true"]}]
    group = [*here, {"Name": "group-name", "Values": ["default"]}]
    table = id_of(cloud.find("describe_route_tables", "RouteTables", Filters=main), "RouteTableId")
    return {
        "cidrBlock": found["CidrBlock"],
        "instanceTenancy": found["InstanceTenancy"],
        **{name: _vpc_attribute(cloud, vpc, name) for name in _VPC_ATTRIBUTES},
        "arn": cloud.ec2_arn(f"vpc/{vpc}"),
        "defaultNetworkAclId": id_of(
            cloud.find("describe_network_acls", "NetworkAcls", Filters=default), "NetworkAclId"
        ),
        "defaultRouteTableId": table,
        "mainRouteTableId": table,
        "defaultSecurityGroupId": id_of(
            cloud.find("describe_security_groups", "SecurityGroups", Filters=group), "GroupId"
        ),
        "dhcpOptionsId": found.get("DhcpOptionsId", ""),
        "ownerId": found.get("OwnerId", cloud.account),
        "assignGeneratedIpv6CidrBlock": False,
        "ipv6AssociationId": "",
        **tag_state(found.get("Tags")),
    }


def id_of(item: dict[str, Any] | None, key: str) -> str:
    """The id in an API item, or "" where there is no item."""
    return str(item[key]) if item else ""


def _update_vpc(cloud: Cloud, edit: Edit) -> None:
    for name in _VPC_ATTRIBUTES:
        if edit.has(name):
            _set_vpc_attribute(cloud, edit.id, name, edit.news.get(name, False))
    retag(cloud, edit)


def retag(cloud: Cloud, edit: Edit) -> None:
    """The part of an update that is the tags of an EC2 resource."""
    if edit.has("tags"):
        cloud.retag(edit.id, edit.olds.get("tags", {}), edit.news.get("tags", {}))


def _delete_vpc(cloud: Cloud, vpc: str, _state: State) -> None:
    with gone_is_fine():
        cloud.once_free(lambda: cloud.ec2.delete_vpc(VpcId=vpc), "DependencyViolation")


VPC = ResourceType(
    type="aws:ec2/vpc:Vpc",
    props={
        "cidrBlock": Prop(required=True, replaces=always, check=cidr_problem(smallest=28, largest=16)),
        "instanceTenancy": Prop(default="default", choices=("default", "dedicated"), replaces=always),
        "enableDnsSupport": Prop("flag", default=True),
        "enableDnsHostnames": Prop("flag", computed=True),
        "enableNetworkAddressUsageMetrics": Prop("flag", computed=True),
        "tags": TAGS,
    },
    outputs=(
        "arn", "assignGeneratedIpv6CidrBlock", "defaultNetworkAclId", "defaultRouteTableId", "defaultSecurityGroupId",
        "dhcpOptionsId", "ipv6AssociationId", "mainRouteTableId", "ownerId",
    ),
    create=_create_vpc,
    finish=_finish_vpc,
    read=_read_vpc,
    update=_update_vpc,
    delete=_delete_vpc,
)  # fmt: skip


# ---- aws:ec2:Subnet


def _create_subnet(cloud: Cloud, inputs: State) -> str:
    zone = {"AvailabilityZone": inputs["availabilityZone"]} if "availabilityZone" in inputs else {}
    made = cloud.ec2.create_subnet(
        VpcId=inputs["vpcId"], CidrBlock=inputs["cidrBlock"], **zone, **tag_specifications("subnet", inputs)
    )
    return str(made["Subnet"]["SubnetId"])


def _finish_subnet(cloud: Cloud, subnet: str, inputs: State) -> None:
    def available() -> bool:
        found = cloud.find("describe_subnets", "Subnets", SubnetIds=[subnet])
        return found is not None and found["State"] == "available"

    cloud.wait(f"{subnet} to be available", available, READY_SECONDS)
    if inputs["mapPublicIpOnLaunch"]:
        _map_public_ip(cloud, subnet, True)


def _map_public_ip(cloud: Cloud, subnet: str, value: bool) -> None:
    cloud.ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": value})


def _read_subnet(cloud: Cloud, subnet: str, _known: State) -> State | None:
    found = cloud.find("describe_subnets", "Subnets", SubnetIds=[subnet])
    if found is None:
        return None
    return {
        "vpcId": found["VpcId"],
        "cidrBlock": found["CidrBlock"],
        "availabilityZone": found["AvailabilityZone"],
        "availabilityZoneId": found.get("AvailabilityZoneId", ""),
        "mapPublicIpOnLaunch": found["MapPublicIpOnLaunch"],
        "arn": found.get("SubnetArn") or cloud.ec2_arn(f"subnet/{subnet}"),
        "ownerId": found.get("OwnerId", cloud.account),
        "ipv6CidrBlockAssociationId": "",
        **tag_state(found.get("Tags")),
    }


def _update_subnet(cloud: Cloud, edit: Edit) -> None:
    if edit.has("mapPublicIpOnLaunch"):
        _map_public_ip(cloud, edit.id, edit.news["mapPublicIpOnLaunch"])
    retag(cloud, edit)


def _delete_subnet(cloud: Cloud, subnet: str, _state: State) -> None:
    with gone_is_fine():
        cloud.once_free(lambda: cloud.ec2.delete_subnet(SubnetId=subnet), "DependencyViolation")


SUBNET = ResourceType(
    type="aws:ec2/subnet:Subnet",
    props={
        "vpcId": Prop(required=True, replaces=always),
        "cidrBlock": Prop(required=True, replaces=always, check=cidr_problem(smallest=28, largest=16)),
        "availabilityZone": Prop(computed=True, replaces=always),
        "mapPublicIpOnLaunch": Prop("flag", default=False),
        "tags": TAGS,
    },
    outputs=("arn", "availabilityZoneId", "ipv6CidrBlockAssociationId", "ownerId"),
    create=_create_subnet,
    finish=_finish_subnet,
    read=_read_subnet,
    update=_update_subnet,
    delete=_delete_subnet,
)


# ---- aws:ec2:InternetGateway


def _create_gateway(cloud: Cloud, inputs: State) -> str:
    made = cloud.ec2.create_internet_gateway(**tag_specifications("internet-gateway", inputs))
    return str(made["InternetGateway"]["InternetGatewayId"])


def _attached_to(cloud: Cloud, gateway: str) -> str | None:
    found = cloud.find("describe_internet_gateways", "InternetGateways", InternetGatewayIds=[gateway])
    attachments = found["Attachments"] if found else []
    return str(attachments[0]["VpcId"]) if attachments else None


def _finish_gateway(cloud: Cloud, gateway: str, inputs: State) -> None:
    if "vpcId" in inputs and _attached_to(cloud, gateway) is None:
        cloud.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=inputs["vpcId"])


def _detach_gateway(cloud: Cloud, gateway: str) -> None:
    vpc = _attached_to(cloud, gateway)
    if vpc:
        with gone_is_fine("Gateway.NotAttached"):
            cloud.once_free(
                lambda: cloud.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc),
                "DependencyViolation",
            )


def _read_gateway(cloud: Cloud, gateway: str, _known: State) -> State | None:
    found = cloud.find("describe_internet_gateways", "InternetGateways", InternetGatewayIds=[gateway])
    if found is None:
        return None
    return {
        "vpcId": id_of(next(iter(found["Attachments"]), None), "VpcId"),
        "arn": cloud.ec2_arn(f"internet-gateway/{gateway}"),
        "ownerId": found.get("OwnerId", cloud.account),
        **tag_state(found.get("Tags")),
    }


def _update_gateway(cloud: Cloud, edit: Edit) -> None:
    if edit.has("vpcId"):
        _detach_gateway(cloud, edit.id)
        _finish_gateway(cloud, edit.id, edit.news)
    retag(cloud, edit)


def _delete_gateway(cloud: Cloud, gateway: str, _state: State) -> None:
    _detach_gateway(cloud, gateway)
    with gone_is_fine():
        cloud.ec2.delete_internet_gateway(InternetGatewayId=gateway)


INTERNET_GATEWAY = ResourceType(
    type="aws:ec2/internetGateway:InternetGateway",
    props={"vpcId": Prop(computed=True), "tags": TAGS},
    outputs=("arn", "ownerId"),
    create=_create_gateway,
    finish=_finish_gateway,
    read=_read_gateway,
    update=_update_gateway,
    delete=_delete_gateway,
)

TYPES = (VPC, SUBNET, INTERNET_GATEWAY)
