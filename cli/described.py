"""Volumes, snapshots and the server as AWS describes them, and tags as it takes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workbench import prices, volumes

Tags = dict[str, str]
_GIB = 1024**3
_SECOND_DEVICES = [f"/dev/sd{letter}" for letter in "ghijklmnop"]  # AWS: device names on Linux instances


@dataclass(frozen=True)
class Disk:
    """A volume: GiB, what it is to the stack, and the server that has it ("" if none has)."""

    id: str
    role: str
    gib: int
    zone: str
    state: str
    server: str
    snapshot: str
    made: datetime
    by: str = ""
    """The process that made it, of those that are for the time of a command (cli/makers.py)."""
    attachment: str = ""
    """How far the server has it: attaching, attached, detaching, or busy, where it does not let go; "" if none has."""

    @property
    def usd_per_month(self) -> float:
        return self.gib * prices.GP3_USD_PER_GIB_MONTH


@dataclass(frozen=True)
class Snapshot:
    """A snapshot: GiB of its volume (AWS stores what is used of them, and once what several have in common)."""

    id: str
    name: str
    how: str
    state: str
    progress: str
    gib: int
    stored_gib: float
    started: datetime
    volume: str
    why: str

    @property
    def usd_per_month(self) -> float:
        """At most: what it alone would cost."""
        return self.stored_gib * prices.SNAPSHOT_USD_PER_GIB_MONTH

    @property
    def usable(self) -> bool:
        return self.state == "completed"

    def __str__(self) -> str:
        return f"{self.name} ({self.id}, {self.how}, {self.gib} GiB)"


@dataclass(frozen=True)
class Server:
    """The stack's server; `devices` that are taken."""

    id: str
    state: str
    zone: str
    devices: frozenset[str]

    def free_device(self) -> str:
        return next(device for device in _SECOND_DEVICES if device not in self.devices)


def snapshot_of(one: Mapping[str, Any]) -> Snapshot:
    tags, size = tags_of(one), one["VolumeSize"]
    started = one["StartTime"]
    daily = any(key.startswith(("aws:dlm:", "dlm:")) for key in tags)  # Data Lifecycle Manager's own tags
    how = tags.get(volumes.MADE, volumes.DAILY if daily else "otherwise")
    name = (
        f"daily-{started.astimezone(UTC):%Y-%m-%d}"
        if how == volumes.DAILY
        else tags.get("Name", one["SnapshotId"])
    )
    return Snapshot(
        id=one["SnapshotId"],
        name=name,
        how=how,
        state=one["State"],
        progress=one.get("Progress") or "",
        gib=size,
        stored_gib=stored_gib(one),
        started=started,
        volume=one.get("VolumeId", ""),
        why=one.get("StateMessage") or "",
    )


def stored_gib(one: Mapping[str, Any]) -> float:
    """GiB that are paid for of a snapshot, at most: what its disk used, where AWS says that, else all of it."""
    full = one.get("FullSnapshotSizeInBytes")
    return full / _GIB if full else float(one["VolumeSize"])


def disk_of(one: Mapping[str, Any]) -> Disk:
    tags = tags_of(one)
    held = [attached for attached in one.get("Attachments") or () if attached["State"] != "detached"]
    return Disk(
        id=one["VolumeId"],
        role=tags.get("Role", ""),
        gib=one["Size"],
        zone=one["AvailabilityZone"],
        state=one["State"],
        server=held[0]["InstanceId"] if held else "",
        snapshot=tags.get("RestoredFrom") or one.get("SnapshotId") or "",
        made=one["CreateTime"],
        by=tags.get("By", ""),
        attachment=held[0]["State"] if held else "",
    )


def tags_of(one: Mapping[str, Any]) -> Tags:
    return {tag["Key"]: tag["Value"] for tag in one.get("Tags") or ()}


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def specified(kind: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": pairs(tags)}]
