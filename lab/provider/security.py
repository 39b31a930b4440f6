"""Who may come in and go out: aws:ec2 SecurityGroup, aws:vpc SecurityGroupIngressRule and -EgressRule."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from lab.provider.cloud import Cloud, given, gone_is_fine, tag_specifications, tag_state
from lab.provider.network import cidr_problem, retag
from lab.provider.schema import TAGS, Edit, Prop, ResourceType, always, one_of, when_it_comes_or_goes
from lab.provider.values import State

# ---- aws:ec2:SecurityGroup (its rules are resources of their own: inline ingress and egress are refused)

_DESCRIPTION = re.compile(r"[0-9A-Za-z_ .:/()#,@\[\]+=&;{}!$*-]{0,255}")


def _name_problem(name: str) -> str | None:
    if name.startswith("sg-"):
        return f"must not begin with sg-, which EC2 keeps for its ids, got {name!r}"
    return None if len(name) <= 255 else "must not be longer than 255 characters"


def _description_problem(text: str) -> str | None:
    if _DESCRIPTION.fullmatch(text):
        return None
    return f"may have up to 255 of the characters a-z A-Z 0-9 and space ._-:/()#,@[]+=&;{{}}!$*, got {text!r}"


def _create_group(cloud: Cloud, inputs: State) -> str:
    made = cloud.ec2.create_security_group(
        GroupName=inputs["name"],
        Description=inputs["description"],
        **given(inputs, {"vpcId": "VpcId"}),
        **tag_specifications("security-group", inputs),
    )
    return str(made["GroupId"])


def _finish_group(cloud: Cloud, group: str, _inputs: State) -> None:
    """A new group lets everything out; AWS's provider takes that rule away, so that only declared rules hold."""
    found = _find_group(cloud, group) or {"IpPermissionsEgress": []}
    everything = [rule for rule in found["IpPermissionsEgress"] if rule["IpProtocol"] == "-1"]
    for rule in everything:
        permission = {"IpProtocol": "-1", "IpRanges": rule["IpRanges"]}
        cloud.ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[permission])


def _find_group(cloud: Cloud, group: str) -> dict[str, Any] | None:
    return cloud.find("describe_security_groups", "SecurityGroups", GroupIds=[group])


def _read_group(cloud: Cloud, group: str, _known: State) -> State | None:
    found = _find_group(cloud, group)
    if found is None:
        return None
    return {
        "name": found["GroupName"],
        "description": found["Description"],
        "vpcId": found.get("VpcId", ""),
        "arn": cloud.ec2_arn(f"security-group/{group}"),
        "ownerId": found.get("OwnerId", cloud.account),
        "namePrefix": "",
        "ingress": [_permission(rule) for rule in found["IpPermissions"]],
        "egress": [_permission(rule) for rule in found["IpPermissionsEgress"]],
        **tag_state(found.get("Tags")),
    }


def _permission(rule: dict[str, Any]) -> State:
    return {
        "protocol": rule["IpProtocol"],
        "fromPort": rule.get("FromPort", 0),
        "toPort": rule.get("ToPort", 0),
        "cidrBlocks": [item["CidrIp"] for item in rule.get("IpRanges", [])],
        "ipv6CidrBlocks": [item["CidrIpv6"] for item in rule.get("Ipv6Ranges", [])],
        "securityGroups": [item["GroupId"] for item in rule.get("UserIdGroupPairs", [])],
        "prefixListIds": [item["PrefixListId"] for item in rule.get("PrefixListIds", [])],
        "self": False,
    }


def _delete_group(cloud: Cloud, group: str, state: State) -> None:
    if state.get("revokeRulesOnDelete"):
        _revoke_all(cloud, group)
    with gone_is_fine():
        cloud.once_free(lambda: cloud.ec2.delete_security_group(GroupId=group), "DependencyViolation")


def _revoke_all(cloud: Cloud, group: str) -> None:
    here = [{"Name": "group-id", "Values": [group]}]
    for rule in cloud.ec2.describe_security_group_rules(Filters=here)["SecurityGroupRules"]:
        _revoke(cloud, group, rule["SecurityGroupRuleId"], egress=rule["IsEgress"])


SECURITY_GROUP = ResourceType(
    type="aws:ec2/securityGroup:SecurityGroup",
    props={
        "name": Prop(computed=True, replaces=always, check=_name_problem),
        "description": Prop(default="Managed by Pulumi", replaces=always, check=_description_problem),
        "vpcId": Prop(computed=True, replaces=always),
        "revokeRulesOnDelete": Prop("flag", default=False, kept=True),
        "tags": TAGS,
    },
    outputs=("arn", "egress", "ingress", "namePrefix", "ownerId"),
    named="name",
    create=_create_group,
    finish=_finish_group,
    read=_read_group,
    update=retag,
    delete=_delete_group,
)


# ---- aws:vpc:SecurityGroupIngressRule and aws:vpc:SecurityGroupEgressRule

_SOURCES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")


def _ipv6_problem(text: str) -> str | None:
    try:
        ipaddress.IPv6Network(text)
    except ValueError:
        return f"must be an IPv6 network such as ::/0, got {text!r}"
    return None


def _port_problem(port: int) -> str | None:
    return None if -1 <= port <= 65535 else f"must be from -1 to 65535, got {port}"


def _ports_rule(inputs: State) -> str | None:
    """Ports belong to protocols that have them, and go upwards."""
    if inputs["ipProtocol"] == "-1":
        return "fromPort and toPort mean nothing when ipProtocol is -1" if "fromPort" in inputs else None
    if "fromPort" not in inputs or "toPort" not in inputs:
        return f"fromPort and toPort are both needed when ipProtocol is {inputs['ipProtocol']}"
    if inputs["ipProtocol"] in ("tcp", "udp") and inputs["fromPort"] > inputs["toPort"]:
        return f"fromPort {inputs['fromPort']} is above toPort {inputs['toPort']}"
    return None


def _rule_permission(inputs: State) -> dict[str, Any]:
    described = given(inputs, {"description": "Description"})
    permission: dict[str, Any] = {"IpProtocol": inputs["ipProtocol"]}
    permission |= given(inputs, {"fromPort": "FromPort", "toPort": "ToPort"})
    lists = {
        "cidrIpv4": ("IpRanges", "CidrIp"),
        "cidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
        "prefixListId": ("PrefixListIds", "PrefixListId"),
        "referencedSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    }
    for name, (key, inner) in lists.items():
        if name in inputs:
            permission[key] = [{inner: inputs[name], **described}]
    return permission


def _rule_request(inputs: State) -> dict[str, Any]:
    names = {
        "fromPort": "FromPort",
        "toPort": "ToPort",
        "cidrIpv4": "CidrIpv4",
        "cidrIpv6": "CidrIpv6",
        "prefixListId": "PrefixListId",
        "referencedSecurityGroupId": "ReferencedGroupId",
        "description": "Description",
    }
    return {"IpProtocol": inputs["ipProtocol"], **given(inputs, names)}


def _read_rule(cloud: Cloud, rule: str, _known: State) -> State | None:
    found = cloud.find("describe_security_group_rules", "SecurityGroupRules", SecurityGroupRuleIds=[rule])
    if found is None:
        return None
    state = {
        "securityGroupId": found["GroupId"],
        "ipProtocol": found["IpProtocol"],
        "cidrIpv4": found.get("CidrIpv4"),
        "cidrIpv6": found.get("CidrIpv6"),
        "prefixListId": found.get("PrefixListId"),
        "referencedSecurityGroupId": found.get("ReferencedGroupInfo", {}).get("GroupId"),
        "description": found.get("Description"),
        "arn": cloud.ec2_arn(f"security-group-rule/{rule}"),
        "securityGroupRuleId": rule,
        **tag_state(found.get("Tags")),
    }
    if found["IpProtocol"] != "-1":
        state |= {"fromPort": found.get("FromPort"), "toPort": found.get("ToPort")}
    return state


def _update_rule(cloud: Cloud, edit: Edit) -> None:
    if edit.changed - {"tags"}:
        cloud.ec2.modify_security_group_rules(
            GroupId=edit.news["securityGroupId"],
            SecurityGroupRules=[
                {"SecurityGroupRuleId": edit.id, "SecurityGroupRule": _rule_request(edit.news)}
            ],
        )
    retag(cloud, edit)


def _revoke(cloud: Cloud, group: str, rule: str, *, egress: bool) -> None:
    revoke = cloud.ec2.revoke_security_group_egress if egress else cloud.ec2.revoke_security_group_ingress
    with gone_is_fine():
        revoke(GroupId=group, SecurityGroupRuleIds=[rule])


def _create_rule(*, egress: bool) -> Callable[[Cloud, State], str]:
    def create(cloud: Cloud, inputs: State) -> str:
        ec2 = cloud.ec2
        made = (ec2.authorize_security_group_egress if egress else ec2.authorize_security_group_ingress)(
            GroupId=inputs["securityGroupId"],
            IpPermissions=[_rule_permission(inputs)],
            **tag_specifications("security-group-rule", inputs),
        )
        return str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    return create


def _rule_type(token: str, *, egress: bool) -> ResourceType:
    def delete(cloud: Cloud, rule: str, state: State) -> None:
        _revoke(cloud, state["securityGroupId"], rule, egress=egress)

    return ResourceType(
        type=token,
        props={
            "securityGroupId": Prop(required=True, replaces=always),
            "ipProtocol": Prop(required=True, same=_same_protocol),
            "fromPort": Prop("number", check=_port_problem),
            "toPort": Prop("number", check=_port_problem),
            "cidrIpv4": Prop(replaces=when_it_comes_or_goes, check=cidr_problem()),
            "cidrIpv6": Prop(replaces=when_it_comes_or_goes, check=_ipv6_problem),
            "prefixListId": Prop(replaces=when_it_comes_or_goes),
            "referencedSecurityGroupId": Prop(replaces=when_it_comes_or_goes),
            "description": Prop(check=_description_problem),
            "tags": TAGS,
        },
        outputs=("arn", "securityGroupRuleId"),
        rules=(one_of(*_SOURCES), _ports_rule),
        create=_create_rule(egress=egress),
        read=_read_rule,
        update=_update_rule,
        delete=delete,
    )


_PROTOCOL_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": "-1"}


def _same_protocol(one: str, other: str) -> bool:
    """The API writes a protocol by name where it has one."""
    return _PROTOCOL_NUMBERS.get(one, one) == _PROTOCOL_NUMBERS.get(other, other)


INGRESS_RULE = _rule_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", egress=False)
EGRESS_RULE = _rule_type("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", egress=True)

TYPES = (SECURITY_GROUP, INGRESS_RULE, EGRESS_RULE)
