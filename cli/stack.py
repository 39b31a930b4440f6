"""Commands that make: `up`, `resize`, `preview`. They drive `pulumi`."""

import os
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Annotated, Any

import typer

from cli import (
    address,
    baking,
    cloud,
    common,
    engine,
    grace,
    importing,
    loudness,
    plan,
    planning,
    rebuilding,
    repair,
    swapping,
    words,
)
from cli.common import JsonOption, StackOption, YesOption, console
from cli.disks import Disks
from cli.grace import GraceOption
from cli.progress import verb_of
from cli.resize import SizeArgument, Written, judge, put_back
from cli.server import show_status, wake
from connector import configure
from workbench import stack as stacks
from workbench import stackfile
from workbench.errors import WorkbenchError
from workbench.leftovers import ADOPT_NONE, ADOPT_VARIABLE
from workbench.outputs import Outputs

_RENT = "Make it so"  # all of `pulumi up`; the configuration of the host is told apart where there was one
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
    common.adopt(adopt)
    with swapping.alone(name, "up"):
        facts = _to_size(name, size, yes, bakes=True) if size else make(name, yes, {}, bakes=True)
    show_status(name, facts)
    if baking.is_wanted(name):
        baking.after(name, stacks.settings(name))


def resize(
    size: SizeArgument, stack: StackOption = None, minutes: GraceOption = 0, yes: YesOption = False
) -> None:
    """Give the server another size, in place; all stays. Where AWS has no room for it, the old one comes back."""
    grace.judge(minutes)
    name = common.enter(stack)
    exported = repair.export(name)
    known = stacks.outputs_in(exported)
    server = cloud.instance(known) if known else None
    if server is None:
        raise WorkbenchError(
            f"Stack {name} has no server at present; `workbench up --size {size}` makes one."
        )
    if size == server.type:
        raise WorkbenchError(f"The server {server.id} of stack {name} is {size} already.")
    rebuilding.refuse_unfinished(Disks.of(name, exported))
    # Somebody has changed it elsewhere, which the engine has to know.
    if known and known.instance_type != server.type:
        engine.run(name, "refresh", "--yes", "--skip-preview", program=False, silent=True)
    # a server that is stopped has nobody to tell
    with swapping.alone(name, "resize"):
        facts = _to_size(name, size, yes, minutes if server.state == "running" else 0)
    show_status(name, facts)


def _to_size(name: str, size: str, yes: bool, minutes: int = 0, *, bakes: bool = False) -> Outputs:
    """All of `up` with another size, which is in the stack file in the end if it was given to the server."""
    judge(size)
    written = Written(name, size)
    try:
        return make(name, yes, {}, minutes, written, bakes=bakes)
    except (WorkbenchError, KeyboardInterrupt, typer.Abort) as error:
        # It stands once pulumi begins to carry it out; until then nothing is to have changed.
        if not (isinstance(error, engine.RunFailedError) and error.began):
            written.take_back()
        raise


def make(
    name: str,
    yes: bool,
    times: dict[str, float],
    minutes: int = 0,
    written: Written | None = None,
    *,
    bakes: bool = False,
) -> Outputs:
    """All of `up`: the program runs once, and where somebody is asked, or the size changes, before that for the plan.

    `minutes`: what users are given before a size is changed, which then is `written` into the stack file.
    `bakes`: whether who calls bakes an image afterwards, where the settings ask for that, so that the plan says it.
    """
    with common.stage("Check the settings", times):
        common.require_stack_file(name)
    importing.begin()  # beside the first questions
    state = rebuilding.settled(name, swapping.settled(name, repair.repaired(name)))
    baking.settle(name, state.exported)
    known = _with_server(state.exported)
    size = written.size if written else stackfile.size_of(name)
    resizing = known is not None and known.instance_type != size
    if not known:
        address.require_room(name, state.exported)
    if not yes:
        common.asking()
        _ask_whose(name, state.exported)
    if not yes or resizing:  # which may be refused, and users are told of nothing that is
        with common.stage("Preview", times):
            wanted = _wanted(name, state.exported, written, bakes)
        plan.confirm(wanted, yes)
        grace.wait(known, minutes, f"is stopped for {plan.RESIZE_DOWN}, for another size,")
    try:
        if written:
            written.write()
        woken = known is not None and not resizing and wake(known)
        facts = carried_out(name, times, known if resizing else None, size)
    finally:
        grace.over(known, minutes)
    if woken:
        with loudness.quiet_prints():
            configure.wait_for_ssh(facts.address)
    _tell_left_over(name, state)
    return facts


def _wanted(name: str, exported: repair.Exported, written: Written | None, bakes: bool) -> plan.Plan:
    """The plan, with the size in the stack file for as long as it is made."""
    with written.shown() if written else nullcontext():
        return planning.of_up(name, exported) if bakes else planning.previewed(name, exported)


def _tell_left_over(name: str, state: repair.Repaired) -> None:
    if state.creating and (left := repair.left_over(name, repair.export(name))):
        repair.tell_left_over(left)


def _with_server(exported: repair.Exported) -> Outputs | None:
    """The outputs of a state that has a server: they stay in it when that is destroyed.

    With the server's type as the state has it, to which the engine compares: a run that failed, and a refresh, write
    no outputs.
    """
    servers = [one for one in stacks.resources_in(exported) if one["type"] == words.SERVER]
    facts = stacks.outputs_in(exported) if servers else None
    known = [size for one in servers if not one.get("delete") if (size := _type_of(one))]
    return facts.model_copy(update={"instance_type": known[0]}) if facts and known else facts


def _type_of(server: Mapping[str, Any]) -> Any:
    return (server.get("outputs") or {}).get("instanceType")


def carried_out(
    name: str, times: dict[str, float] | None = None, before: Outputs | None = None, size: str = ""
) -> Outputs:
    """The engine's `up`. `before`: outputs of a server that gets another size, and keeps its own where that fails."""
    times = {} if times is None else times
    began = time.time()
    try:
        with common.stage(_RENT, times):
            done = engine.run(name, "up", "--yes", "--skip-preview")
            console.print(f"  {_counted(done.changes)}")
    except engine.RunInterruptedError:
        raise
    except engine.RunFailedError as error:
        if before is not None and error.began:
            put_back(name, before, size, error)
        raise
    configuring = configure.seconds_of_last_run(name, began)
    if configuring is not None:
        times[_RENT] = times.get(_RENT, 0.0) - configuring
        times["Configure the host"] = configuring
    repair.done(name)
    return Outputs.model_validate(done.outputs)


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


def preview(
    stack: StackOption = None,
    diff: Annotated[bool, typer.Option("--diff", help="in the words of Pulumi's engine")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what `up` would change: what happens, who is at work, for how long, what stays, what it costs."""
    name = common.enter(stack)
    common.require_stack_file(name)
    if diff or as_json:
        engine.run(name, "preview", "--json" if as_json else "--diff", shown=True)
        return
    common.asking()  # it is what was asked for
    plan.show(planning.of_up(name, repair.export(name)))
