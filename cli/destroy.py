"""`workbench destroy`: all is given back but the data, which stays as the volume that it is or as a last snapshot."""

from enum import StrEnum
from typing import Annotated

import typer

from cli import address, common, ending, engine, plan, planning, rebuilding, repair, swapping
from cli.common import StackOption, YesOption
from cli.disks import Disks
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
    yes: YesOption = False,
) -> None:
    """Give the server back and stop paying for it; the data volume stays, or a snapshot of it.

    With keepAddress the address stays as well.
    """
    name = common.enter(stack)
    exported = repair.export(name)
    disks = Disks.of(name, exported) if repair.stack_id(exported) else None  # the state may forget the id yet
    if data is DataKept.SNAPSHOT and disks is None:
        raise WorkbenchError(
            f"The state of stack {name} knows no data of which a last snapshot could be made; if AWS has what is "
            "yours, take it back first: `workbench up --adopt ID`. Nothing was changed."
        )
    keeps = address.is_kept(name, exported)
    plan.confirm(planning.of_destroy(name, exported, keeps, data is DataKept.SNAPSHOT), yes)
    with swapping.alone(name):
        state = rebuilding.end_all(name, swapping.settled(name, repair.repaired(name)))
        if state.creating:
            repair.take_into_state(name, state)
        address.keep(name, repair.export(name), keeps)
        if not ending.is_over(repair.export(name), disks):
            with common.stage("Destroy all but what is kept"):
                engine.run(name, "destroy", "--exclude-protected", "--yes", "--skip-preview", program=False)
        repair.done(name)
        if data is DataKept.SNAPSHOT and disks is not None:
            ending.to_snapshot(name, repair.export(name), disks)
        ending.tell_what_stays(name, repair.export(name), disks)
