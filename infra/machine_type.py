"""The instance type: what the API says of it, and whether it fits the settings and the server that runs."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from workbench import instance_types
from workbench.instance_types import Architecture, architecture_of
from workbench.settings import Settings


@dataclass(frozen=True)
class MachineType:
    """An instance type that fits: memory in MiB."""

    name: str
    vcpus: int
    memory_mib: int
    architecture: Architecture


def choose(settings: Settings, running: Architecture | None, now: str | None) -> MachineType:
    """The type of `size`, asked of the API; the server has the architecture `running`, and in the state the type `now`.

    Raises RunError where the type does not exist, is too small for the services or of an architecture that one of them
    lacks, cannot run the server's system, or is not to be had in the zone.
    """
    try:
        kind = aws.ec2.get_instance_type(instance_type=settings.size)
    except Exception as error:
        if "InvalidInstanceType" not in str(error) and "not exist" not in str(error):
            raise  # no credentials, no network: AWS's own words say more than ours
        close = ", ".join(instance_types.similar(settings.size)) or "t3.large"
        raise pulumi.RunError(
            f"workbench:size is {settings.size!r}, which AWS does not offer here; takes a type such as {close}."
        ) from None
    chosen = MachineType(
        settings.size, kind.default_vcpus, kind.memory_size, architecture_of(kind.supported_architectures)
    )
    if unfit := list(settings.unfit(chosen.architecture, chosen.memory_mib)):
        raise pulumi.RunError("\n".join(str(fault) for fault in unfit))
    if running not in (None, chosen.architecture):
        raise pulumi.RunError(
            f"workbench:size is {settings.size!r}, which is {chosen.architecture}, but the server runs {running}; "
            f"choose a {running} type, or `workbench destroy` first (the data volume stays) and then `workbench up`."
        )
    if settings.size != now:
        _judge_zone(settings)
    return chosen


def _judge_zone(settings: Settings) -> None:
    """Raises RunError where the region has the type and the zone has not."""
    offered = aws.ec2.get_instance_type_offerings(
        location_type="availability-zone", filters=[{"name": "instance-type", "values": [settings.size]}]
    ).locations
    if settings.zone not in offered:
        raise pulumi.RunError(
            f"workbench:size is {settings.size!r}, which {settings.zone} does not have "
            f"(but {', '.join(sorted(offered))}); choose another size, or, as long as there is no data "
            "volume, which cannot move, another zone."
        )
