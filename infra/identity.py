"""Which of all stacks of its name this one is: a random id, which all that it makes carries and its state keeps.

A colleague may have a stack of the same name, in another state but the same account: nothing of it may be touched.
So names are not enough. And where a state was lost, nothing is taken back that nobody asked for.
"""

import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import cache

import pulumi
import pulumi_aws as aws

from infra import lookups, naming
from infra.state import State
from workbench import leftovers, prices, volumes
from workbench.leftovers import ADOPT_NONE, ADOPT_VARIABLE, Leftover

_ID = re.compile(r"[0-9a-f]{12}")  # as one is drawn


class Workbench(pulumi.ComponentResource):
    """What everything else is made under, so that the id is in the state before anything is in AWS.

    It stays in the state for as long as the data volume, its grandchild, does.
    """

    def __init__(self, owner: naming.Owner, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("workbench:infra:Workbench", "workbench", None, opts)
        self.register_outputs({"stackId": owner.id})


def identify(stack: str, state: State, zone_name: str | None) -> naming.Owner:
    """Whose the resources are: the state's id, else the one that WORKBENCH_ADOPT names, else a new one.

    `zone_name` is that of the zone to be made, if any. Raises RunError where it is for a person to say.
    """
    wanted = os.environ.get(ADOPT_VARIABLE)
    if state.stack_id is not None:
        if wanted not in {None, "", ADOPT_NONE, state.stack_id}:
            raise pulumi.RunError(
                f"{ADOPT_VARIABLE} is {wanted!r}, but the state of stack {stack} is there and has the id "
                f"{state.stack_id}; unset {ADOPT_VARIABLE}, or take the other one back in a stack of another state."
            )
        return naming.Owner(stack, state.stack_id, fresh=False)
    if wanted != ADOPT_NONE:
        found = find(stack, zone_name)
        ids = leftovers.stack_ids(found)
        if wanted:
            if wanted in ids and _ID.fullmatch(wanted):
                return naming.Owner(stack, wanted, fresh=False)
            raise pulumi.RunError(
                f"{ADOPT_VARIABLE} is {wanted!r}, but nothing of stack {stack} in AWS has that id; "
                f"{'there is ' + ', '.join(ids) if ids else 'there is nothing of a stack of that name'}."
            )
        if found:
            raise pulumi.RunError(_question(stack, found))
    return naming.Owner(stack, _drawn(stack), fresh=True)


@cache
def _drawn(_stack: str) -> str:
    """A new id; the same in the preview and the update that one process runs."""
    return secrets.token_hex(6)


def _question(stack: str, found: list[Leftover]) -> str:
    return (
        f"The state of stack {stack} is empty, but AWS has things of a stack of that name: its state was lost, or "
        f"somebody else's stack is called so too. By the id of the stack:\n{leftovers.listing(found)}\n"
        f"To take one back, all of it, run again with {ADOPT_VARIABLE}=ID (`workbench up --adopt ID`); to make a new "
        f"one beside it and touch nothing of it, with {ADOPT_VARIABLE}={ADOPT_NONE}."
    )


def find(stack: str, zone_name: str | None) -> list[Leftover]:
    """What costs, and the networks and roles, of all stacks of that name in this region, whatever their ids."""
    tags = {"Project": naming.PROJECT, "Stack": stack}
    kinds: list[Callable[[dict[str, str]], Iterator[Leftover]]] = [
        _servers, _volumes, _snapshots, _addresses, _networks,
    ]  # fmt: skip
    found = [item for kind in kinds for item in kind(tags)]
    found += [
        Leftover("role", name, name.rpartition("-")[2])
        for name in aws.iam.get_roles(
            name_regex=f"^{naming.role_name(naming.Owner(stack, '[0-9a-f]{12}'))}$"
        ).names
    ]
    zone = lookups.zone(zone_name) if zone_name else None
    if zone is not None and tags.items() <= zone.tags.items():
        found.append(Leftover("zone", zone.zone_id, _id(zone.tags), zone.name, prices.ZONE_USD_PER_MONTH))
    return found


def _servers(tags: dict[str, str]) -> Iterator[Leftover]:
    for server_id in lookups.servers({**tags, "Role": "server"}):
        server = aws.ec2.get_instance(instance_id=server_id)
        gib = sum(disk.volume_size or 0 for disk in server.root_block_devices)
        yield leftovers.server(server_id, _id(server.tags), server.instance_type, server.instance_state, gib)


def _volumes(tags: dict[str, str]) -> Iterator[Leftover]:
    for volume_id in lookups.data_volumes({**tags, "Role": volumes.DATA}):
        volume = aws.ebs.get_volume(filters=[{"name": "volume-id", "values": [volume_id]}])
        yield leftovers.volume(volume_id, _id(volume.tags), volume.size)


def _snapshots(tags: dict[str, str]) -> Iterator[Leftover]:
    for snapshot_id in lookups.snapshots(tags):
        snapshot = aws.ebs.get_snapshot(snapshot_ids=[snapshot_id])
        cost = snapshot.volume_size * prices.SNAPSHOT_USD_PER_GIB_MONTH
        detail = f"{snapshot.volume_size} GiB, at most"
        yield Leftover("snapshot", snapshot_id, _id(snapshot.tags), detail, cost)


def _addresses(tags: dict[str, str]) -> Iterator[Leftover]:
    for allocation_id in aws.ec2.get_eips(tags=tags).allocation_ids:
        address = aws.ec2.get_elastic_ip(id=allocation_id)
        yield leftovers.address(allocation_id, _id(address.tags), address.public_ip)


def _networks(tags: dict[str, str]) -> Iterator[Leftover]:
    for vpc_id in aws.ec2.get_vpcs(tags=tags).ids:
        yield Leftover("network", vpc_id, _id(aws.ec2.get_vpc(id=vpc_id).tags))


def _id(tags: Mapping[str, str]) -> str:
    return tags.get("StackId", "(no id)")
