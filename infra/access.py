"""Who the server is for AWS (a role that may do next to nothing) and which key seeds its first boot."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import naming, rights

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    ],
}


@dataclass(frozen=True)
class AccessArgs:
    """The administrator's first key, for the key pair; and whether the server looks for the snapshots of its data."""

    owner: naming.Owner
    public_key: str
    sees_snapshots: bool


class Access(pulumi.ComponentResource):
    """Key pair, role and instance profile."""

    def __init__(self, name: str, args: AccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("workbench:infra:Access", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        key = aws.ec2.KeyPair(
            "key",
            public_key=args.public_key,
            tags=args.owner.tags("key"),
            # It only seeds the first boot, and changing it would replace the server; the deploy keeps
            # authorized_keys from then on.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["publicKey"]),
        )
        named = naming.role_name(args.owner)
        # Nothing is granted, but for what is below and the role for data (infra/data.py): it is here so that granting
        # something is an update in place.
        role = aws.iam.Role(
            "role",
            name=named,
            assume_role_policy=json.dumps(_TRUST),
            force_detach_policies=True,  # a run that was killed may have made one that no state knows
            tags=args.owner.tags("role"),
            opts=child,
        )
        if args.sees_snapshots:
            # For the alarm that none was made (host/workbench_host/alarms). AWS cannot limit this to some of them.
            # Source: AWS, "Actions, resources, and condition keys for Amazon EC2"
            allowed = {"Effect": "Allow", "Action": ["ec2:DescribeSnapshots"], "Resource": "*"}
            aws.iam.RolePolicy(
                "role-policy", name="snapshots", role=role.name, policy=rights.document(allowed), opts=child
            )
        profile = aws.iam.InstanceProfile(
            "profile", name=named, role=role.name, tags=args.owner.tags("profile"), opts=child
        )
        self.key_name = key.key_name
        self.profile_name = profile.name
        self.role_name, self.role_arn = role.name, role.arn
        self.register_outputs({"keyName": key.key_name, "profileName": profile.name})
