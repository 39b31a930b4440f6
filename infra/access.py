"""Who the server is for AWS (a role that may do nothing) and which key seeds its first boot."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import naming


@dataclass(frozen=True)
class AccessArgs:
    """The administrator's first key, for the key pair."""

    stack: str
    public_key: str


class Access(pulumi.ComponentResource):
    """Key pair, role and instance profile."""

    def __init__(self, name: str, args: AccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("workbench:infra:Access", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        key = aws.ec2.KeyPair(
            "key",
            public_key=args.public_key,
            tags=naming.tags(args.stack, "key"),
            # It only seeds the first boot, and changing it would replace the server; the deploy keeps
            # authorized_keys from then on.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["publicKey"]),
        )
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
            ],
        }
        named = f"{naming.PROJECT}-{args.stack}"  # so that a credential can be limited to these names
        # Nothing is granted: no service of the workbench calls AWS. It is here so that granting something later
        # is an update in place.
        role = aws.iam.Role(
            named,
            assume_role_policy=json.dumps(trust),
            tags=naming.tags(args.stack, "role"),
            opts=child,
        )
        profile = aws.iam.InstanceProfile(
            named, role=role.name, tags=naming.tags(args.stack, "profile"), opts=child
        )
        self.key_name = key.key_name
        self.profile_name = profile.name
        self.register_outputs({"keyName": key.key_name, "profileName": profile.name})
