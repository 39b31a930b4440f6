"""What a stack has in AWS that no state knows of: how it is told from others', what it costs, how it is said.

Every resource carries the tag StackId beside the stack's name: another state, a colleague's perhaps, may have a stack
of the same name in the same account. Looking is left to who asks: infra does it through the provider, the command
through boto3.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench import prices, servers, volumes

ADOPT_VARIABLE = "WORKBENCH_ADOPT"
ADOPT_NONE = "none"

LIVING = ("pending", "running", "stopping", "stopped")  # of a server: all that is not gone or going


@dataclass(frozen=True)
class Leftover:
    """One thing in AWS: its kind and what is notable of it in a person's words; USD a month, None where unknown."""

    kind: str
    id: str
    stack_id: str
    detail: str = ""
    usd_per_month: float | None = 0.0

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        if self.usd_per_month is None:
            return f"{self.kind} {self.id}{detail}, at a price that is not known here"
        cost = f", about {self.usd_per_month:.2f} USD a month" if self.usd_per_month else ""
        return f"{self.kind} {self.id}{detail}{cost}"


def server(
    server_id: str, stack_id: str, size: str, state: str, root_gib: int, role: str = servers.SERVER
) -> Leftover:
    """A server and its root disk; a stopped one is paid for by its disk alone."""
    kind = servers.NAMES.get(role, "server")
    parts = [prices.server(size, state), prices.disk(volumes.NAMES[volumes.ROOT], root_gib)]
    cost = prices.total(parts)
    return Leftover(kind, server_id, stack_id, f"{size}, {state}", None if cost.unknown else cost.usd)


def volume(volume_id: str, stack_id: str, gib: int, role: str = volumes.DATA) -> Leftover:
    """The data volume, or what a restore has made or kept."""
    kind = volumes.NAMES.get(role, volumes.NAMES[volumes.DATA])
    return Leftover(kind, volume_id, stack_id, f"{gib} GiB", prices.disk(kind, gib).usd)


def address(allocation_id: str, stack_id: str, public_ip: str) -> Leftover:
    """An Elastic IP, which costs the same in use and out of use."""
    return Leftover("address", allocation_id, stack_id, public_ip, prices.address(public_ip).usd)


def stack_ids(found: Iterable[Leftover]) -> list[str]:
    """The ids of the stacks that they belong to."""
    return sorted({item.stack_id for item in found})


def listing(found: Sequence[Leftover]) -> str:
    """A line for each stack id, with what it has and what that costs a month."""
    return "\n".join(
        f"  {stack_id}: {'; '.join(sorted(str(item) for item in found if item.stack_id == stack_id))}"
        for stack_id in stack_ids(found)
    )


def stack_id_of(resources: Iterable[Mapping[str, Any]]) -> str | None:
    """The id that a state knows its stack by, from its resources (what matters is their `outputs`); None: no stack yet.

    It is an output of the component that holds all others, and a tag of what is in AWS, should that one be lost.
    """
    outputs = [resource.get("outputs") or {} for resource in resources]
    named = [told["stackId"] for told in outputs if "stackId" in told]
    tagged = [told["tags"]["StackId"] for told in outputs if "StackId" in (told.get("tags") or {})]
    return next(iter([*named, *tagged]), None)
