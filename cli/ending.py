"""What becomes of the data when a stack ends: a last snapshot in the volume's place; what still costs; all deleted."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli import account, common, holdings, rebuilding, repair, swapping
from cli.amis import Amis
from cli.common import StackOption, WhoseOption, console
from cli.described import Disk, Snapshot
from cli.disks import Disks
from cli.waiting import asking
from workbench import prices, volumes
from workbench import stack as stacks
from workbench.errors import WorkbenchError

Exported = Mapping[str, Any]

# Of the state alone; in AWS they are nothing.
_OWN = ("pulumi:pulumi:Stack", "pulumi:providers:", "workbench:infra:")


def is_over(exported: Exported, disks: Disks | None) -> bool:
    """Whether nothing is left to destroy. Then the state has only the stack's id, by which its data is known."""
    if any(not one["type"].startswith(_OWN) for one in stacks.resources_in(exported)):
        return False
    return disks is not None and bool(disks.volumes() or disks.snapshots())


def keep_id(name: str, exported: Exported, disks: Disks | None) -> None:
    """Has the state keep the stack's id through a destroy, as long as AWS has data that is known by it.

    The data volume does, which is protected, and what it is part of with it; but a restore that died may have had the
    state forget the volume (cli/swapping.py), and a destroy then leaves nothing. The next `up` takes the protection
    off.
    """
    whole = next(
        (one for one in stacks.resources_in(exported) if "stackId" in (one.get("outputs") or {})), None
    )
    if whole is None:
        return
    forgotten = swapping.volume_in(exported) is None
    needed = forgotten and disks is not None and bool(disks.volumes() or disks.snapshots())
    if whole.get("protect", False) != needed:
        verb = "protect" if needed else "unprotect"
        stacks.Question("state", verb, whole["urn"], "--yes", stack=name).said()


def to_snapshot(name: str, exported: Exported, disks: Disks) -> bool:
    """A last snapshot of the data volume, which is deleted once AWS says that the snapshot is complete.

    Whether there was a volume: the state may have forgotten it now. Cut off before that, the volume is there, and the
    next run makes another snapshot: this one may not have all.
    """
    volume = disks.data()
    if volume is None:
        console.print("There is no data volume of which a last snapshot could be made.")
        return False
    if volume.server:
        raise WorkbenchError(
            f"The data volume {volume.id} is attached to {volume.server} still; no snapshot was made, and it stays."
        )
    called = f"final-{datetime.now(UTC):%Y-%m-%d-%H%M%S}"
    with common.stage(f"A last snapshot of {volume.id} ({volume.gib} GiB)"):
        with asking("The last snapshot"):
            begun = disks.begin_snapshot(volume.id, called, volumes.FINAL)
        made = disks.completed(begun.id)
    _require_whole(disks, made, volume)
    with common.stage(f"Delete the volume {volume.id}, which is in the snapshot {made.name} ({made.id})"):
        _delete(name, disks, exported, volume)
    return True


def _require_whole(disks: Disks, made: Snapshot, volume: Disk) -> None:
    """Raises WorkbenchError unless AWS, asked once more, has the snapshot complete, of this volume, in its size."""
    found = next((one for one in disks.snapshots() if one.id == made.id), None)
    if found is None or (found.state, found.volume, found.gib) != ("completed", volume.id, volume.gib):
        raise WorkbenchError(
            f"AWS does not say of the snapshot {made.id} that it is complete and all of {volume.id}: the volume stays."
        )


def _delete(name: str, disks: Disks, exported: Exported, volume: Disk) -> None:
    """The state forgets it first: were this cut off in between, the next `up` would find the volume by its tags."""
    known = swapping.volume_in(exported)
    if known is not None and known["id"] == volume.id:
        swapping.drop(name, known["urn"])
    disks.delete_volume(volume.id)


# What is left, and what it costs.


def tell_what_stays(name: str, exported: Exported, disks: Disks | None) -> None:
    """What a destroy has left, with its price, and how one comes back. `disks`: None where no stack was known."""
    if disks is None:
        console.print(f"The state of stack {name} knows no stack; what AWS may have of one is untouched.")
        return
    data, found = disks.data(), holdings.of(name, exported, disks.stack_id)
    addresses = [one.part.detail for one in found if one.role == holdings.ADDRESS]
    if data is not None:
        stays = (
            f"the public address {addresses[0]} stays too"
            if addresses
            else "the public address will be another"
        )
        console.print(
            f"Kept: the data volume {data.id}, with homes, users, host keys and certificates. `workbench up --stack "
            f"{name}` takes it back, at any size; {stays}.",
            markup=False,
        )
    elif last := [one for one in disks.snapshots() if one.usable]:
        console.print(
            f"The stack has no data volume. `workbench restore {last[-1].name} --stack {name}` makes one of its newest "
            f"snapshot, then `workbench up --stack {name}` a server."
        )
    else:
        console.print("The stack has neither a data volume nor a snapshot of one.")
    if found:
        console.print(f"What stays costs {prices.total(holdings.parts(found))}:")
        for one in found:
            console.print(f"  {one.part}", markup=False)
        console.print("`workbench delete-data` deletes the data for good.")
    if any(one.role == holdings.IMAGES for one in found):
        console.print(
            "`workbench delete-image all` deletes the images, which only spare the next server its installation."
        )
    if repair.stack_id(exported) is None:
        console.print(
            f"Its state has forgotten whose that is: say `--adopt {disks.stack_id}` with all of these."
        )
    _tell_left_over(name, exported, disks)


def _tell_left_over(name: str, exported: Exported, disks: Disks) -> None:
    """What AWS has of the stack beside its data, and no destroy will find."""
    try:
        left = repair.left_over(name, exported)
    except WorkbenchError as refused:  # all else is done
        console.print(f"Whether anything else is left could not be told: {refused}", markup=False)
        return
    left = [one for one in left if one.what.stack_id == disks.stack_id and not account.holds_data(one)]
    if left:
        repair.tell_left_over(left)


# The end of the data.


def delete_data(
    stack: StackOption = None,
    stack_name: Annotated[
        str | None,
        typer.Option("--stack-name", metavar="NAME", help="the stack's name, which else is asked for"),
    ] = None,
    adopt: WhoseOption = None,
) -> None:
    """Delete the data of a destroyed stack for good: its volumes and all of its snapshots. Nothing brings it back."""
    name = common.enter(stack)
    common.adopt(adopt)
    with swapping.alone(name, "delete-data"):
        swapping.refuse_runs(name)
        exported = repair.repaired(name).exported
        disks = Disks.of(name, exported)
        rebuilding.refuse_unfinished(disks)
        _refuse_in_use(disks)
        doomed, snapshots = disks.volumes(), disks.snapshots()
        if not doomed and not snapshots:
            console.print(f"Stack {name} has no data: neither a volume nor a snapshot.")
            _tell_the_rest(name, disks)
            return
        _require_name(name, stack_name, _told(doomed, snapshots))
        _delete_all(name, disks, exported, doomed, snapshots)


def _refuse_in_use(disks: Disks) -> None:
    """Raises WorkbenchError where a server has the data."""
    server = disks.server()
    holders = [one for one in disks.volumes() if one.server]
    if server is not None or holders:
        who = server.id if server is not None else holders[0].server
        raise WorkbenchError(
            f"The server {who} has the data of stack {disks.stack}; end it first with `workbench destroy`. Nothing was "
            "deleted."
        )


def _told(doomed: Sequence[Disk], snapshots: Sequence[Snapshot]) -> list[str]:
    lines = [
        f"the {volumes.NAMES[one.role]} {one.id}, {one.gib} GiB, of {one.made:%Y-%m-%d}" for one in doomed
    ]
    return [*lines, *(f"the snapshot {one}" for one in snapshots)]


def _require_name(name: str, given: str | None, lines: Sequence[str]) -> None:
    """Raises WorkbenchError unless somebody types the name of the stack, having seen what goes."""
    wanted = stacks.short_name(name)
    if given is None:
        common.asking()
        console.print(f"This deletes all data of stack {wanted}, for good:")
        for line in lines:
            console.print(f"  {line}", markup=False)
        given = typer.prompt(
            "The name of the stack, if that is what you want", default="", show_default=False
        )
    if given != wanted:
        raise WorkbenchError(
            f"{given!r} is not the name of the stack, which is {wanted}; nothing was deleted."
        )


def _delete_all(
    name: str, disks: Disks, exported: Exported, doomed: Sequence[Disk], snapshots: Sequence[Snapshot]
) -> None:
    """Cut off anywhere, the next run deletes what is left."""
    known = swapping.volume_in(exported)
    if known is not None:
        swapping.drop(name, known["urn"])
    for volume in doomed:
        disks.delete_volume(volume.id)
        console.print(f"  {volume.id} deleted")
    for snapshot in snapshots:
        disks.delete_snapshot(snapshot.id)
        console.print(f"  {snapshot.id} deleted")
    console.print(f"Stack {name} has no data any more.")
    _tell_the_rest(name, disks)


def _tell_the_rest(name: str, disks: Disks) -> None:
    """How the rest of it goes. Images first: once the state has forgotten the stack's id, only --adopt finds them."""
    removed = f"`workbench destroy`, then `pulumi stack rm {name}`"
    amis = Amis(disks)
    if found := amis.all():
        usd = amis.usd_per_month(found)
        console.print(
            f"Its images ({len(found)}) cost at most {usd:.2f} USD a month still: `workbench delete-image all` deletes "
            f"them; {removed}, remove what is left then."
        )
    else:
        console.print(f"{removed}, remove the rest of it.")
