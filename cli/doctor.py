"""`workbench doctor`: what a run that died, or a lost state, has left of a stack; shown, not repaired."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli import account, common, locks, repair
from cli.common import JsonOption, StackOption, YesOption, console
from cli.progress import interrupted
from workbench.errors import WorkbenchError

_UNWELL = 3  # exit status, as of `workbench status`


def doctor(
    stack: StackOption = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="ID", help="remove this from AWS; may be repeated")
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what `up` would repair, and what is in AWS that no state knows; exit status 3 where there is something."""
    name = common.enter(stack)
    exported = repair.export(name)
    left = repair.left_over(name, exported)
    held = locks.of(name)
    living = [holder for holder in held or () if not holder.is_dead()]
    if remove:
        if living:
            raise WorkbenchError(
                f"{_locked(name, living[0])} What it is at may be among it; nothing was removed."
            )
        _remove(name, left, remove, yes)
        return
    unfinished = [] if living else _unfinished(exported)  # else it is at it now
    if as_json:
        typer.echo(json.dumps(_report(name, held, unfinished, left), indent=2))
    else:
        _tell(name, held, unfinished, left)
    if held or unfinished or left:
        raise typer.Exit(_UNWELL)


def _tell(
    name: str, held: list[locks.Holder] | None, unfinished: list[str], left: list[account.Found]
) -> None:
    if held is None:
        console.print("Whether the stack is locked cannot be told for a backend of this kind.")
    for line in [*(_locked(name, holder) for holder in held or ()), *unfinished]:
        console.print(line, markup=False)
    if left:
        repair.tell_left_over(left)
    if not (held or unfinished or left):
        lock = "" if held is None else "no lock, "
        console.print(
            f"Stack {name} is well: {lock}nothing unfinished, nothing in AWS that its state does not know."
        )


def _report(
    name: str, held: list[locks.Holder] | None, unfinished: list[str], left: list[account.Found]
) -> dict[str, Any]:
    """{stack, locks (null where the backend does not tell), unfinished, left_over}."""
    told = [
        {**asdict(holder), "since": holder.since.isoformat(), "dead": holder.is_dead()}
        for holder in held or ()
    ]
    return {
        "stack": name,
        "locks": None if held is None else told,
        "unfinished": unfinished,
        "left_over": [asdict(one.what) for one in left],
    }


def _locked(name: str, holder: locks.Holder) -> str:
    if holder.is_dead():
        return f"The lock of a run that died ({holder}): the next `workbench up` removes it."
    return f"Locked by another run ({holder}); if you know that it is dead: `pulumi cancel --stack {name}`."


def _unfinished(exported: repair.Exported) -> list[str]:
    return [
        f"A run died while {interrupted(operation)}: the next `workbench up` or `destroy` finds out how that ended."
        for operation in repair.pending(exported)
    ]


def _remove(name: str, left: list[account.Found], ids: list[str], yes: bool) -> None:
    by_id = {one.what.id: one for one in left}
    if strange := [one for one in ids if one not in by_id]:
        raise WorkbenchError(
            f"{', '.join(strange)} is not among what AWS has of stack {name} beside its state "
            f"({', '.join(by_id) or 'there is nothing'}); nothing was removed."
        )
    if not yes:
        common.asking()
    for one in (by_id[id_] for id_ in ids):
        console.print(f"{one.what}, of the stack with the id {one.what.stack_id}", markup=False)
    if not yes:
        typer.confirm("Remove this from AWS, for good?", abort=True)
    for gone in account.remove(name, [by_id[id_] for id_ in ids]):
        console.print(f"{gone.what} removed", markup=False)
