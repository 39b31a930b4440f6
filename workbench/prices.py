"""What the parts of a stack cost a month: estimates, entered by hand, for us-east-1; other regions differ.

Entered on 2026-11-22, the day of `instance_types.json`, which has the prices of the server's types (per hour, Linux, on
demand). Sources, AWS's own pages: aws.amazon.com/ec2/pricing/on-demand (servers), aws.amazon.com/ebs/pricing (gp3
0.08 USD a GiB and month with 3000 IOPS and 125 MiB/s in it; snapshots 0.05 USD a GiB and month, of what has changed
since the one before), aws.amazon.com/vpc/pricing (a public IPv4 address 0.005 USD an hour, in use or not),
aws.amazon.com/route53/pricing (a zone 0.50 USD a month). A month has 730 hours. What has no price here costs `None` and
is said to be unknown, never taken for nothing.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from workbench import instance_types

HOURS_PER_MONTH = 730
GP3_USD_PER_GIB_MONTH = 0.08
SNAPSHOT_USD_PER_GIB_MONTH = 0.05
ADDRESS_USD_PER_MONTH = 3.65
ZONE_USD_PER_MONTH = 0.5

NIGHT_HOURS = 12  # of each night from Monday to Friday
NIGHTS_A_MONTH = 5 * 52 / 12
NIGHTS = f"{NIGHT_HOURS} hours of each night from Monday to Friday"
ON = "running"


@dataclass(frozen=True)
class Part:
    """Something that is paid for: what it is, what is notable of it, USD a month (None: not known here)."""

    name: str
    detail: str
    usd: float | None

    def __str__(self) -> str:
        return f"{self.name} ({self.detail}): {said(self.usd)}"


@dataclass(frozen=True)
class Sum:
    """What parts cost together, in USD a month: that of the known ones, and the names of the others."""

    usd: float
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        rest = f" without {' and '.join(self.unknown)}, of unknown price" if self.unknown else ""
        return f"about {self.usd:.2f} USD a month{rest}"


def said(usd: float | None) -> str:
    """A price in words."""
    return "a price that is not known here" if usd is None else f"about {usd:.2f} USD a month"


def total(parts: Iterable[Part]) -> Sum:
    """What they cost together."""
    known = list(parts)
    return Sum(
        sum(part.usd for part in known if part.usd is not None),
        tuple(part.name for part in known if part.usd is None),
    )


def server(size: str, state: str = ON) -> Part:
    """A server of an instance type; one that is stopped is not paid for, though its disks are."""
    if state in {"stopped", "stopping"}:
        return Part("server", f"{size}, {state}", 0.0)
    hourly = _hourly(size)
    return Part("server", f"{size}, {state}", None if hourly is None else hourly * HOURS_PER_MONTH)


def disk(name: str, gib: int, kind: str = "gp3") -> Part:
    """A volume of so many GiB; gp3 is what the workbench makes, and the one whose price is here."""
    return Part(name, f"{gib} GiB {kind}", gib * GP3_USD_PER_GIB_MONTH if kind == "gp3" else None)


def snapshots(count: int, gib: float) -> Part:
    """Snapshots of so many GiB together: at most, since each has only what changed since the one before."""
    return Part("snapshots", f"{count}, at most {math.ceil(gib)} GiB", gib * SNAPSHOT_USD_PER_GIB_MONTH)


def images(count: int, gib: float) -> Part:
    """The snapshots that images consist of, for root disks of so many GiB together: at most, as of others."""
    return Part("images", f"{count}, at most {math.ceil(gib)} GiB", gib * SNAPSHOT_USD_PER_GIB_MONTH)


def address(public_ip: str) -> Part:
    """An Elastic IP, which costs the same in use and out of use."""
    return Part("address", public_ip, ADDRESS_USD_PER_MONTH)


def zone(name: str) -> Part:
    """A hosted zone of Route 53."""
    return Part("zone", name, ZONE_USD_PER_MONTH)


def saved_by_nights(size: str) -> float | None:
    """What a server saves in USD a month that is stopped for NIGHTS, instead of running all the time."""
    hourly = _hourly(size)
    return None if hourly is None else hourly * NIGHT_HOURS * NIGHTS_A_MONTH


def _hourly(size: str) -> float | None:
    known = instance_types.find(size)
    return known.usd_per_hour if known else None
