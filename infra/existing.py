"""What AWS already has of this stack, asked before anything is declared.

A lost state must not lose data: the data volume and a zone of ours are found again by their tags and imported. And
what would destroy or strand data is refused here, in the preview, before anything has changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import naming
from workbench.instance_types import Architecture
from workbench.settings import Settings


@dataclass(frozen=True)
class Existing:
    """What was found: the ids to import, and the architecture that the running server has."""

    volume_id: str | None
    architecture: Architecture | None


def find(settings: Settings, stack: str) -> Existing:
    """Looks for the stack's volume and server. Raises RunError where the settings do not fit what is there."""
    return Existing(_volume(settings, stack), _architecture(stack))


def _volume(settings: Settings, stack: str) -> str | None:
    wanted = naming.tags(stack, "data")
    found = aws.ebs.get_ebs_volumes(
        tags={key: wanted[key] for key in ("Project", "Stack", "Role")},
        filters=[{"name": "status", "values": ["creating", "available", "in-use"]}],
    ).ids
    if not found:
        return None
    if len(found) > 1:
        raise pulumi.RunError(
            f"{len(found)} volumes claim to be the data volume of stack {stack} by their tags "
            f"({', '.join(sorted(found))}); remove the tag Stack from all but the right one."
        )
    volume = aws.ebs.get_volume(filters=[{"name": "volume-id", "values": [found[0]]}])
    if volume.availability_zone != settings.zone:
        raise pulumi.RunError(
            f"workbench:zone is {settings.zone!r}, but the data volume {volume.volume_id} is in "
            f"{volume.availability_zone} and cannot move; set workbench:zone to {volume.availability_zone}."
        )
    if volume.size > settings.data_volume_gib:
        raise pulumi.RunError(
            f"workbench:dataVolumeGib is {settings.data_volume_gib}, but the data volume {volume.volume_id} has "
            f"{volume.size} GiB and can only grow; set workbench:dataVolumeGib to at least {volume.size}."
        )
    return found[0]


def _architecture(stack: str) -> Architecture | None:
    wanted = naming.tags(stack, "server")
    servers = aws.ec2.get_instances(
        instance_tags={key: wanted[key] for key in ("Project", "Stack", "Role")},
        instance_state_names=["pending", "running", "stopping", "stopped"],
    ).ids
    if not servers:
        return None
    server = aws.ec2.get_instance(instance_id=servers[0])
    kind = aws.ec2.get_instance_type(instance_type=server.instance_type)
    return architecture_of(kind.supported_architectures)


def architecture_of(supported: Sequence[str]) -> Architecture:
    """The one of ours among what an instance type supports."""
    return "arm64" if "arm64" in supported else "x86_64"
