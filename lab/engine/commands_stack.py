"""stack and its sub-commands; state delete, state unprotect."""

import json
from typing import Any

import click

from lab.engine import values
from lab.engine.commands_config import as_json
from lab.engine.flags import banner, can_ask, common, options_of
from lab.engine.session import Options, Session, Workspace
from lab.engine.stackfile import as_text
from lab.engine.state import VERSION, Checkpoint, Resource, short_type
from lab.engine.values import Props
from workbench.errors import WorkbenchError


def _outputs(session: Session, show_secrets: bool) -> Props:
    """The stack's outputs, secrets masked or decrypted."""
    root = session.peek().root()
    found = root.outputs if root else {}
    if show_secrets and values.contains(
        found, values.is_secret
    ):  # deriving the key takes a third of a second
        root = session.load().root()
        found = root.outputs if root else {}
    clear: Props = values.plain(found) if show_secrets else values.map_secrets(found, lambda _: "[secret]")
    return clear


@click.group(invoke_without_command=True)
@click.option("--show-secrets", is_flag=True, help="Decrypt secret outputs.")
@common
@click.pass_context
def stack(context: click.Context, show_secrets: bool) -> None:
    """Show the stack, or manage stacks."""
    if context.invoked_subcommand is not None:
        return
    banner()
    session = Session.of(options_of(context))
    resources = [item for item in session.peek().resources if not item.delete]
    click.echo(f"Current stack is {session.stack}:")
    click.echo(f"Current stack resources ({len(resources)}):")
    for resource in resources:
        click.echo(f"    {short_type(resource.type):<40}  {resource.name}")
    click.echo("Current stack outputs:")
    for key, value in sorted(_outputs(session, show_secrets).items()):
        click.echo(f"    {key}  {as_text(value)}")


@stack.command("ls")
@click.option("-j", "--json", "json_wanted", is_flag=True, help="Print JSON.")
@common
@click.pass_context
def stack_ls(context: click.Context, json_wanted: bool) -> None:
    """List the stacks."""
    banner(to_stderr=json_wanted)
    workspace = Workspace.of(options_of(context))
    selected = workspace.selected()
    found = [_listed(workspace, name, name == selected) for name in workspace.store.names()]
    if json_wanted:
        click.echo(as_json(found))
        return
    click.echo(f"{'NAME':<24}  RESOURCE COUNT")
    for item in found:
        click.echo(f"{item['name'] + ('*' if item['current'] else ''):<24}  {item['resourceCount']}")


def _listed(workspace: Workspace, name: str, current: bool) -> dict[str, Any]:
    count = len(workspace.store.load(name, None).resources)
    return {"name": name, "current": current, "updateInProgress": False, "resourceCount": count}


def _options(context: click.Context, name: str | None) -> Options:
    """The options, about the stack that the command's argument names, where it names one."""
    options = options_of(context)
    options.stack = name or options.stack
    return options


@stack.command("init")
@click.argument("name", required=False)
@click.option("--no-select", is_flag=True, help="Do not make it the selected stack.")
@common
@click.pass_context
def stack_init(context: click.Context, name: str | None, no_select: bool) -> None:
    """Make an empty stack."""
    banner()
    options = _options(context, name)
    workspace = Workspace.of(options)
    chosen = workspace.name_of(options)
    workspace.create(chosen)
    if not no_select:
        workspace.select(chosen)
    click.echo(f"Created stack '{chosen}'")


@stack.command("select")
@click.argument("name", required=False)
@click.option("-c", "--create", is_flag=True, help="Make the stack if it does not exist.")
@common
@click.pass_context
def stack_select(context: click.Context, name: str | None, create: bool) -> None:
    """Choose the stack that commands are about."""
    banner()
    options = _options(context, name)
    workspace = Workspace.of(options)
    chosen = workspace.name_of(options)
    if create and not workspace.store.exists(chosen):
        workspace.create(chosen)
    Session.of(options)  # refuses what does not exist or is not ours
    workspace.select(chosen)


@stack.command("rm")
@click.argument("name", required=False)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("-f", "--force", is_flag=True, help="Remove it although resources are in its state.")
@click.option("--preserve-config", is_flag=True, help="Keep the stack's file.")
@common
@click.pass_context
def stack_rm(context: click.Context, name: str | None, yes: bool, force: bool, preserve_config: bool) -> None:
    """Forget a stack: its state, and its file."""
    banner()
    options = _options(context, name)
    session = Session.of(options)
    if not yes and not (can_ask(options) and click.confirm(f"Remove the stack '{session.stack}'?")):
        raise WorkbenchError(f"stack '{session.stack}' was not removed: pass --yes to remove it")
    with session.locked():
        resources = [item for item in session.peek().resources if not item.is_provider]
        if resources and not force:
            raise WorkbenchError(
                f"stack '{session.stack}' still has {len(resources)} resources: `pulumi destroy` deletes them, --force"
                f" forgets them"
            )
        session.store.remove(session.stack)
        if not preserve_config:
            session.file.path.unlink(missing_ok=True)
        if session.workspace.selected() == session.stack:
            session.workspace.select(None)
    click.echo(f"Stack '{session.stack}' has been removed!")


@stack.command("output")
@click.argument("name", required=False)
@click.option("-j", "--json", "json_wanted", is_flag=True, help="Print JSON.")
@click.option("--show-secrets", is_flag=True, help="Decrypt secret outputs.")
@common
@click.pass_context
def stack_output(context: click.Context, name: str | None, json_wanted: bool, show_secrets: bool) -> None:
    """Print the stack's outputs, or one of them."""
    banner(to_stderr=True)
    session = Session.of(options_of(context))
    found = _outputs(session, show_secrets)
    if name is not None:
        if name not in found:
            raise WorkbenchError(f"current stack does not have output property '{name}'")
        click.echo(as_json(found[name]) if json_wanted else as_text(found[name]))
    elif json_wanted:
        click.echo(as_json(dict(sorted(found.items()))))
    else:
        click.echo("Current stack outputs:")
        for key, value in sorted(found.items()):
            click.echo(f"    {key}  {as_text(value)}")


@stack.command("export")
@common
@click.pass_context
def stack_export(context: click.Context) -> None:
    """Print the state as JSON, its secrets encrypted."""
    banner(to_stderr=True)
    session = Session.of(options_of(context))
    click.echo(json.dumps({"version": VERSION, "deployment": session.store.raw(session.stack)}, indent=4))


@click.group()
@common
def state() -> None:
    """Mend the state by hand."""


def _named(checkpoint: Checkpoint, urn: str) -> Resource:
    found = next((item for item in checkpoint.resources if item.urn == urn), None)
    if found is None:
        raise WorkbenchError(f"no such resource {urn!r} exists in the current state")
    return found


@state.command("delete")
@click.argument("urn")
@click.option("--force", is_flag=True, help="Also what is protected.")
@click.option("-y", "--yes", is_flag=True, expose_value=False, help="Accepted as by the Pulumi CLI.")
@common
@click.pass_context
def state_delete(context: click.Context, urn: str, force: bool) -> None:
    """Forget a resource without deleting it."""
    banner()
    session = Session.of(options_of(context))
    with session.locked():
        checkpoint = session.load()
        resource = _named(checkpoint, urn)
        if resource.protect and not force:
            raise WorkbenchError(f"{urn} is protected: `pulumi state unprotect` it first, or pass --force")
        leaning = [item.urn for item in checkpoint.resources if urn in item.needs() and item is not resource]
        if leaning:
            raise WorkbenchError(f"{urn} cannot be forgotten, as others depend on it: {', '.join(leaning)}")
        checkpoint.resources.remove(resource)
        session.store.save(checkpoint, session.crypter())
    click.echo("Resource deleted")


@state.command("unprotect")
@click.argument("urn", required=False)
@click.option("--all", "everything", is_flag=True, help="All that is protected.")
@click.option("-y", "--yes", is_flag=True, expose_value=False, help="Accepted as by the Pulumi CLI.")
@common
@click.pass_context
def state_unprotect(context: click.Context, urn: str | None, everything: bool) -> None:
    """Take the protection off a resource."""
    if (urn is None) == (not everything):
        raise WorkbenchError("name the URN of the resource to unprotect, or say --all")
    banner()
    session = Session.of(options_of(context))
    with session.locked():
        checkpoint = session.load()
        for resource in checkpoint.resources if everything else [_named(checkpoint, urn or "")]:
            resource.protect = False
        session.store.save(checkpoint, session.crypter())
    click.echo("All resources unprotected" if everything else "Resource unprotected")
