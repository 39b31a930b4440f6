"""Who may come in and go out: aws:ec2 SecurityGroup and KeyPair, aws:vpc SecurityGroupIngressRule and -EgressRule.

What the columns mean is said in schema.py.
"""

from __future__ import annotations

import re

from lab.provider.network import cidr_problem
from lab.provider.schema import TAGS, Call, Prop, ResourceType, ec2_tags

_DESCRIPTION = re.compile(r"[0-9A-Za-z_ .:/()#,@\[\]+=&;{}!$*-]{0,255}")


def _description_problem(text: str) -> str | None:
    if _DESCRIPTION.fullmatch(text):
        return None
    return f"may have up to 255 of the characters a-z A-Z 0-9 and space ._-:/()#,@[]+=&;{{}}!$*, got {text!r}"


# Its rules are resources of their own: inline ingress and egress are refused. A new group lets everything out; AWS's
# provider takes that rule away, so that only declared rules hold.
_OPEN = "found.IpPermissionsEgress[?IpProtocol == '-1'].{IpProtocol: IpProtocol, IpRanges: IpRanges}"
_RULES = "[].{protocol: IpProtocol, fromPort: FromPort || `0`, toPort: ToPort || `0`, cidrBlocks: IpRanges[].CidrIp}"
SECURITY_GROUP = ResourceType(
    type="aws:ec2/securityGroup:SecurityGroup",
    props={
        "name": Prop("GroupName", computed=True, replaces=True),
        "description": Prop("Description", required=True, replaces=True, check=_description_problem),
        "vpcId": Prop("VpcId", computed=True, replaces=True),
        "tags": TAGS,
    },
    named="name",
    create="ec2.create_security_group -> GroupId",
    finish=Call(f"ec2.revoke_security_group_egress {{GroupId: id, IpPermissions: {_OPEN}}}", when=_OPEN),
    read="ec2.describe_security_groups {GroupIds: [id]} -> SecurityGroups[0]",
    outputs="{arn: join('', [ec2, 'security-group/', GroupId]), ownerId: OwnerId, "
    f"ingress: IpPermissions{_RULES}, egress: IpPermissionsEgress{_RULES}}}",
    tags=ec2_tags("security-group"),
    delete="ec2.delete_security_group {GroupId: id}",
)


def _rule_type(token: str, direction: str) -> ResourceType:
    has_ports = "IpProtocol != '-1'"
    ports = "IpProtocol: ipProtocol, FromPort: fromPort, ToPort: toPort"
    permission = f"{{{ports}, IpRanges: [{{CidrIp: cidrIpv4, Description: description}}]}}"
    changed = f"{{{ports}, CidrIpv4: cidrIpv4, Description: description}}"
    return ResourceType(
        type=token,
        props={
            "securityGroupId": Prop("GroupId", required=True, replaces=True),
            "ipProtocol": Prop(read="IpProtocol", required=True, choices=("tcp", "udp", "icmp", "-1")),
            "fromPort": Prop(kind="number", read=f"({has_ports} && FromPort) || `null`"),
            "toPort": Prop(kind="number", read=f"({has_ports} && ToPort) || `null`"),
            "cidrIpv4": Prop(read="CidrIpv4", required=True, check=cidr_problem()),
            "description": Prop(read="Description", check=_description_problem),
            "tags": TAGS,
        },
        create=f"""ec2.authorize_security_group_{direction} {{IpPermissions: [{permission}]}}
            -> SecurityGroupRules[0].SecurityGroupRuleId""",
        read="ec2.describe_security_group_rules {SecurityGroupRuleIds: [id]} -> SecurityGroupRules[0]",
        outputs="{arn: join('', [ec2, 'security-group-rule/', SecurityGroupRuleId])}",
        settings={
            "ipProtocol fromPort toPort cidrIpv4 description": f"""ec2.modify_security_group_rules
                {{GroupId: securityGroupId,
                SecurityGroupRules: [{{SecurityGroupRuleId: id, SecurityGroupRule: {changed}}}]}}"""
        },
        tags=ec2_tags("security-group-rule"),
        delete=f"ec2.revoke_security_group_{direction} {{GroupId: found.GroupId, SecurityGroupRuleIds: [id]}}",
    )


INGRESS_RULE = _rule_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "ingress")
EGRESS_RULE = _rule_type("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "egress")


def _key_problem(text: str) -> str | None:
    kind, _, rest = text.strip().partition(" ")
    if kind in ("ssh-rsa", "ssh-ed25519") and rest:
        return None
    return f"must be an OpenSSH public key of type ssh-rsa or ssh-ed25519, got one that begins {text[:20]!r}"


def _same(one: str, other: str) -> bool:
    return one.strip() == other.strip()


# The public key is not read, as the real provider does not read it: an imported pair lacks it.
KEY_PAIR = ResourceType(
    type="aws:ec2/keyPair:KeyPair",
    props={
        "publicKey": Prop(
            "PublicKeyMaterial",
            read="known.publicKey",
            required=True,
            replaces=True,
            same=_same,
            check=_key_problem,
        ),
        "keyName": Prop("KeyName", computed=True, replaces=True),
        "tags": TAGS,
    },
    named="keyName",
    create="ec2.import_key_pair -> KeyName",
    read="ec2.describe_key_pairs {KeyNames: [id]} -> KeyPairs[0]",
    outputs="{arn: join('', [ec2, 'key-pair/', KeyName]), fingerprint: KeyFingerprint, keyPairId: KeyPairId}",
    tags=ec2_tags("key-pair", "found.KeyPairId"),
    delete="ec2.delete_key_pair {KeyName: id}",
)

TYPES = (SECURITY_GROUP, INGRESS_RULE, EGRESS_RULE, KEY_PAIR)
