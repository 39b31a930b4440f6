"""The stand-in's `pulumi` command. Exit status: 0 well, 1 an error (told in a sentence), 130 stopped by Ctrl-C."""

import os
import sys
from collections.abc import Sequence

import click

from lab.engine.commands_config import config
from lab.engine.commands_run import cancel, destroy, preview, refresh, up
from lab.engine.commands_stack import stack, state
from lab.engine.flags import banner, common
from workbench.errors import WorkbenchError

VERSION = "v3.260.0-stand-in"  # the engine whose behaviour it follows


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@common
def pulumi() -> None:
    """The lab's stand-in for the Pulumi CLI: as much of `pulumi` as this project uses."""


@pulumi.command()
@common
def version() -> None:
    """Print the version."""
    banner(to_stderr=True)
    click.echo(VERSION)


@pulumi.command()
@common
def whoami() -> None:
    """Print who is logged in: on a file backend, who runs the command."""
    banner(to_stderr=True)
    click.echo(os.environ.get("USER") or os.environ.get("LOGNAME") or "root")


@pulumi.command()
@click.argument("url", required=False)
@common
def login(url: str | None) -> None:
    """Nothing to do: the state is in files."""
    if url and not url.startswith("file://"):
        raise WorkbenchError(
            f"cannot log in to {url}: the lab's stand-in keeps its state in files only (file://FOLDER)"
        )
    banner()
    click.echo("No login needed: PULUMI_BACKEND_URL names the folder of the state.")


for command in (up, preview, refresh, destroy, cancel, stack, state, config):
    pulumi.add_command(command)
# The CLI's own other names for them.
pulumi.add_command(up, "update")
pulumi.add_command(preview, "pre")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit status."""
    try:
        result = pulumi.main(args=arguments, prog_name="pulumi", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.UsageError as error:
        hint = f" (see `{error.ctx.command_path} --help`)" if error.ctx else ""
        print(f"error: {error.format_message().rstrip('.')}{hint}", file=sys.stderr)
        return 1
    except (click.Abort, KeyboardInterrupt):
        print("error: stopped", file=sys.stderr)
        return 130
    except WorkbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return result if isinstance(result, int) else 0
