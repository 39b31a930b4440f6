"""What AWS has, asked through the provider, where its own function has a say in it: what is not there is an error."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pulumi
import pulumi_aws as aws

from workbench import volumes
from workbench.leftovers import LIVING

T = TypeVar("T")

_ABSENT = (
    "no matching",
    "query returned no results",
    "NoSuchEntity",
    "couldn't find resource",
    "cannot be found",
)


def found(ask: Callable[[], T]) -> T | None:
    """What `ask` finds; None where the provider says that there is no such thing."""
    try:
        return ask()
    except Exception as error:  # the provider's own words are all that tells this from a refusal of AWS's
        if any(words in str(error) for words in _ABSENT):
            return None
        raise


def zone(name: str) -> aws.route53.GetZoneResult | None:
    """The one public zone of that name, None where there is none. Raises RunError where there are several."""
    try:
        return found(lambda: aws.route53.get_zone(name=name, private_zone=False))
    except Exception as error:
        if "multiple Route 53 Hosted Zones" not in str(error):
            raise
    zones = [aws.route53.get_zone(zone_id=zone_id) for zone_id in aws.route53.get_zones().ids]
    ids = sorted(zone.zone_id for zone in zones if zone.name.rstrip(".") == name and not zone.private_zone)
    raise pulumi.RunError(
        f"{len(ids)} Route 53 zones are named {name} ({', '.join(ids)}); "
        "delete the one that your registrar does not delegate to."
    )


def data_volumes(tags: dict[str, str]) -> Sequence[str]:
    """The ids of the volumes with these tags that are not being deleted."""
    return aws.ebs.get_ebs_volumes(
        tags=tags, filters=[{"name": "status", "values": ["creating", "available", "in-use"]}]
    ).ids


def snapshots(tags: dict[str, str]) -> Sequence[str]:
    """The ids of this account's complete snapshots of data volumes with these tags, the newest first.

    AWS can be told to give those that it makes the volume's own tags.
    """
    wanted = {
        **{f"tag:{key}": [value] for key, value in tags.items()},
        "tag:Role": [volumes.SNAPSHOT, volumes.DATA],
        "status": ["completed"],
    }
    filters = [aws.ebs.GetSnapshotIdsFilterArgs(name=name, values=values) for name, values in wanted.items()]
    return aws.ebs.get_snapshot_ids(owners=["self"], filters=filters).ids


def images(tags: dict[str, str], image_id: str = "") -> Sequence[str]:
    """The ids of this account's images with these tags, and of that id where one is given; the newest first."""
    wanted = {f"tag:{key}": value for key, value in tags.items()} | (
        {"image-id": image_id} if image_id else {}
    )
    filters = [aws.ec2.GetAmiIdsFilterArgs(name=name, values=[value]) for name, value in wanted.items()]
    return aws.ec2.get_ami_ids(owners=["self"], filters=filters).ids


def image_snapshots(snapshot_id: str) -> Sequence[str]:
    """The id of an image's snapshot, if that is there and complete."""
    wanted = {"snapshot-id": snapshot_id, "status": "completed"}
    filters = [aws.ebs.GetSnapshotIdsFilterArgs(name=name, values=[value]) for name, value in wanted.items()]
    return aws.ebs.get_snapshot_ids(owners=["self"], filters=filters).ids


def servers(tags: dict[str, str]) -> Sequence[str]:
    """The ids of the servers with these tags that are not being terminated."""
    return aws.ec2.get_instances(instance_tags=tags, instance_state_names=list(LIVING)).ids
