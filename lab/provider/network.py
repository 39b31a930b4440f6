"""The network: aws:ec2 Vpc, Subnet, InternetGateway, RouteTable, Route, RouteTableAssociation, Eip, EipAssociation.

What the columns mean is said in schema.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from lab.provider.schema import TAGS, Call, Prop, ResourceType, ec2_tags


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


VPC = ResourceType(
    type="aws:ec2/vpc:Vpc",
    props={
        "cidrBlock": Prop("CidrBlock", required=True, replaces=True, check=cidr_problem(28, 16)),
        "enableDnsHostnames": Prop("EnableDnsHostnames", "flag", computed=True, late=True),
        "tags": TAGS,
    },
    create="ec2.create_vpc -> Vpc.VpcId",
    read=(
        "ec2.describe_vpcs {VpcIds: [id]} -> Vpcs[0]",
        """ec2.describe_vpc_attribute {VpcId: id, Attribute: 'enableDnsHostnames'}
            -> {EnableDnsHostnames: EnableDnsHostnames.Value}""",
    ),
    outputs="{arn: join('', [ec2, 'vpc/', VpcId]), instanceTenancy: InstanceTenancy, ownerId: OwnerId}",
    ready="State == 'available'",
    settings={
        "enableDnsHostnames": """ec2.modify_vpc_attribute
            {VpcId: id, EnableDnsHostnames: {Value: enableDnsHostnames || `false`}}"""
    },
    tags=ec2_tags("vpc"),
    delete="ec2.delete_vpc {VpcId: id}",
)

SUBNET = ResourceType(
    type="aws:ec2/subnet:Subnet",
    props={
        "vpcId": Prop("VpcId", required=True, replaces=True),
        "cidrBlock": Prop("CidrBlock", required=True, replaces=True, check=cidr_problem(28, 16)),
        "availabilityZone": Prop("AvailabilityZone", computed=True, replaces=True),
        "tags": TAGS,
    },
    create="ec2.create_subnet -> Subnet.SubnetId",
    read="ec2.describe_subnets {SubnetIds: [id]} -> Subnets[0]",
    outputs="{arn: join('', [ec2, 'subnet/', SubnetId]), availabilityZoneId: AvailabilityZoneId, ownerId: OwnerId}",
    ready="State == 'available'",
    tags=ec2_tags("subnet"),
    delete="ec2.delete_subnet {SubnetId: id}",
)

_DETACH = Call(
    "ec2.detach_internet_gateway {InternetGatewayId: id, VpcId: found.Attachments[0].VpcId}",
    when="found.Attachments",
)
INTERNET_GATEWAY = ResourceType(
    type="aws:ec2/internetGateway:InternetGateway",
    props={"vpcId": Prop(read="Attachments[0].VpcId || ''", computed=True, late=True), "tags": TAGS},
    create="ec2.create_internet_gateway -> InternetGateway.InternetGatewayId",
    read="ec2.describe_internet_gateways {InternetGatewayIds: [id]} -> InternetGateways[0]",
    outputs="{arn: join('', [ec2, 'internet-gateway/', InternetGatewayId]), ownerId: OwnerId}",
    settings={
        "vpcId": (
            _DETACH,
            Call("ec2.attach_internet_gateway {InternetGatewayId: id, VpcId: vpcId}", when="vpcId"),
        )
    },
    tags=ec2_tags("internet-gateway"),
    delete=(_DETACH, "ec2.delete_internet_gateway {InternetGatewayId: id}"),
)

# Its routes are resources of their own: inline `routes` are refused.
ROUTE_TABLE = ResourceType(
    type="aws:ec2/routeTable:RouteTable",
    props={"vpcId": Prop("VpcId", required=True, replaces=True), "tags": TAGS},
    create="ec2.create_route_table -> RouteTable.RouteTableId",
    read="ec2.describe_route_tables {RouteTableIds: [id]} -> RouteTables[0]",
    outputs="{arn: join('', [ec2, 'route-table/', RouteTableId]), ownerId: OwnerId, routes: "
    "Routes[?GatewayId != 'local'].{cidrBlock: DestinationCidrBlock, gatewayId: GatewayId}}",
    tags=ec2_tags("route-table"),
    delete="ec2.delete_route_table {RouteTableId: id}",
)

_ROUTE = "RouteTableId: routeTableId, DestinationCidrBlock: destinationCidrBlock"
ROUTE = ResourceType(
    type="aws:ec2/route:Route",
    props={
        "routeTableId": Prop("RouteTableId", read="known.routeTableId", required=True, replaces=True),
        "destinationCidrBlock": Prop(
            "DestinationCidrBlock", required=True, replaces=True, check=cidr_problem()
        ),
        "gatewayId": Prop("GatewayId", required=True),
    },
    create="ec2.create_route",
    id="join('', ['r-', routeTableId, crc32(destinationCidrBlock)])",
    imports="{routeTableId}_{destinationCidrBlock}",
    read=Call(
        "ec2.describe_route_tables {RouteTableIds: [routeTableId]} -> RouteTables[0].Routes",
        match={"DestinationCidrBlock": "destinationCidrBlock"},
    ),
    outputs="{origin: Origin, state: State}",
    settings={"gatewayId": f"ec2.replace_route {{{_ROUTE}, GatewayId: gatewayId}}"},
    delete=f"ec2.delete_route {{{_ROUTE}}}",
)

# Looked for by its subnet, because giving that another table changes the id.
ROUTE_TABLE_ASSOCIATION = ResourceType(
    type="aws:ec2/routeTableAssociation:RouteTableAssociation",
    props={
        "routeTableId": Prop("RouteTableId", required=True),
        "subnetId": Prop("SubnetId", required=True, replaces=True),
    },
    create="ec2.associate_route_table -> AssociationId",
    id="RouteTableAssociationId",
    imports="{subnetId}/{routeTableId}",
    read=Call(
        """ec2.describe_route_tables {Filters: [{Name: 'association.subnet-id', Values: [subnetId]}]}
            -> RouteTables[].Associations[]""",
        match={"SubnetId": "subnetId"},
    ),
    settings={
        "routeTableId": """ec2.replace_route_table_association
            {AssociationId: found.RouteTableAssociationId, RouteTableId: routeTableId}"""
    },
    delete="ec2.disassociate_route_table {AssociationId: found.RouteTableAssociationId}",
)

# Giving it to an instance is a resource of its own, EipAssociation.
EIP = ResourceType(
    type="aws:ec2/eip:Eip",
    props={"domain": Prop("Domain", computed=True, choices=("vpc",), replaces=True), "tags": TAGS},
    create="ec2.allocate_address -> AllocationId",
    read="ec2.describe_addresses {AllocationIds: [id]} -> Addresses[0]",
    outputs="{allocationId: AllocationId, arn: join('', [ec2, 'elastic-ip/', AllocationId]), "
    "associationId: AssociationId || '', instance: InstanceId || '', publicIp: PublicIp}",
    tags=ec2_tags("elastic-ip"),
    delete="ec2.release_address {AllocationId: id}",
)

EIP_ASSOCIATION = ResourceType(
    type="aws:ec2/eipAssociation:EipAssociation",
    props={
        "allocationId": Prop("AllocationId", required=True, replaces=True),
        "instanceId": Prop("InstanceId", required=True, replaces=True),
    },
    create="ec2.associate_address -> AssociationId",
    read="ec2.describe_addresses {Filters: [{Name: 'association-id', Values: [id]}]} -> Addresses[0]",
    outputs="{publicIp: PublicIp, networkInterfaceId: NetworkInterfaceId, privateIpAddress: PrivateIpAddress}",
    delete="ec2.disassociate_address {AssociationId: id}",
)

TYPES = (
    VPC, SUBNET, INTERNET_GATEWAY, ROUTE_TABLE, ROUTE, ROUTE_TABLE_ASSOCIATION, EIP, EIP_ASSOCIATION
)  # fmt: skip
