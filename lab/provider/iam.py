"""What the server may do: aws:iam Role, RolePolicy, RolePolicyAttachment and InstanceProfile."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError

from lab.provider.cloud import Cloud, given, gone_is_fine, is_gone, tag_list, tag_state
from lab.provider.schema import TAGS, Edit, Prop, ResourceType, always
from lab.provider.values import State, same_policy
from workbench.errors import WorkbenchError


def _found(call: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """What the call returns, or None when it says that there is no such thing."""
    try:
        return call()
    except ClientError as error:
        if is_gone(error):
            return None
        raise


def _document(raw: Any) -> str:
    """A policy as text, in whichever of its three forms the API and botocore hand it over."""
    return json.dumps(raw, separators=(",", ":")) if isinstance(raw, Mapping) else unquote(raw)


def _name_problem(longest: int) -> Callable[[str], str | None]:
    def problem(name: str) -> str | None:
        return None if len(name) <= longest else f"may have {longest} characters, got {len(name)}"

    return problem


def _retag(edit: Edit, tag: Callable[..., Any], untag: Callable[..., Any], **key: str) -> None:
    if not edit.has("tags"):
        return
    olds, news = edit.olds.get("tags", {}), edit.news.get("tags", {})
    dropped = [name for name in olds if name not in news]
    if dropped:
        untag(TagKeys=dropped, **key)
    if news:
        tag(Tags=tag_list(news), **key)


# ---- aws:iam:Role


def _create_role(cloud: Cloud, inputs: State) -> str:
    names = {"description": "Description", "permissionsBoundary": "PermissionsBoundary"}
    cloud.iam.create_role(
        RoleName=inputs["name"],
        Path=inputs["path"],
        AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
        MaxSessionDuration=inputs["maxSessionDuration"],
        Tags=tag_list(inputs.get("tags")),
        **given(inputs, names),
    )
    return str(inputs["name"])


def _read_role(cloud: Cloud, name: str, _known: State) -> State | None:
    found = _found(lambda: cloud.iam.get_role(RoleName=name)["Role"])
    if found is None:
        return None
    attached = cloud.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return {
        "name": found["RoleName"],
        "path": found["Path"],
        "assumeRolePolicy": _document(found["AssumeRolePolicyDocument"]),
        "description": found.get("Description", ""),
        "maxSessionDuration": found.get("MaxSessionDuration", 3600),
        "permissionsBoundary": found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        "managedPolicyArns": sorted(policy["PolicyArn"] for policy in attached),
        "namePrefix": "",
        "arn": found["Arn"],
        "createDate": found["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "uniqueId": found["RoleId"],
        **tag_state(found.get("Tags")),
    }


def _update_role(cloud: Cloud, edit: Edit) -> None:
    iam, name, news = cloud.iam, edit.id, edit.news
    if edit.has("assumeRolePolicy"):
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=news["assumeRolePolicy"])
    if edit.has("description", "maxSessionDuration"):
        iam.update_role(
            RoleName=name,
            Description=news.get("description", ""),
            MaxSessionDuration=news["maxSessionDuration"],
        )
    if edit.has("permissionsBoundary") and news.get("permissionsBoundary"):
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=news["permissionsBoundary"])
    elif edit.has("permissionsBoundary"):
        iam.delete_role_permissions_boundary(RoleName=name)
    _retag(edit, iam.tag_role, iam.untag_role, RoleName=name)


def _delete_role(cloud: Cloud, name: str, state: State) -> None:
    iam = cloud.iam
    with gone_is_fine():
        for profile in iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"]:
            iam.remove_role_from_instance_profile(
                InstanceProfileName=profile["InstanceProfileName"], RoleName=name
            )
        if state.get("forceDetachPolicies"):
            for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
                iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
            for inline in iam.list_role_policies(RoleName=name)["PolicyNames"]:
                iam.delete_role_policy(RoleName=name, PolicyName=inline)
        iam.delete_role(RoleName=name)


ROLE = ResourceType(
    type="aws:iam/role:Role",
    props={
        "name": Prop(computed=True, replaces=always, check=_name_problem(64)),
        "path": Prop(default="/", replaces=always),
        "assumeRolePolicy": Prop("json", required=True, same=same_policy),
        "description": Prop(),
        "maxSessionDuration": Prop("number", default=3600),
        "permissionsBoundary": Prop(),
        "forceDetachPolicies": Prop("flag", default=False, kept=True),
        "tags": TAGS,
    },
    outputs=("arn", "createDate", "managedPolicyArns", "namePrefix", "uniqueId"),
    named="name",
    create=_create_role,
    read=_read_role,
    update=_update_role,
    delete=_delete_role,
)


# ---- aws:iam:RolePolicy


def _put_policy(cloud: Cloud, inputs: State) -> str:
    cloud.iam.put_role_policy(
        RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"]
    )
    return f"{inputs['role']}:{inputs['name']}"


def _read_policy(cloud: Cloud, policy: str, _known: State) -> State | None:
    role, colon, name = policy.partition(":")
    if not colon:
        raise WorkbenchError(f"to import a role's policy give ROLE:NAME, not {policy!r}")
    found = _found(lambda: cloud.iam.get_role_policy(RoleName=role, PolicyName=name))
    if found is None:
        return None
    return {
        "role": found["RoleName"],
        "name": found["PolicyName"],
        "namePrefix": "",
        "policy": _document(found["PolicyDocument"]),
    }


def _update_policy(cloud: Cloud, edit: Edit) -> None:
    _put_policy(cloud, edit.news)


def _delete_policy(cloud: Cloud, _policy: str, state: State) -> None:
    with gone_is_fine():
        cloud.iam.delete_role_policy(RoleName=state["role"], PolicyName=state["name"])


ROLE_POLICY = ResourceType(
    type="aws:iam/rolePolicy:RolePolicy",
    props={
        "role": Prop(required=True, replaces=always),
        "name": Prop(computed=True, replaces=always, check=_name_problem(128)),
        "policy": Prop("json", required=True, same=same_policy),
    },
    outputs=("namePrefix",),
    named="name",
    create=_put_policy,
    read=_read_policy,
    update=_update_policy,
    delete=_delete_policy,
)


# ---- aws:iam:RolePolicyAttachment


def _attach_policy(cloud: Cloud, inputs: State) -> str:
    cloud.iam.attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
    return f"{inputs['role']}-{inputs['policyArn']}"


def _read_policy_attachment(cloud: Cloud, attachment: str, known: State) -> State | None:
    role, slash, arn = attachment.partition("/")
    if not known and not slash:
        raise WorkbenchError(f"to import a policy's attachment give ROLE/POLICYARN, not {attachment!r}")
    state = (
        {"role": known["role"], "policyArn": known["policyArn"]}
        if known
        else {"role": role, "policyArn": arn}
    )
    found = _found(lambda: cloud.iam.list_attached_role_policies(RoleName=state["role"]))
    if found is None or all(
        policy["PolicyArn"] != state["policyArn"] for policy in found["AttachedPolicies"]
    ):
        return None
    return {"id": f"{state['role']}-{state['policyArn']}", **state}


def _detach_policy(cloud: Cloud, _attachment: str, state: State) -> None:
    with gone_is_fine():
        cloud.iam.detach_role_policy(RoleName=state["role"], PolicyArn=state["policyArn"])


ROLE_POLICY_ATTACHMENT = ResourceType(
    type="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    props={"role": Prop(required=True, replaces=always), "policyArn": Prop(required=True, replaces=always)},
    outputs=(),
    create=_attach_policy,
    read=_read_policy_attachment,
    delete=_detach_policy,
)


# ---- aws:iam:InstanceProfile


def _create_profile(cloud: Cloud, inputs: State) -> str:
    cloud.iam.create_instance_profile(
        InstanceProfileName=inputs["name"], Path=inputs["path"], Tags=tag_list(inputs.get("tags"))
    )
    return str(inputs["name"])


def _give_role(cloud: Cloud, name: str, inputs: State) -> None:
    """Put the role of the inputs, and no other, into the profile: it has room for one."""
    found = cloud.iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    current = [role["RoleName"] for role in found["Roles"]]
    wanted = inputs.get("role")
    for role in current:
        if role != wanted:
            cloud.iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role)
    if wanted and wanted not in current:
        cloud.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=wanted)


def _read_profile(cloud: Cloud, name: str, _known: State) -> State | None:
    found = _found(lambda: cloud.iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"])
    if found is None:
        return None
    return {
        "name": found["InstanceProfileName"],
        "path": found["Path"],
        "role": next((role["RoleName"] for role in found["Roles"]), ""),
        "namePrefix": "",
        "arn": found["Arn"],
        "createDate": found["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "uniqueId": found["InstanceProfileId"],
        **tag_state(found.get("Tags")),
    }


def _update_profile(cloud: Cloud, edit: Edit) -> None:
    if edit.has("role"):
        _give_role(cloud, edit.id, edit.news)
    iam = cloud.iam
    _retag(edit, iam.tag_instance_profile, iam.untag_instance_profile, InstanceProfileName=edit.id)


def _delete_profile(cloud: Cloud, name: str, _state: State) -> None:
    with gone_is_fine():
        _give_role(cloud, name, {})
        cloud.iam.delete_instance_profile(InstanceProfileName=name)


INSTANCE_PROFILE = ResourceType(
    type="aws:iam/instanceProfile:InstanceProfile",
    props={
        "name": Prop(computed=True, replaces=always, check=_name_problem(128)),
        "path": Prop(default="/", replaces=always),
        "role": Prop(),
        "tags": TAGS,
    },
    outputs=("arn", "createDate", "namePrefix", "uniqueId"),
    named="name",
    create=_create_profile,
    finish=_give_role,
    read=_read_profile,
    update=_update_profile,
    delete=_delete_profile,
)

TYPES = (ROLE, ROLE_POLICY, ROLE_POLICY_ATTACHMENT, INSTANCE_PROFILE)
