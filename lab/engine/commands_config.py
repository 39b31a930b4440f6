"""config, config get, set, rm."""

import getpass
import json
import sys

import click

from lab.engine.flags import banner, common, options_of
from lab.engine.session import Workspace
from lab.engine.stackfile import ConfigValue, StackFile
from lab.engine.values import Props
from workbench.errors import WorkbenchError

_PATH = click.option(
    "--path", "is_path", is_flag=True, help="KEY is a path into an object, such as users[0].name."
)


def _stack_file(context: click.Context) -> StackFile:
    """The stack's file; it may be there before the stack is, and config may be read and written then."""
    options = options_of(context)
    workspace = Workspace.of(options)
    stack = workspace.name_of(options)
    return StackFile(workspace.project.stack_file(stack), workspace.project.name)


def _value_json(value: ConfigValue, show: bool) -> Props:
    """In the shape of the CLI: an object as JSON text and as itself, a secret's value left out unless shown."""
    found: Props = {}
    if show or not value.secret:
        found["value"] = value.text
        if value.is_object:
            found["objectValue"] = value.value
    found["secret"] = value.secret
    return found


def as_json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


@click.group(invoke_without_command=True)
@click.option("-j", "--json", "json_wanted", is_flag=True, help="Print JSON.")
@click.option("--show-secrets", is_flag=True, help="Decrypt the secrets.")
@common
@click.pass_context
def config(context: click.Context, json_wanted: bool, show_secrets: bool) -> None:
    """Show the stack's config, or change it."""
    if context.invoked_subcommand is not None:
        return
    banner(to_stderr=json_wanted)
    found = _stack_file(context).values(decrypt=show_secrets)
    if json_wanted:
        click.echo(as_json({key: _value_json(value, show_secrets) for key, value in found.items()}))
        return
    width = max((len(key) for key in found), default=3)
    click.echo(f"{'KEY':<{width}}  VALUE")
    for key, value in found.items():
        click.echo(f"{key:<{width}}  {value.text if show_secrets or not value.secret else '[secret]'}")


@config.command("get")
@click.argument("key")
@click.option("-j", "--json", "json_wanted", is_flag=True, help="Print JSON.")
@_PATH
@common
@click.pass_context
def config_get(context: click.Context, key: str, json_wanted: bool, is_path: bool) -> None:
    """Print one value, decrypted."""
    banner(to_stderr=True)
    value = _stack_file(context).get(key, is_path)
    if value is None:
        raise WorkbenchError(f"configuration key '{key}' not found")
    click.echo(as_json(_value_json(value, show=True)) if json_wanted else value.text)


@config.command("set")
@click.argument("key")
@click.argument("value", required=False)
@_PATH
@click.option("--secret", is_flag=True, help="Encrypt the value.")
@click.option("--plaintext", is_flag=True, help="Do not encrypt the value.")
@common
@click.pass_context
def config_set(
    context: click.Context, key: str, value: str | None, is_path: bool, secret: bool, plaintext: bool
) -> None:
    """Set a value: VALUE, or what stands on standard input."""
    if secret and plaintext:
        raise WorkbenchError("--secret and --plaintext exclude each other")
    if value is None:
        value = getpass.getpass("value: ") if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n")
    banner(to_stderr=True)
    _stack_file(context).set(key, value, secret, is_path)


@config.command("rm")
@click.argument("key")
@_PATH
@common
@click.pass_context
def config_rm(context: click.Context, key: str, is_path: bool) -> None:
    """Remove a value."""
    banner(to_stderr=True)
    if not _stack_file(context).remove(key, is_path):
        raise WorkbenchError(f"configuration key '{key}' not found")
