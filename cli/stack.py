"""Commands that make and unmake: `up`, `preview`, `destroy`. They drive `pulumi`."""

import os
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import typer

from cli import common, ending, engine, importing, loudness, repair, swapping
from cli.common import JsonOption, StackOption, YesOption, console
from cli.progress import verb_of
from cli.server import show_status, wake
from connector import configure
from workbench import stack as stacks
from workbench import stackfile
from workbench.errors import WorkbenchError
from workbench.leftovers import ADOPT_NONE, ADOPT_VARIABLE
from workbench.outputs import Outputs

_RENT = "Make it so"  # all of `pulumi up`; the configuration of the host is told apart where there was one


class DataKept(StrEnum):
    """What a destroy leaves of the data."""

    KEEP = "keep"
    SNAPSHOT = "snapshot"


_FATE = {
    DataKept.KEEP: "This ends the server of stack {name}. The data volume stays; the address does not.",
    DataKept.SNAPSHOT: "This ends the server of stack {name}. The data volume becomes a last snapshot, and is deleted "
    "once that is complete; `workbench restore NAME` makes a volume of it again. The address does not stay.",
}
SizeOption = Annotated[
    str | None, typer.Option("--size", help="instance type; is written into the stack file")
]
AdoptOption = Annotated[
    str | None,
    typer.Option(
        "--adopt",
        metavar="ID",
        envvar=ADOPT_VARIABLE,
        help="where the state was lost: take back what carries this id; `none` makes a new one beside it",
    ),
]


def up(
    stack: StackOption = None,
    size: SizeOption = None,
    adopt: AdoptOption = None,
    yes: YesOption = False,
) -> None:
    """Make the workbench, or bring it to what the settings say; what a run that died has left is repaired first."""
    name = common.enter(stack)
    if adopt:
        os.environ[ADOPT_VARIABLE] = adopt
    before = _resized(name, size)
    try:
        with swapping.alone(name):
            facts = make(name, yes, {})
    except (WorkbenchError, KeyboardInterrupt, typer.Abort) as error:
        # The new size stands once pulumi begins to carry it out; until then nothing is to have changed.
        if before and not (isinstance(error, engine.RunFailedError) and error.began):
            stackfile.write(stackfile.path_of(name), before)
        raise
    show_status(name, facts)


def make(name: str, yes: bool, times: dict[str, float]) -> Outputs:
    """All of `up`: the program runs once, or, where somebody is asked, a second time for what they are shown."""
    with common.stage("Check the settings", times):
        common.require_stack_file(name)
    importing.begin()  # beside the first questions
    state = repair.repaired(name)
    if swapping.settle(name, state.exported):
        state = repair.Repaired(repair.export(name), state.creating)
    known = stacks.outputs_in(state.exported)
    if not yes:
        common.asking()
        _ask_whose(name, state.exported)
        with common.stage("Preview", times):
            engine.run(name, "preview", "--diff", shown=True)
        typer.confirm("Do this?", abort=True)
    woken = known is not None and wake(known)
    began = time.time()
    with common.stage(_RENT, times):
        done = engine.run(name, "up", "--yes", "--skip-preview")
        console.print(f"  {_counted(done.changes)}")
    configuring = configure.seconds_of_last_run(name, began)
    if configuring is not None:
        times[_RENT] = times.get(_RENT, 0.0) - configuring
        times["Configure the host"] = configuring
    repair.done(name)
    facts = Outputs.model_validate(done.outputs)
    if woken:
        with loudness.quiet_prints():
            configure.wait_for_ssh(facts.address)
    if state.creating and (left := repair.left_over(name, repair.export(name))):
        repair.tell_left_over(left)
    return facts


def _ask_whose(name: str, exported: repair.Exported) -> None:
    """Where the state knows nothing but AWS has a stack of that name: which is it?"""
    if repair.stack_id(exported) or ADOPT_VARIABLE in os.environ:
        return
    if found := repair.left_over(name, exported):
        repair.tell_left_over(found)
        question = (
            f"If the state of {name} was lost, which of these is it? Its id, or `{ADOPT_NONE}` for a new one"
        )
        os.environ[ADOPT_VARIABLE] = typer.prompt(question)


def _counted(changes: Mapping[str, int]) -> str:
    """`2 created, 1 updated, 22 unchanged`."""
    return ", ".join(f"{count} {verb_of(step)}" for step, count in changes.items()) or "nothing to do"


def preview(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """Show what `up` would change."""
    name = common.enter(stack)
    common.require_stack_file(name)
    engine.run(name, "preview", "--json" if as_json else "--diff", shown=True)


def destroy(
    stack: StackOption = None,
    data: Annotated[
        DataKept,
        typer.Option("--data", help="what becomes of the data volume: it stays, or a last snapshot does"),
    ] = DataKept.KEEP,
    yes: YesOption = False,
) -> None:
    """Give the server back and stop paying for it; the data volume stays, or a snapshot of it."""
    name = common.enter(stack)
    if not yes:
        common.asking()
        console.print(_FATE[data].format(name=name))
        typer.confirm("Do this?", abort=True)
    with swapping.alone(name):
        state = repair.repaired(name)
        if swapping.settle(name, state.exported):
            state = repair.Repaired(repair.export(name), state.creating)
        if state.creating:
            repair.take_into_state(name, state)
        with common.stage("Destroy all but the data volume"):
            engine.run(name, "destroy", "--exclude-protected", "--yes", "--skip-preview", program=False)
        repair.done(name)
        if data is DataKept.SNAPSHOT:
            ending.to_snapshot(name, repair.export(name))
        ending.tell_what_stays(name, repair.export(name))


def _resized(name: str, size: str | None) -> str | None:
    """Writes the new size into the stack file, if the settings are fine with it; gives back the file as it was."""
    if size is None:
        return None
    path = stackfile.path_of(name)
    stackfile.check(path)
    before = path.read_text()
    stackfile.set_value(path, "size", size)
    try:
        stackfile.check(path)
    except WorkbenchError:
        stackfile.write(path, before)
        raise
    return before
