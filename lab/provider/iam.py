"""Who the server, and services that act on it, are for AWS: aws:iam Role, its policies, and InstanceProfile.

What the columns mean is said in schema.py.
"""

from __future__ import annotations

from lab.provider.cloud import Cloud
from lab.provider.schema import TAGS, Call, Prop, ResourceType, iam_tags
from lab.provider.values import State, same_policy


def _name_problem(name: str) -> str | None:
    return None if len(name) <= 64 else f"may have 64 characters, got {len(name)}"


def _let_go_of_policies(cloud: Cloud, known: State) -> None:
    """A role that has policies cannot be deleted; those that a resource made are gone by now."""
    if not known.get("forceDetachPolicies"):
        return
    role = known["id"]
    for name in cloud.ask("iam.list_role_policies", RoleName=role)["PolicyNames"]:
        cloud.ask("iam.delete_role_policy", RoleName=role, PolicyName=name)
    for one in cloud.ask("iam.list_attached_role_policies", RoleName=role)["AttachedPolicies"]:
        cloud.ask("iam.detach_role_policy", RoleName=role, PolicyArn=one["PolicyArn"])


ROLE = ResourceType(
    type="aws:iam/role:Role",
    props={
        "name": Prop("RoleName", computed=True, replaces=True, check=_name_problem),
        "assumeRolePolicy": Prop(
            "AssumeRolePolicyDocument",
            read="to_string(AssumeRolePolicyDocument)",
            required=True,
            same=same_policy,
        ),
        "forceDetachPolicies": Prop(kind="flag"),
        "tags": TAGS,
    },
    named="name",
    create="iam.create_role -> Role.RoleName",
    read="iam.get_role {RoleName: id} -> Role",
    outputs="{arn: Arn, createDate: CreateDate, uniqueId: RoleId}",
    settings={
        "assumeRolePolicy": "iam.update_assume_role_policy {RoleName: id, PolicyDocument: assumeRolePolicy}"
    },
    tags=iam_tags("role", "RoleName"),
    delete=(_let_go_of_policies, "iam.delete_role {RoleName: id}"),
)

# It has room for one role.
_LEAVE = Call(
    "iam.remove_role_from_instance_profile {InstanceProfileName: id, RoleName: found.Roles[0].RoleName}",
    when="found.Roles",
)
INSTANCE_PROFILE = ResourceType(
    type="aws:iam/instanceProfile:InstanceProfile",
    props={
        "name": Prop("InstanceProfileName", computed=True, replaces=True),
        "role": Prop(read="Roles[0].RoleName || ''", late=True),
        "tags": TAGS,
    },
    named="name",
    create="iam.create_instance_profile -> InstanceProfile.InstanceProfileName",
    read="iam.get_instance_profile {InstanceProfileName: id} -> InstanceProfile",
    outputs="{arn: Arn, createDate: CreateDate, uniqueId: InstanceProfileId}",
    settings={
        "role": (
            _LEAVE,
            Call("iam.add_role_to_instance_profile {InstanceProfileName: id, RoleName: role}", when="role"),
        ),
    },
    tags=iam_tags("instance_profile", "InstanceProfileName"),
    delete=(_LEAVE, "iam.delete_instance_profile {InstanceProfileName: id}"),
)

ROLE_POLICY = ResourceType(
    type="aws:iam/rolePolicy:RolePolicy",
    props={
        "name": Prop("PolicyName", computed=True, replaces=True),
        "role": Prop("RoleName", required=True, replaces=True),
        "policy": Prop("PolicyDocument", read="to_string(PolicyDocument)", required=True, same=same_policy),
    },
    named="name",
    create="iam.put_role_policy -> `null`",
    id="join(':', [role, name])",
    imports="{role}:{name}",
    read="""iam.get_role_policy {RoleName: role, PolicyName: name}
        -> {RoleName: RoleName, PolicyName: PolicyName, PolicyDocument: PolicyDocument}""",
    settings={"policy": "iam.put_role_policy {RoleName: role, PolicyName: name, PolicyDocument: policy}"},
    delete="iam.delete_role_policy {RoleName: role, PolicyName: name}",
)

ROLE_POLICY_ATTACHMENT = ResourceType(
    type="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    props={
        "role": Prop("RoleName", read="known.role", required=True, replaces=True),
        "policyArn": Prop("PolicyArn", required=True, replaces=True),
    },
    create="iam.attach_role_policy -> `null`",
    id="join('/', [role, policyArn])",
    imports="{role}/{policyArn}",
    read=Call(
        "iam.list_attached_role_policies {RoleName: role} -> AttachedPolicies",
        match={"PolicyArn": "policyArn"},
    ),
    delete="iam.detach_role_policy {RoleName: role, PolicyArn: policyArn}",
)

TYPES = (ROLE, INSTANCE_PROFILE, ROLE_POLICY, ROLE_POLICY_ATTACHMENT)
