"""`workbench destroy`: all is given back but the data, which stays as the volume that it is or as a last snapshot."""

from enum import StrEnum
from typing import Annotated

import typer

from cli import address, baking, common, ending, engine, grace, plan, planning, rebuilding, repair, swapping
from cli.common import StackOption, YesOption
from cli.disks import Disks
from cli.grace import GraceOption
from workbench.errors import WorkbenchError


class DataKept(StrEnum):
    """What a destroy leaves of the data."""

    KEEP = "keep"
    SNAPSHOT = "snapshot"


def destroy(
    stack: StackOption = None,
    data: Annotated[
        DataKept,
        typer.Option("--data", help="what becomes of the data volume: it stays, or a last snapshot does"),
    ] = DataKept.KEEP,
    minutes: GraceOption = 0,
    yes: YesOption = False,
) -> None:
    """Give the server back and stop paying for it; the data volume stays, or a snapshot of it.

    With keepAddress the address stays as well.
    """
    grace.judge(minutes)
    name = common.enter(stack)
    with swapping.alone(name, "destroy"):
        _destroy(name, data is DataKept.SNAPSHOT, minutes, yes)


def _destroy(name: str, to_snapshot: bool, minutes: int, yes: bool) -> None:
    exported = repair.export(name)
    disks = Disks.of(name, exported) if repair.stack_id(exported) else None  # the state may forget the id yet
    if to_snapshot and disks is None:
        raise WorkbenchError(
            f"The state of stack {name} knows no data of which a last snapshot could be made; if AWS has what is "
            "yours, take it back first: `workbench up --adopt ID`. Nothing was changed."
        )
    state = _settled(name, minutes, exported)
    keeps = address.is_kept(name, state.exported)
    wanted = planning.of_destroy(name, state.exported, keeps, to_snapshot)
    plan.confirm(wanted, yes)
    grace.wait(wanted.server, minutes, "is taken down (all files are kept)")
    try:
        if minutes or not yes:  # others may have been at the stack meanwhile
            state = _settled(name, minutes)
        state = rebuilding.end_all(name, state)
        exported = state.exported
        if state.creating:
            repair.take_into_state(name, state)
            exported = repair.export(name)
        address.keep(name, exported, keeps)
    finally:
        grace.over(wanted.server, minutes)  # now: once it is gone, it could not be asked to
    if not ending.is_over(exported, disks):
        ending.keep_id(name, exported, disks)
        with common.stage("Destroy all but what is kept"):
            engine.run(name, "destroy", "--exclude-protected", "--yes", "--skip-preview", program=False)
        exported = repair.export(name)
    repair.done(name)
    if to_snapshot and disks is not None and ending.to_snapshot(name, exported, disks):
        exported = repair.export(name)
    ending.tell_what_stays(name, exported, disks)


def _settled(name: str, minutes: int, exported: repair.Exported | None = None) -> repair.Repaired:
    """The state with nothing in it of a run that died. Raises WorkbenchError where another is at it.

    `exported`: the state, where it has just been read.
    """
    if minutes:  # the engine would refuse it only once users have been told
        swapping.refuse_runs(name)
    state = swapping.settled(name, repair.repaired(name, exported))
    baking.settle(name, state.exported, refuse=True)
    return state
