"""What of a stack is paid for, as AWS has it now: by the tag StackId, and the zone by the state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli import cloud
from cli.described import stored_gib, tags_of
from workbench import images, prices, servers, volumes
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.leftovers import LIVING, stack_id_of
from workbench.prices import Part

ADDRESS, SNAPSHOTS, ZONE, IMAGES = "address", "snapshots", "zone", "images"
SERVER, FORMER, BUILDER = servers.SERVER, servers.FORMER, servers.BUILDER
ROOT, DATA = volumes.ROOT, volumes.DATA


@dataclass(frozen=True)
class Holding:
    """One thing that is paid for: what it is to the stack, its id in AWS, its price, and of a volume its GiB."""

    role: str
    id: str
    part: Part
    gib: int = 0


def of(stack: str, exported: Mapping[str, Any], stack_id: str | None = None) -> list[Holding]:
    """All of it; nothing where neither the state nor the caller knows the stack's id.

    Raises WorkbenchError where AWS does not say.
    """
    resources = stacks.resources_in(exported)
    stack_id = stack_id or stack_id_of(resources)
    if stack_id is None:
        return []
    try:
        ec2 = cloud.client("ec2", stacks.aws_config(stack))
        mine = [{"Name": "tag:StackId", "Values": [stack_id]}]
        found = [*_servers(ec2, mine), *_disks(ec2, mine), *_addresses(ec2, mine), *_snapshots(ec2, mine)]
    except (BotoCoreError, ClientError) as error:
        raise WorkbenchError(
            f"AWS did not say what it has of stack {stacks.short_name(stack)}: {error}"
        ) from None
    zones = [resource for resource in resources if resource["type"] == "aws:route53/zone:Zone"]
    return found + [
        Holding(ZONE, str(zone["id"]), prices.zone(str((zone.get("inputs") or {}).get("name", zone["id"]))))
        for zone in zones
    ]


def _servers(ec2: Any, mine: list[dict[str, Any]]) -> Iterable[Holding]:
    living = [*mine, {"Name": "instance-state-name", "Values": list(LIVING)}]
    for page in ec2.get_paginator("describe_instances").paginate(Filters=living):
        for reservation in page["Reservations"]:
            for one in reservation["Instances"]:
                part = prices.server(one["InstanceType"], one["State"]["Name"])
                role = tags_of(one).get("Role", SERVER)
                if role in servers.NAMES:
                    yield Holding(role, one["InstanceId"], replace(part, name=servers.NAMES[role]))
                else:
                    yield Holding(SERVER, one["InstanceId"], part)


def _disks(ec2: Any, mine: list[dict[str, Any]]) -> Iterable[Holding]:
    for page in ec2.get_paginator("describe_volumes").paginate(Filters=mine):
        for one in page["Volumes"]:
            role = tags_of(one).get("Role", "")
            name = volumes.NAMES.get(role, f"volume {one['VolumeId']}")
            part = prices.disk(name, one["Size"], one["VolumeType"])
            yield Holding(role, one["VolumeId"], part, one["Size"])


def _addresses(ec2: Any, mine: list[dict[str, Any]]) -> Iterable[Holding]:
    for one in ec2.describe_addresses(Filters=mine)["Addresses"]:
        yield Holding(ADDRESS, one["AllocationId"], prices.address(one["PublicIp"]))


def _snapshots(ec2: Any, mine: list[dict[str, Any]]) -> Iterable[Holding]:
    pages = ec2.get_paginator("describe_snapshots").paginate(OwnerIds=["self"], Filters=mine)
    of_data: dict[str, float] = {}
    of_images: dict[str, float] = {}
    for one in (one for page in pages for one in page["Snapshots"]):
        sizes = of_images if tags_of(one).get("Role") == images.IMAGE else of_data
        sizes[one["SnapshotId"]] = stored_gib(one)
    if of_data:
        yield Holding(SNAPSHOTS, ", ".join(of_data), prices.snapshots(len(of_data), sum(of_data.values())))
    if of_images:
        yield Holding(IMAGES, ", ".join(of_images), prices.images(len(of_images), sum(of_images.values())))


def parts(found: Iterable[Holding]) -> list[Part]:
    """Their prices."""
    return [one.part for one in found]


def stopped(found: Iterable[Holding]) -> list[Part]:
    """What it costs while the server, of whatever type, is stopped."""
    return [prices.server(_type(one), "stopped") if one.role == SERVER else one.part for one in found]


def destroyed(found: Iterable[Holding], keeps_address: bool, to_snapshot: bool = False) -> list[Part]:
    """What it costs once the server is gone, and with `to_snapshot` the data volume is a last snapshot."""
    gone = {SERVER, FORMER, BUILDER, ROOT} | (set() if keeps_address else {ADDRESS})
    left = [one for one in found if one.role not in gone]
    return [prices.snapshots(1, one.gib) if to_snapshot and one.role == DATA else one.part for one in left]


def type_of_server(found: Iterable[Holding]) -> str | None:
    """The server's type, None where there is no server."""
    return next((_type(one) for one in found if one.role == SERVER), None)


def _type(server: Holding) -> str:
    return server.part.detail.partition(",")[0]
