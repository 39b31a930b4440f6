"""The data volume: the one resource that outlives everything else."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.naming import Owner
from workbench import volumes


@dataclass(frozen=True)
class StorageArgs:
    """Where and how big, in GiB."""

    owner: Owner
    zone: str
    size_gib: int


class Storage(pulumi.ComponentResource):
    """An encrypted gp3 volume that no destroy takes along."""

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("workbench:infra:Storage", name, None, opts)
        volume = aws.ebs.Volume(
            "data",
            availability_zone=args.zone,
            size=args.size_gib,
            type="gp3",
            encrypted=True,
            tags=args.owner.tags(volumes.DATA),
            # Protected: `pulumi destroy --exclude-protected` leaves it in the state for the next `up`. Retained:
            # should the protection be lifted by hand, even then only the state forgets it, and its tags find it.
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=True,
                retain_on_delete=True,
                # what a snapshot-made or imported volume happens to have must not replace it
                ignore_changes=["snapshotId", "kmsKeyId", "iops", "throughput"],
            ),
        )
        self.volume_id = volume.id
        self.register_outputs({"volumeId": volume.id})
