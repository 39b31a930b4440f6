"""What a new server starts from: the stack's newest image that fits, or the one that the settings name, else Debian's.

Only for a server that is to be made: a living one keeps the image that it was made from (infra/server.py).
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import pulumi
import pulumi_aws as aws

from infra import lookups
from infra.machine_type import MachineType
from infra.naming import Owner
from workbench import images, servers, stackfile, team
from workbench.images import Image, Wanted
from workbench.settings import Settings
from workbench.times import age


def choose(settings: Settings, owner: Owner, machine: MachineType) -> str | None:
    """The id of the image, and says which; None for Debian's, and says why where there are images.

    Raises RunError where the settings name one that a server cannot start from.
    """
    locks = team.locks(stackfile.path_of(pulumi.get_stack()), settings)
    wanted = Wanted.by(settings, machine.architecture, locks)
    named = settings.images.start_from
    if named is None and owner.fresh:
        return None  # of a stack that begins there is nothing in AWS
    found = [_described(image_id) for image_id in ([named] if named else _own(owner)) if _is_there(image_id)]
    chosen = images.chosen(found, wanted)
    if chosen is not None:
        missing = "" if images.has_all(chosen, wanted) else "; what it lacks is installed"
        pulumi.info(f"{servers.STARTS_FROM} the image {chosen}, baked {age(chosen.made)} ago{missing}.")
        return chosen.id
    why = images.reasons(found, wanted)
    if named:
        missing = f"this account has no such image in {settings.region}"
        raise pulumi.RunError(
            f"workbench:images.startFrom is {named!r}, but {why or missing}; name another one, or none: then it is "
            "this stack's own newest, or Debian's."
        )
    if why:
        pulumi.warn(f"{servers.STARTS_FROM} Debian's own image, which takes longer: {why}.")
    return None


def _own(owner: Owner) -> Sequence[str]:
    """The ids of the stack's images, the newest first."""
    return lookups.images(owner.found_by(images.IMAGE))


def _is_there(image_id: str) -> bool:
    return image_id in lookups.images({}, image_id)


def _described(image_id: str) -> Image:
    told = aws.ec2.get_ami(owners=["self"], filters=[{"name": "image-id", "values": [image_id]}])
    disks = [disk.ebs for disk in told.block_device_mappings if disk.device_name == told.root_device_name]
    snapshot = told.root_snapshot_id or ""
    return Image(
        id=image_id,
        name=told.name,
        state=told.state,
        architecture=told.architecture,
        root_gib=max((int(disk.get("volume_size") or 0) for disk in disks), default=0),
        snapshot=snapshot if snapshot and lookups.image_snapshots(snapshot) else "",
        made=datetime.fromisoformat(told.creation_date.replace("Z", "+00:00")).astimezone(UTC),
        tags=told.tags,
    )
