"""What AWS already has of this stack, asked before anything is declared.

What would destroy or strand data is refused here, in the preview, before anything has changed. What is there and fits
is taken back by infra/adoption.py, should the state lack it.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import lookups
from infra.naming import Owner
from infra.state import State
from workbench import servers, volumes
from workbench.instance_types import Architecture, architecture_of
from workbench.settings import Settings


@dataclass(frozen=True)
class Present:
    """What there is: the architecture of the server, None where there is none.

    `beside`: the server that a rebuild is to replace, while people are at work on it, so that data volume and address
    are not to be had yet: the new server is made without them. "" where there is none.
    """

    architecture: Architecture | None = None
    beside: str = ""


def judge(settings: Settings, owner: Owner, state: State) -> Present:
    """Looks at the stack's volume and servers. Raises RunError where they do not fit the settings."""
    if owner.fresh:
        return Present()
    volume = _volume(settings, owner)
    _judge_restored(owner, state, volume)
    former = _judge_rebuilt(owner)
    server = _server(owner)
    beside = former if former and volume and _has(former, volume) else ""
    if volume is not None and not beside:
        _judge_holder(volume, server)
    return Present(_architecture(settings, server) if server else None, beside)


def _volume(settings: Settings, owner: Owner) -> str | None:
    found = lookups.data_volumes(owner.found_by(volumes.DATA))
    if not found:
        return None
    if len(found) > 1:
        raise pulumi.RunError(
            f"{len(found)} volumes claim to be the data volume of stack {owner.stack} by their tags "
            f"({', '.join(sorted(found))}); remove the tag StackId from all but the right one."
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


def _judge_restored(owner: Owner, state: State, volume: str | None) -> None:
    """Raises RunError where another volume is about to take the data volume's place, or only snapshots are left of it.

    A run would bind the server to the wrong one, or make an empty one where people look for their work.
    """
    begun = lookups.data_volumes(owner.found_by(volumes.INCOMING))
    known = dict(state.values("arn")).get("aws:ebs/volume:Volume", "").rpartition("/")[2]
    if begun or (volume and known and known != volume):
        raise pulumi.RunError(
            f"A restore of stack {owner.stack} has begun and not ended ({begun[0] if begun else volume} is to be its "
            "data volume): `workbench restore` with the same snapshot goes on, `workbench up` goes on or back."
        )
    if volume or known:
        return
    if kept := lookups.snapshots(owner.found_by_id()):
        raise pulumi.RunError(
            f"Stack {owner.stack} has no data volume, but {len(kept)} snapshot{'s' if len(kept) > 1 else ''} of one, "
            f"the newest {kept[0]}: `workbench restore {kept[0]}` makes the data volume of it again. To begin with an "
            "empty one, delete them first: `workbench delete-data`."
        )


def _judge_rebuilt(owner: Owner) -> str | None:
    """The server that a rebuild is about to replace, where this run is the rebuild's own.

    Raises RunError where it is not: which of the two servers stays is not the engine's to say.
    """
    found = lookups.servers(owner.found_by(servers.FORMER))
    if found and os.environ.get(servers.REBUILD_VARIABLE) not in found:
        raise pulumi.RunError(
            f"A rebuild of stack {owner.stack} has begun and not ended ({', '.join(sorted(found))} is the server from "
            "before): `workbench rebuild` goes on with it, `workbench up` goes on or back."
        )
    return found[0] if found else None


def _server(owner: Owner) -> str | None:
    """The id of the one server that carries the stack's tags."""
    found = lookups.servers(owner.found_by(servers.SERVER))
    if len(found) > 1:
        raise pulumi.RunError(
            f"{len(found)} servers claim to be that of stack {owner.stack} by their tags ({', '.join(sorted(found))}); "
            "terminate all but the right one, or remove their tag StackId."
        )
    return found[0] if found else None


def _judge_holder(volume: str, server: str | None) -> None:
    """Raises RunError where the volume is attached to anything but the stack's server."""
    in_use = _volumes(("volume-id", volume), ("status", "in-use"))
    if in_use and not _has(server or "none", volume):
        raise pulumi.RunError(
            f"The data volume {volume} is attached to a server that is not this stack's, or that is just being "
            f"terminated (`aws ec2 describe-volumes --volume-ids {volume}` says to which); stop that server and detach "
            "the volume from it, or wait until it is gone, and then try again."
        )


def _has(server: str, volume: str) -> bool:
    """Whether the volume is attached to that server."""
    return bool(_volumes(("volume-id", volume), ("attachment.instance-id", server)))


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
