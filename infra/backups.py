"""Daily snapshots of the data volume, made and deleted by Amazon Data Lifecycle Manager.

They are crash-consistent: what a disk holds whose power was cut. (`workbench snapshot` has all written out before.)
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import naming, rights
from workbench import volumes
from workbench.settings import Snapshots

# AWS's own for this service, and kept by AWS as the service grows.
# Source: AWS, EBS User Guide, "IAM service roles for Amazon Data Lifecycle Manager"
_MANAGED = "iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole"
_HOURS = 24


@dataclass(frozen=True)
class BackupsArgs:
    """Of which stack, when and how many, and where.

    Nothing here depends on the volume: a state that forgets that forgets what depends on it (cli/swapping.py).
    """

    owner: naming.Owner
    snapshots: Snapshots
    region: str


def policies(region: str, of: str) -> str:
    """What a policy of this service is called in that region of the account of something (its ARN), whichever it is."""
    there = rights.Arn.of(of)
    return f"arn:{there.partition}:dlm:{region}:{there.account}:policy/*"


class Backups(pulumi.ComponentResource):
    """The role that the service takes on, and the policy that it follows."""

    def __init__(self, name: str, args: BackupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("workbench:infra:Backups", name, None, opts)
        arn = policies(args.region, aws.get_caller_identity().arn)
        role = self._role(args, arn)
        child = pulumi.ResourceOptions(parent=self)
        granted = [
            aws.iam.RolePolicyAttachment(
                "backups-policy",
                role=role.name,
                policy_arn=f"arn:{rights.Arn.of(arn).partition}:{_MANAGED}",
                opts=child,
            ),
            aws.iam.RolePolicy(
                "backups-keys",
                name="keys",
                role=role.name,
                policy=rights.document(rights.use_of_keys(arn)),
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
                "target_tags": args.owner.found_by(volumes.DATA),
                "schedules": [_daily(args)],
            },
            tags=args.owner.tags("backups"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=granted),
        )
        self.register_outputs({})

    def _role(self, args: BackupsArgs, arn: str) -> aws.iam.Role:
        return aws.iam.Role(
            "backups-role",
            name=naming.role_name(args.owner, "backups"),
            assume_role_policy=rights.trust("dlm.amazonaws.com", arn, arn),
            force_detach_policies=True,  # a run that was killed may have made one that no state knows
            tags=args.owner.tags("backups-role"),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _daily(args: BackupsArgs) -> aws.dlm.LifecyclePolicyPolicyDetailsScheduleArgsDict:
    return {
        "name": volumes.DAILY,
        "create_rule": {"interval": _HOURS, "interval_unit": "HOURS", "times": args.snapshots.daily},
        "retain_rule": {"count": args.snapshots.keep},
        # The volume's own are not copied: a snapshot has another role.
        "copy_tags": False,
        "tags_to_add": {
            **args.owner.tags(volumes.SNAPSHOT),
            volumes.MADE: volumes.DAILY,
        },  # how it came about
    }
