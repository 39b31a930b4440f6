"""Takes back what a run that was killed, or a state that was lost, left in AWS.

A resource that the state lacks and that AWS has already, by its type and the tags StackId and Role, is imported instead
of made. Of what the state has, nothing is asked. Left out is what is simply made again: attachments, associations and
the policies of roles, which AWS takes twice, the host's configuration, and the key pair, whose public key AWS does not
give back.
"""

import re
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import ResourceTransformationArgs, ResourceTransformationResult

from infra import lookups, unlisted
from infra.naming import Owner
from infra.state import State

Tags = dict[str, str]
Within = list[Any]
_VPC, _TABLE, _GROUP = (
    "aws:ec2/vpc:Vpc",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/securityGroup:SecurityGroup",
)
_SUBNET = "aws:ec2/subnet:Subnet"


def _gateways(tags: Tags, _: Within) -> list[str]:
    gateway = lookups.found(lambda: aws.ec2.get_internet_gateway(tags=tags))
    return [gateway.internet_gateway_id] if gateway else []


def _rules(tags: Tags, within: Within) -> Sequence[str]:
    return aws.vpc.get_security_group_rules(tags=tags, filters=within).ids


# By the tags, and where one lives in another that is known, in that one only.
_BY_TAGS: dict[str, Callable[[Tags, Within], Sequence[str]]] = {
    _VPC: lambda tags, _: aws.ec2.get_vpcs(tags=tags).ids,
    "aws:ec2/internetGateway:InternetGateway": _gateways,
    _SUBNET: lambda tags, within: aws.ec2.get_subnets(tags=tags, filters=within).ids,
    _TABLE: lambda tags, within: aws.ec2.get_route_tables(tags=tags, filters=within).ids,
    _GROUP: lambda tags, within: aws.ec2.get_security_groups(tags=tags, filters=within).ids,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _rules,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _rules,
    "aws:ec2/eip:Eip": lambda tags, _: aws.ec2.get_eips(tags=tags).allocation_ids,
    "aws:ebs/volume:Volume": lambda tags, _: lookups.data_volumes(tags),
    "aws:ec2/instance:Instance": lambda tags, _: lookups.servers(tags),
    "aws:dlm/lifecyclePolicy:LifecyclePolicy": lambda tags, _: unlisted.lifecycle_policies(tags),
}
_WITHIN = {
    _SUBNET: ("vpc-id", _VPC),
    _TABLE: ("vpc-id", _VPC),
    _GROUP: ("vpc-id", _VPC),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ("group-id", _GROUP),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": ("group-id", _GROUP),
}


def _route(table: str, _: str, props: Any) -> list[str]:
    found = _table(table)
    cidr = props["destination_cidr_block"]
    return [f"{table}_{cidr}"] if found and cidr in {route.cidr_block for route in found.routes} else []


def _association(table: str, subnet: str, _: Any) -> list[str]:
    found = _table(table) if subnet else None
    return (
        [f"{subnet}/{table}"] if found and subnet in {item.subnet_id for item in found.associations} else []
    )


def _table(table: str) -> aws.ec2.GetRouteTableResult | None:
    return lookups.found(lambda: aws.ec2.get_route_table(route_table_id=table)) if table else None


# What has no tags: by its table and subnet, or by a name that holds the stack's id.
_BY_ROUTES: dict[str, Callable[[str, str, Any], list[str]]] = {
    "aws:ec2/route:Route": _route,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _association,
}
_BY_NAME: dict[str, Callable[[Any], Sequence[str]]] = {
    "aws:iam/role:Role": lambda props: aws.iam.get_roles(name_regex=f"^{re.escape(props['name'])}$").names,
    "aws:iam/instanceProfile:InstanceProfile": lambda props: _profiles(props["name"]),
    "aws:scheduler/scheduleGroup:ScheduleGroup": lambda props: unlisted.group(props["name"]),
    "aws:scheduler/schedule:Schedule": lambda props: unlisted.schedule(props["group_name"], props["name"]),
    "aws:budgets/budget:Budget": lambda props: unlisted.budget(props["name"]),
}


def _profiles(name: str) -> list[str]:
    return [name] if lookups.found(lambda: aws.iam.get_instance_profile(name=name)) else []


class Adopter:
    """A transformation of resources, for a stack that AWS may have something of already."""

    def __init__(self, owner: Owner, state: State) -> None:
        self._owner = owner
        self._state = state
        # Of what is there once in a stack, by type. Not every provider gives a resource's id as an output too.
        self._ids = {kind: arn.rpartition("/")[2] for kind, arn in state.values("arn")}

    def __call__(self, args: ResourceTransformationArgs) -> ResourceTransformationResult | None:
        if self._state.knows(args.type_, args.name):
            return None
        fitting = self._fitting(args.type_, args.props)
        if len(fitting) > 1:
            pulumi.warn(
                f"AWS has {len(fitting)} things that could be {args.name} of stack {self._owner.stack} "
                f"({', '.join(sorted(fitting))}): none is taken, another is made beside them; `workbench doctor` "
                "shows what they cost."
            )
        if len(fitting) != 1:
            return None
        opts = copy(args.opts)  # which others of the component may share
        opts.import_ = self._ids[args.type_] = fitting[0]
        return ResourceTransformationResult(args.props, opts)

    def _fitting(self, kind: str, props: Any) -> Sequence[str]:
        if kind in _BY_TAGS:
            name, parent = _WITHIN.get(kind, ("", ""))
            if parent and not self._ids.get(parent):
                return []  # what it would live in has yet to be made
            within = [{"name": name, "values": [self._ids[parent]]}] if parent else []
            return _BY_TAGS[kind](self._owner.found_by(props["tags"]["Role"]), within)
        if kind in _BY_ROUTES:
            return _BY_ROUTES[kind](self._ids.get(_TABLE, ""), self._ids.get(_SUBNET, ""), props)
        if kind in _BY_NAME:
            return _BY_NAME[kind](props)
        return []
