"""`workbench snapshot`, `snapshots`, `delete-snapshot`: copies of the data volume in AWS, made and listed by hand."""

import json
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from cli import common, repair, swapping
from cli.common import JsonOption, StackOption, WhoseOption, YesOption, console
from cli.described import Disk, Snapshot
from cli.disks import Disks, named
from cli.waiting import asking
from workbench import stack as stacks
from workbench import volumes
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs
from workbench.times import age
from workbench_host.tools import DATA_VOLUME

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_RUNS = "running"
# For what memory can hold; the kernel writes by itself what is older than half a minute.
_WRITE_SECONDS = 60.0


def snapshot(
    stack: StackOption = None,
    name: Annotated[str | None, typer.Option("--name", help="what to call it; else by date and time")] = None,
    adopt: WhoseOption = None,
) -> None:
    """Make a snapshot of the data volume now, while people work: of one moment, with all that was written before."""
    wanted = _judged(f"{datetime.now(UTC):%Y-%m-%d-%H%M%S}" if name is None else name)
    stack = common.enter(stack)
    common.adopt(adopt)
    exported = repair.export(stack)
    disks = Disks.of(stack, exported)
    swapping.refuse_unfinished(disks)
    if wanted in [one.name for one in disks.snapshots()]:
        raise WorkbenchError(f"Stack {stack} has a snapshot named {wanted} already; choose another name.")
    volume = disks.data()
    if volume is None:
        raise WorkbenchError(
            f"Stack {stack} has no data volume at present, of which a snapshot could be made."
        )
    take(disks, exported, volume, wanted)


def take(disks: Disks, exported: repair.Exported, volume: Disk, name: str) -> Snapshot:
    """A snapshot of that name, once it is complete. Raises WorkbenchError where AWS cannot make it."""
    with common.stage(f"Snapshot of {volume.id} ({volume.gib} GiB)"):
        begun = _begin(disks, exported, volume, name)
        try:
            made = disks.completed(begun.id)
        except KeyboardInterrupt:
            console.print(
                "AWS goes on with it all the same; `workbench snapshots` shows when it is complete."
            )
            raise
    console.print(f"Snapshot {made.name} ({made.id}) is complete; at most {_usd(made)} USD a month.")
    return made


def _judged(name: str) -> str:
    if not _NAME.fullmatch(name) or name.startswith("snap-"):
        raise WorkbenchError(
            f"--name is {name!r}; it takes up to 63 letters, digits, dots, dashes and underscores, beginning with a "
            "letter or digit, and not with snap-, as ids do."
        )
    return name


def _begin(disks: Disks, exported: repair.Exported, volume: Disk, name: str) -> Snapshot:
    """Has AWS begin it, once what programs have written is on the disk."""
    facts, server = stacks.outputs_in(exported), disks.server() if volume.server else None
    if server is not None and facts is not None and server.state == _RUNS:
        _write_out(facts)
    with asking("The snapshot"):
        return disks.begin_snapshot(volume.id, name, volumes.BY_HAND)


def _write_out(facts: Outputs) -> None:
    """Has the server write what it still holds in memory; where it cannot, that is missing, and it is said.

    The filesystem is not frozen meanwhile: the kernel waits for every write that is under way, and any user can have
    one that never ends (docs/snapshots.md).
    """
    command = f"sudo timeout {_WRITE_SECONDS:.0f} sync --file-system {DATA_VOLUME}"
    asked = [*stacks.ssh_command(facts), command]
    try:
        done = subprocess.run(
            asked,
            timeout=2 * _WRITE_SECONDS,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        said = "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no answer"])[-1]
    except subprocess.TimeoutExpired:
        said = "no answer"
    if said:
        console.print(
            f"Note: {facts.address} did not write out what it holds in memory ({said}): what was written within the "
            "last half minute may not be in the snapshot.",
            markup=False,
        )


def snapshots(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """List the snapshots of this stack, and the volumes that a restore has kept, with what each costs."""
    name = common.enter(stack)
    disks = Disks.of(name, repair.export(name), guess=True)
    found, kept = disks.snapshots(), disks.volumes(volumes.KEPT)
    if as_json:
        typer.echo(json.dumps(_report(disks, found, kept), indent=2))
    else:
        _show(name, found, kept)


def _report(disks: Disks, found: Sequence[Snapshot], kept: Sequence[Disk]) -> dict[str, Any]:
    """{stack, stack_id, snapshots: [...], kept_volumes: [...]}; times in UTC, sizes in GiB, prices in USD."""
    return {
        "stack": disks.stack,
        "stack_id": disks.stack_id,
        "snapshots": [
            {
                "name": one.name, "id": one.id, "made": one.how, "state": one.state, "progress": one.progress,
                "size_gib": one.gib, "started": one.started.astimezone(UTC).isoformat(), "volume": one.volume,
                "usd_per_month_at_most": round(one.usd_per_month, 2),
            }
            for one in found
        ],
        "kept_volumes": [
            {"id": one.id, "size_gib": one.gib, "zone": one.zone, "usd_per_month": round(one.usd_per_month, 2)}
            for one in kept
        ],
    }  # fmt: skip


def _show(name: str, found: Sequence[Snapshot], kept: Sequence[Disk]) -> None:
    if not found:
        console.print(f"Stack {name} has no snapshots; `workbench snapshot` makes one.")
    else:
        table = Table(title=f"Snapshots of stack {name}", title_justify="left")
        for title in ("name", "id", "age", "GiB", "made", "state", "USD a month, at most"):
            table.add_column(title, no_wrap=title in ("name", "id"))
        for one in reversed(found):
            state = one.state if one.usable else f"{one.state} {one.why or one.progress}".strip()
            table.add_row(one.name, one.id, age(one.started), str(one.gib), one.how, state, _usd(one))
        console.print(table)
    for volume in kept:
        console.print(
            f"Kept from before a restore: the volume {volume.id} ({volume.gib} GiB, about {volume.usd_per_month:.2f} "
            f"USD a month); `workbench delete-snapshot {volume.id}` removes it."
        )


def _usd(one: Snapshot) -> str:
    return f"{one.usd_per_month:.2f}"


def delete_snapshot(
    what: Annotated[
        str,
        typer.Argument(metavar="NAME", help="a snapshot's name or id, or the id of a volume that was kept"),
    ],
    stack: StackOption = None,
    adopt: WhoseOption = None,
    yes: YesOption = False,
) -> None:
    """Delete one snapshot, or one volume that a restore has kept, for good."""
    name = common.enter(stack)
    common.adopt(adopt)
    with swapping.alone(name, "delete-snapshot"):
        _delete(name, what, yes)


def _delete(name: str, what: str, yes: bool) -> None:
    disks = Disks.of(name, repair.export(name))
    swapping.refuse_unfinished(disks)
    kept = next((one for one in disks.volumes(volumes.KEPT) if one.id == what), None)
    if kept is None and what.startswith("vol-"):
        raise WorkbenchError(
            f"{what} is no volume that a restore of stack {name} has kept; `workbench snapshots` lists those."
        )
    one = None if kept else named(disks.snapshots(), what, disks)
    told = f"the volume {kept.id}, from before a restore, {kept.gib} GiB" if kept else f"the snapshot {one}"
    if not yes:
        common.asking()
        console.print(f"This deletes {told}, with all that is on it.")
        typer.confirm("Do this?", abort=True)
    if kept:
        disks.delete_volume(kept.id)
    elif one:
        disks.delete_snapshot(one.id)
    console.print(f"Deleted: {told}.")
