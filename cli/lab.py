"""`workbench lab ...`: the AWS look-alike on this machine."""

import json
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cli import common, demo, demo_stack
from cli.common import JsonOption, YesOption, console
from lab import control
from workbench.errors import WorkbenchError

app = typer.Typer(
    help="An AWS look-alike on this machine, whose instances boot.",
    no_args_is_help=True,
    add_completion=False,  # the command's own ends at `lab`
)
app.command()(demo.demo)
app.command()(demo.credentials)


@app.command()
def start() -> None:
    """Start the lab, or go on where a killed one was."""
    common.become_root()
    control.start(console.print)
    console.print('The lab runs. To work on it by hand: eval "$(workbench lab env)"')


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Show what runs in the lab."""
    common.become_root()
    found = control.status()
    if as_json:
        typer.echo(_json(found))
        return
    console.print("The lab is running." if found.running else "The lab is not running.")
    table = Table("instance", "type", "state", "address")
    for instance in found.instances:
        table.add_row(instance.id, instance.type, instance.state, instance.address or "-")
    if found.instances:
        console.print(table)


@app.command()
def stop() -> None:
    """Stop the lab's instances and the lab; everything is kept for the next start."""
    common.become_root()
    control.stop()
    console.print("The lab is stopped; `workbench lab start` goes on from here.")


@app.command()
def clock(
    to: Annotated[
        str | None,
        typer.Argument(metavar="TIME", help="where to move it, such as 2026-12-01T20:00+01:00; else UTC"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the lab's time and what AWS would do by itself next, or move it and have that done (not in the machines)."""
    common.become_root()
    told = control.clock(to)
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    console.print(f"It is {told['now']} in the lab.")
    for one in told["done"]:
        console.print(f"  done, {one['when']}: {one['what']}: {one['outcome']}", markup=False)
    for one in told["next"]:
        console.print(f"  next, {one['when']}: {one['what']}", markup=False)


@app.command()
def purge(yes: YesOption = False) -> None:
    """Remove every trace of the lab, its volumes with all that is on them."""
    common.become_root()
    if not yes:
        typer.confirm(
            "This deletes the lab's instances and volumes, with all data on them. Do this?", abort=True
        )
    # first what tells it from somebody's own stack: killed in between, the next purge removes the rest
    demo_stack.forget()
    control.purge()
    console.print("The lab is gone.")


@app.command()
def env() -> None:
    """Print shell exports, with which pulumi, pyinfra, aws and boto3 work on the lab."""
    if os.geteuid() != 0:
        raise WorkbenchError(
            'The lab is root\'s, and so is what works on it: run `sudo -s` first, then eval "$(workbench lab env)".'
        )
    for name, value in control.environment().items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    # sudo puts a PATH of its own in place, in which the Pulumi CLI of .venv would not be found
    typer.echo(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')


def _json(found: Any) -> str:
    return json.dumps(asdict(found), indent=2)
