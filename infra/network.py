"""The network: a VPC with one public subnet in the pinned zone."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import naming
from infra.naming import Owner


@dataclass(frozen=True)
class NetworkArgs:
    """Where the network lies: the stack for the tags, the availability zone of its subnet."""

    owner: Owner
    zone: str


class Network(pulumi.ComponentResource):
    """VPC, subnet, internet gateway and the route to it."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("workbench:infra:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        vpc = aws.ec2.Vpc(
            "vpc",
            cidr_block=naming.VPC_CIDR,
            enable_dns_hostnames=True,
            tags=args.owner.tags("network"),
            opts=child,
        )
        gateway = aws.ec2.InternetGateway(
            "gateway", vpc_id=vpc.id, tags=args.owner.tags("gateway"), opts=child
        )
        subnet = aws.ec2.Subnet(
            "subnet",
            vpc_id=vpc.id,
            cidr_block=naming.SUBNET_CIDR,
            availability_zone=args.zone,
            tags=args.owner.tags("subnet"),
            opts=child,
        )
        routes = aws.ec2.RouteTable("routes", vpc_id=vpc.id, tags=args.owner.tags("routes"), opts=child)
        out = aws.ec2.Route(
            "internet",
            route_table_id=routes.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=child,
        )
        linked = aws.ec2.RouteTableAssociation(
            "subnet-routes", subnet_id=subnet.id, route_table_id=routes.id, opts=child
        )
        self.vpc_id = vpc.id
        self.subnet_id = subnet.id
        # An address is only reachable once the way out exists; who needs it depends on this.
        self.connected: list[pulumi.Resource] = [out, linked]
        self.register_outputs({"vpcId": vpc.id, "subnetId": subnet.id})
