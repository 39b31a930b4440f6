"""Commands that make and unmake: `up`, `preview`, `destroy`. They drive `pulumi`."""

import time
from typing import Annotated

import typer

from workbench import configure, stackfile
from workbench.cli import common
from workbench.cli.cloud import data_volume
from workbench.cli.common import JsonOption, StackOption, YesOption, console
from workbench.cli.server import show_status
from workbench.errors import WorkbenchError

_RENT = "Make it so"  # all of `pulumi up`; the configuration of the host is told apart where there was one
SizeOption = Annotated[
    str | None, typer.Option("--size", help="instance type; is written into the stack file")
]


def up(stack: StackOption = None, size: SizeOption = None, yes: YesOption = False) -> None:
    """Make the workbench, or bring it to what the settings say."""
    name = common.enter(stack)
    before = _resized(name, size)
    try:
        plan(name, yes, {})
    except (WorkbenchError, KeyboardInterrupt, typer.Abort):
        # The new size stands once pulumi begins to carry it out; until then nothing is to have changed.
        if before:
            stackfile.write(stackfile.path_of(name), before)
        raise
    carry_out(name, {})
    show_status(name)


def plan(name: str, yes: bool, times: dict[str, float]) -> None:
    """Checks the settings, shows the preview and asks (unless `yes`); nothing is changed."""
    with common.stage("Check the settings", times):
        common.require_stack_file(name)
    with common.stage("Preview", times):
        detail = () if yes else ("--diff",)
        common.run(["pulumi", "preview", "--stack", name, *detail], "The preview")
    if not yes:
        typer.confirm("Do this?", abort=True)


def carry_out(name: str, times: dict[str, float]) -> None:
    """Lets pulumi do what the preview showed."""
    began = time.time()
    with common.stage(_RENT, times):
        common.run(["pulumi", "up", "--yes", "--skip-preview", "--stack", name], "`pulumi up`")
    configuring = configure.seconds_of_last_run(name, began)
    if configuring is not None:
        times[_RENT] -= configuring
        times["Configure the host"] = configuring


def preview(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """Show what `up` would change."""
    name = common.enter(stack)
    common.require_stack_file(name)
    form = "--json" if as_json else "--diff"
    common.run(["pulumi", "preview", "--stack", name, form], "The preview")


def destroy(stack: StackOption = None, yes: YesOption = False) -> None:
    """Give the server back and stop paying for it; the data volume stays, and `up` takes it back."""
    name = common.enter(stack)
    if not yes:
        console.print(f"This ends the server of stack {name}. The data volume stays; the address does not.")
        typer.confirm("Do this?", abort=True)
    with common.stage("Destroy all but the data volume"):
        common.run(["pulumi", "destroy", "--exclude-protected", "--yes", "--stack", name], "`pulumi destroy`")
    volume = data_volume(name)
    if volume is None:
        console.print("There is no data volume of this stack: it was never made, or somebody deleted it.")
        return
    console.print(
        f"Kept: the data volume {volume.id} ({volume.size_gib} GiB, about {volume.usd_per_month:.2f} USD a month), "
        "with homes, users, host keys and certificates, and a Route 53 zone where the stack made one. "
        f"`workbench up --stack {name}` takes it back, at any size; the public address will be another."
    )


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
