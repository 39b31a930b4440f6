"""What AWS already has of this stack, asked before anything is declared.

A lost state must not lose data: the data volume and a zone of ours are found again by their tags and imported. And
what would destroy or strand data is refused here, in the preview, before anything has changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import naming
from workbench import stack
from workbench.errors import WorkbenchError
from workbench.instance_types import Architecture
from workbench.settings import Settings

_LIVING = ["pending", "running", "stopping", "stopped"]


@dataclass(frozen=True)
class Existing:
    """What was found: the ids to import, and the architecture that the running server has."""

    volume_id: str | None
    architecture: Architecture | None


def find(settings: Settings, name: str) -> Existing:
    """Looks for the volume and the server of the stack `name`. Raises RunError where they do not fit the settings."""
    volume = _volume(settings, name)
    server = _server(name)
    if volume is not None:
        _judge_holder(volume, server)
    return Existing(volume, _architecture(settings, server) if server else None)


def _volume(settings: Settings, name: str) -> str | None:
    found = aws.ebs.get_ebs_volumes(
        tags=_tags(name, "data"),
        filters=[{"name": "status", "values": ["creating", "available", "in-use"]}],
    ).ids
    if not found:
        return None
    if len(found) > 1:
        raise pulumi.RunError(
            f"{len(found)} volumes claim to be the data volume of stack {name} by their tags "
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


def _server(name: str) -> str | None:
    """The id of the one server that carries the stack's tags; one that the state does not know is refused."""
    found = aws.ec2.get_instances(instance_tags=_tags(name, "server"), instance_state_names=_LIVING).ids
    if not found:
        return None
    if len(found) > 1:
        raise pulumi.RunError(
            f"{len(found)} servers claim to be that of stack {name} by their tags ({', '.join(sorted(found))}); "
            "terminate all but the right one, or remove their tag Stack."
        )
    known = _known(name)
    if known is not None and found[0] not in known:
        raise pulumi.RunError(
            f"The server {found[0]} carries the tags of stack {name}, but the stack's state does not know it "
            "(was the state lost?), and a second one would be made beside it; terminate it, which leaves the data "
            "volume, and then try again."
        )
    return found[0]


def _known(name: str) -> frozenset[str] | None:
    """The ids of the servers in the stack's state, which the program itself cannot see: `pulumi` is asked.

    None where it does not answer (the Automation API may run a CLI that is not on the PATH). A second server is then
    found out later: AWS attaches no volume that another one holds.
    """
    organization = pulumi.get_organization()
    # a file backend calls its only organization so, and needs no more than the stack's own name
    full = name if organization == "organization" else f"{organization}/{pulumi.get_project()}/{name}"
    try:
        return stack.resource_ids("aws:ec2/instance:Instance", full)
    except WorkbenchError as error:
        pulumi.warn(f"Whether the state knows the stack's server was not checked: {error}")
        return None


def _judge_holder(volume: str, server: str | None) -> None:
    """Raises RunError where the volume is attached to anything but the stack's server."""
    in_use = _volumes(("volume-id", volume), ("status", "in-use"))
    if in_use and not _volumes(("volume-id", volume), ("attachment.instance-id", server or "none")):
        raise pulumi.RunError(
            f"The data volume {volume} is attached to a server that is not this stack's (`aws ec2 describe-volumes "
            f"--volume-ids {volume}` says to which); stop that server and detach the volume from it, then try again."
        )


def _volumes(*filters: tuple[str, str]) -> Sequence[str]:
    """The ids of the volumes that all `filters` (name, value) fit."""
    return aws.ebs.get_ebs_volumes(filters=[{"name": name, "values": [value]} for name, value in filters]).ids


def _architecture(settings: Settings, server_id: str) -> Architecture:
    """That of the server there is. Raises RunError where its root disk would have to shrink."""
    server = aws.ec2.get_instance(instance_id=server_id)
    # None where the provider does not say; AWS then refuses by itself
    size = max((disk.volume_size or 0 for disk in server.root_block_devices), default=0)
    if size > settings.root_volume_gib:
        raise pulumi.RunError(
            f"workbench:rootVolumeGib is {settings.root_volume_gib}, but the root disk of the server {server_id} has "
            f"{size} GiB and can only grow; set workbench:rootVolumeGib to at least {size}, or `workbench destroy` "
            "first (the data volume stays) and then `workbench up`."
        )
    kind = aws.ec2.get_instance_type(instance_type=server.instance_type)
    return architecture_of(kind.supported_architectures)


def _tags(name: str, role: str) -> dict[str, str]:
    """The tags to look for; `Name` is there for people, who may change it."""
    wanted = naming.tags(name, role)
    return {key: wanted[key] for key in ("Project", "Stack", "Role")}


def architecture_of(supported: Sequence[str]) -> Architecture:
    """The one of ours among what an instance type supports."""
    return "arm64" if "arm64" in supported else "x86_64"
