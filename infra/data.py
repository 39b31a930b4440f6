"""Access to data: a role that may use the buckets of services.data, which the server's role alone may take on.

One role for all of them, and not one for each: who asks on the host gets a session of it whose policy is that of the
asker's groups (workbench_host/data). So a user has one set of credentials for all that the user may read, no tool has
to choose between profiles, and a changed group is the host's affair. What a session may do is what both policies allow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import naming, rights
from workbench import grants
from workbench.grants import Grant


@dataclass(frozen=True)
class DataArgs:
    """Of which stack, what is granted, and the server's role."""

    owner: naming.Owner
    grants: Sequence[Grant]
    server_role: pulumi.Input[str]
    server_role_arn: pulumi.Output[str]


def trust(server_role: str) -> str:
    """The trust policy: the server's role, and nobody else."""
    return rights.document({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": server_role}})


def take_on(role: str) -> str:
    """What the server's role is granted: to take on that one."""
    return rights.document({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role})


class Data(pulumi.ComponentResource):
    """The role, what it may do, and the right of the server's role to take it on."""

    def __init__(self, name: str, args: DataArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("workbench:infra:Data", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            "data-role",
            name=naming.role_name(args.owner, "data"),
            assume_role_policy=args.server_role_arn.apply(trust),
            force_detach_policies=True,  # a run that was killed may have made one that no state knows
            tags=args.owner.tags("data-role"),
            opts=child,
        )
        partition = role.arn.apply(lambda arn: rights.Arn.of(arn).partition)
        aws.iam.RolePolicy(
            "data-policy",
            name="s3",
            role=role.name,
            policy=partition.apply(lambda named: grants.policy(args.grants, named)),
            opts=child,
        )
        aws.iam.RolePolicy(
            "data-use", name="data", role=args.server_role, policy=role.arn.apply(take_on), opts=child
        )
        self.role_arn = role.arn
        self.register_outputs({"roleArn": role.arn})
