"""Networks: nothing goes while something else needs it."""

from typing import Any

from lab.rules.common import Facts, Refusal, Rule

ADDRESSES = 5  # Elastic IPs of an account in a region, unless AWS was asked for more. Source: AWS, "Amazon VPC quotas"


def _in_use(kind: str, resource_id: str) -> Refusal:
    return Refusal(
        "DependencyViolation", f"The {kind} '{resource_id}' has dependencies and cannot be deleted."
    )


def _interfaces(facts: Facts) -> list[Any]:
    """Network interfaces that exist, those of instances included."""
    of_instances = [nic for instance in facts.instances() for nic in instance.nics.values()]
    return of_instances + [nic for nic in facts.ec2.enis.values() if nic not in of_instances]


def group_is_unused(facts: Facts) -> None:
    group_id = facts.call.get("GroupId")
    group = facts.ec2.get_security_group_from_id(group_id)
    if group is None:
        return
    if group.name == "default":
        raise Refusal(
            "CannotDelete", f'the specified group: "{group_id}" name: "default" cannot be deleted by a user'
        )
    used = {used.id for nic in _interfaces(facts) for used in nic.group_set}
    used |= {used.id for instance in facts.instances() for used in instance.security_groups}
    others = [g for groups in facts.ec2.groups.values() for g in groups.values() if g.id != group_id]
    named = {rule.source_group.get("GroupId") for g in others for rule in [*g.ingress_rules, *g.egress_rules]}
    if group_id in used or group_id in named:
        raise Refusal("DependencyViolation", f"resource {group_id} has a dependent object")


def subnet_is_empty(facts: Facts) -> None:
    subnet_id = facts.call.get("SubnetId")
    if any(nic.subnet.id == subnet_id for nic in _interfaces(facts)):
        raise _in_use("subnet", subnet_id)


def network_is_empty(facts: Facts) -> None:
    vpc_id = facts.call.get("VpcId")
    if vpc_id not in facts.ec2.vpcs:
        return
    gateways = [
        gateway
        for gateway in facts.ec2.internet_gateways.values()
        if gateway.vpc and gateway.vpc.id == vpc_id
    ]
    groups = [group for group in facts.ec2.groups.get(vpc_id, {}).values() if group.name != "default"]
    subnets = [
        subnet for zone in facts.ec2.subnets.values() for subnet in zone.values() if subnet.vpc_id == vpc_id
    ]
    if gateways or groups or subnets:
        raise _in_use("vpc", vpc_id)


def gateway_serves_no_address(facts: Facts) -> None:
    vpc_id = facts.call.get("VpcId")
    mapped = [nic for nic in _interfaces(facts) if nic.public_ip and nic.subnet.vpc_id == vpc_id]
    if mapped:
        raise Refusal(
            "DependencyViolation",
            f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before "
            "detaching the gateway.",
        )


def network_has_no_other_gateway(facts: Facts) -> None:
    vpc_id = facts.call.get("VpcId")
    taken = any(gateway.vpc and gateway.vpc.id == vpc_id for gateway in facts.ec2.internet_gateways.values())
    if taken:
        raise Refusal(
            "Resource.AlreadyAssociated", f"Network {vpc_id} already has an internet gateway attached"
        )


def address_is_not_associated(facts: Facts) -> None:
    for address in facts.ec2.addresses:
        asked = facts.call.get("AllocationId") in ("", address.allocation_id)
        asked = asked and facts.call.get("PublicIp") in ("", address.public_ip)
        if asked and address.association_id:
            raise Refusal("InvalidIPAddress.InUse", f"Address {address.public_ip} is in use.")


def quota_has_room(facts: Facts) -> None:
    if len(facts.ec2.addresses) >= ADDRESSES:
        raise Refusal("AddressLimitExceeded", "The maximum number of addresses has been reached.")


def address_is_free_to_move(facts: Facts) -> None:
    """Associated elsewhere already: only with AllowReassociation."""
    call = facts.call
    instance = facts.instance(call.get("InstanceId"))
    if instance is not None and instance.state not in ("running", "stopped"):
        raise Refusal(
            "IncorrectInstanceState", f"The instance '{instance.id}' is not in a valid state for this."
        )
    for address in facts.ec2.addresses:
        elsewhere = address.instance is not None and address.instance.id != call.get("InstanceId")
        asked = address.allocation_id == call.get("AllocationId")
        if asked and elsewhere and call.get("AllowReassociation").lower() != "true":
            raise Refusal(
                "Resource.AlreadyAssociated",
                f"resource {address.allocation_id} is already associated with associate-id {address.association_id}",
            )


NETWORK: dict[str, tuple[Rule, ...]] = {
    "DeleteSecurityGroup": (group_is_unused,),
    "DeleteSubnet": (subnet_is_empty,),
    "DeleteVpc": (network_is_empty,),
    "DetachInternetGateway": (gateway_serves_no_address,),
    "AttachInternetGateway": (network_has_no_other_gateway,),
    "AllocateAddress": (quota_has_room,),
    "ReleaseAddress": (address_is_not_associated,),
    "AssociateAddress": (address_is_free_to_move,),
}
