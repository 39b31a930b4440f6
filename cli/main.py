"""The `workbench` command."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cli import (
    alarms,
    baking,
    common,
    cost,
    destroy,
    doctor,
    ending,
    environments,
    expired,
    images,
    local,
    lock,
    logs,
    loudness,
    notice,
    power,
    rebuild,
    restore,
    server,
    snapshots,
    stack,
    users,
)
from cli.loudness import QuietOption, VerboseOption
from workbench.errors import WorkbenchError

app = typer.Typer(
    name="workbench",
    help="A data science workbench as code: made by pulumi, configured by pyinfra.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    stack.up,
    stack.preview,
    stack.resize,
    power.stop,
    power.start,
    rebuild.rebuild,
    destroy.destroy,
    cost.cost,
    snapshots.snapshot,
    snapshots.snapshots,
    snapshots.delete_snapshot,
    restore.restore,
    ending.delete_data,
    baking.bake,
    images.images,
    images.delete_image,
    doctor.doctor,
    server.status,
    server.ssh,
    server.open_,
    server.deploy,
    logs.logs,
    notice.notice,
    users.users,
    alarms.alarms,
    lock.lock,
    environments.environments,
    local.check,
    local.password,
):
    app.command(name=command.__name__.rstrip("_").replace("_", "-"))(loudness.loud(command))


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"workbench {version('workbench')}")
        raise typer.Exit


@app.callback()
def before_all(
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="say which version this is"),
    ] = False,
) -> None:
    """What stands in front of a command holds for it as well."""
    loudness.choose(quiet, verbose)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False
)
def lab(context: typer.Context) -> None:
    """An AWS look-alike on this machine, whose instances boot."""
    try:
        # only who works in the lab needs its packages, and pays for importing them
        from cli import lab as commands
    except ImportError as error:
        raise common.no_lab(error) from None
    commands.app(args=context.args, prog_name="workbench lab")


def run() -> None:
    """Entry point: what a person can put right is shown as one sentence, without a traceback."""
    try:
        app()
    except WorkbenchError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            Text.assemble(("error:", "red"), " ", str(error), expired.hint(str(error)))
        )
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
