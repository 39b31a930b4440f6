"""Flags that many commands share, spelled as the Pulumi CLI spells them."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from lab.engine.session import Options

BANNER = "This is the lab's stand-in for the Pulumi CLI, not the Pulumi CLI itself."

Command = TypeVar("Command", bound=Callable[..., Any])


def options_of(context: click.Context) -> Options:
    return context.ensure_object(Options)


def _folder(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        options_of(context).folder = Path(value)


def _stack(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        options_of(context).stack = value


def _non_interactive(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        options_of(context).interactive = False


def common(command: Command) -> Command:
    """--cwd, --stack, --non-interactive and --color, which may stand at a group or at its commands."""
    decorators = [
        click.option(
            "-C", "--cwd", metavar="DIR", expose_value=False, callback=_folder, help="Run as if from DIR."
        ),
        click.option(
            "-s", "--stack", metavar="NAME", expose_value=False, callback=_stack, help="The stack to work on."
        ),
        click.option(
            "--non-interactive",
            is_flag=True,
            expose_value=False,
            callback=_non_interactive,
            help="Never ask.",
        ),
        click.option(
            "--color",
            type=click.Choice(["always", "never", "raw", "auto"]),
            expose_value=False,
            help="Accepted as by the Pulumi CLI; the stand-in prints no colors.",
        ),
    ]
    for decorator in decorators:
        command = decorator(command)
    return command


def banner(to_stderr: bool = False) -> None:
    """Say who is speaking: on standard error where standard output is for programs."""
    click.echo(BANNER, err=to_stderr)


def can_ask(options: Options) -> bool:
    return options.interactive and sys.stdin.isatty()
