"""Daily snapshots of the data volume, made and deleted by Amazon Data Lifecycle Manager.

They are crash-consistent: what a disk holds whose power was cut. (`workbench snapshot` freezes the filesystem before.)
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import naming, rights
from workbench.settings import Snapshots

# AWS's own for this service, and kept by AWS as the service grows.
# Source: AWS, EBS User Guide, "IAM service roles for Amazon Data Lifecycle Manager"
_MANAGED = "iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole"
_HOURS = 24


@dataclass(frozen=True)
class BackupsArgs:
    """Of which stack, when and how many; `volume_arn` says in which account."""

    owner: naming.Owner
    snapshots: Snapshots
    volume_arn: pulumi.Output[str]


def policies(volume_arn: str) -> str:
    """What a policy of this service is called in the account of the volume, whichever it is."""
    arn = rights.Arn.of(volume_arn)
    return f"arn:{arn.partition}:dlm:{arn.region}:{arn.account}:policy/*"


class Backups(pulumi.ComponentResource):
    """The role that the service takes on, and the policy that it follows."""

    def __init__(self, name: str, args: BackupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("workbench:infra:Backups", name, None, opts)
        role = self._role(args)
        child = pulumi.ResourceOptions(parent=self)
        volume_arn = args.volume_arn
        granted = [
            aws.iam.RolePolicyAttachment(
                "backups-policy",
                role=role.name,
                policy_arn=volume_arn.apply(lambda arn: f"arn:{rights.Arn.of(arn).partition}:{_MANAGED}"),
                opts=child,
            ),
            aws.iam.RolePolicy(
                "backups-keys",
                name="keys",
                role=role.name,
                policy=volume_arn.apply(lambda arn: rights.document(rights.use_of_keys(arn))),
                opts=child,
            ),
        ]
        aws.dlm.LifecyclePolicy(
            "backups",
            description=f"Daily snapshots of the data volume of {naming.PROJECT} {args.owner.id}",
            execution_role_arn=role.arn,
            state="ENABLED",
            policy_details={
                "resource_types": ["VOLUME"],
                "target_tags": args.owner.found_by("data"),
                "schedules": [_daily(args)],
            },
            tags=args.owner.tags("backups"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=granted),
        )
        self.register_outputs({})

    def _role(self, args: BackupsArgs) -> aws.iam.Role:
        return aws.iam.Role(
            "backups-role",
            name=naming.role_name(args.owner, "backups"),
            assume_role_policy=args.volume_arn.apply(
                lambda arn: rights.trust("dlm.amazonaws.com", arn, policies(arn))
            ),
            force_detach_policies=True,  # a run that was killed may have made one that no state knows
            tags=args.owner.tags("backups-role"),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _daily(args: BackupsArgs) -> aws.dlm.LifecyclePolicyPolicyDetailsScheduleArgsDict:
    return {
        "name": "daily",
        "create_rule": {"interval": _HOURS, "interval_unit": "HOURS", "times": args.snapshots.daily},
        "retain_rule": {"count": args.snapshots.keep},
        # The volume's own are not copied: a snapshot has another role.
        "copy_tags": False,
        "tags_to_add": {**args.owner.tags("snapshot"), "Made": "daily"},  # how it came about
    }
