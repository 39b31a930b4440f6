"""up, preview, refresh, destroy, cancel."""

import contextlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from lab.engine.flags import banner, can_ask, common, options_of
from lab.engine.session import Session
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from lab.engine.run import Outcome

# lab.engine.run imports the Pulumi SDK, which takes a second: only the commands that need it do so.

NO_CHANGES_EXPECTED = "no changes were expected but changes {}"


def _confirmed(deed: str, yes: bool) -> bool:
    """Whether to go on after the preview."""
    if yes:
        return True
    return click.confirm(f"Do you want to perform this {deed}?", default=False)


def _refuse_unasked(context: click.Context, yes: bool, skip_preview: bool) -> None:
    if not (yes or skip_preview or can_ask(options_of(context))):
        raise WorkbenchError(
            "--yes or --skip-preview must be passed in to proceed when running in non-interactive mode"
        )


def _succeed(outcome: "Outcome", deed: str) -> None:
    if not outcome.ok:
        raise WorkbenchError(f"{deed} failed")


def _in_two_phases(deed: str, yes: bool, skip_preview: bool, phase: Callable[[bool], "Outcome"]) -> None:
    """A preview (unless skipped), the question (unless answered), then the real thing. `phase(planning)`."""
    if not skip_preview:
        _succeed(phase(True), "preview")
        if not _confirmed(deed, yes):
            raise WorkbenchError(f"confirmation declined, the {deed} was not made")
    _succeed(phase(False), deed)


@click.command()
@click.option("-y", "--yes", is_flag=True, help="Approve the update after its preview.")
@click.option("-f", "--skip-preview", is_flag=True, help="Do not preview.")
@click.option("--expect-no-changes", is_flag=True, help="Fail if anything would change.")
@click.option("-r", "--refresh", "refresh_first", is_flag=True, help="Refresh the state first.")
@click.option("--diff", "show_diff", is_flag=True, help="Show properties in the preview.")
@common
@click.pass_context
def up(
    context: click.Context,
    yes: bool,
    skip_preview: bool,
    expect_no_changes: bool,
    refresh_first: bool,
    show_diff: bool,
) -> None:
    """Bring the stack to what the program says."""
    from lab.engine.display import Display
    from lab.engine.run import run_refresh, run_update

    banner()
    session = Session.of(options_of(context))
    _refuse_unasked(context, yes, skip_preview)

    def phase(planning: bool) -> "Outcome":
        display = Display(planning, show_diff=show_diff and planning)
        outcome = run_update(session, display, "Previewing update" if planning else "Updating")
        if outcome.ok and outcome.changes and expect_no_changes:
            raise WorkbenchError(NO_CHANGES_EXPECTED.format("were proposed" if planning else "occurred"))
        return outcome

    with session.locked():
        if refresh_first:
            _succeed(run_refresh(session, Display(planning=False, list_same=True)), "refresh")
        _in_two_phases("update", yes, skip_preview, phase)


@click.command()
@click.option("-j", "--json", "as_json", is_flag=True, help="Print the steps as JSON.")
@click.option("--diff", "show_diff", is_flag=True, help="Show properties.")
@click.option("--expect-no-changes", is_flag=True, help="Fail if anything would change.")
@common
@click.pass_context
def preview(context: click.Context, as_json: bool, show_diff: bool, expect_no_changes: bool) -> None:
    """Say what `up` would do."""
    from lab.engine.display import Display
    from lab.engine.run import run_preview_json, run_update

    banner(to_stderr=as_json)
    session = Session.of(options_of(context))
    with session.locked():
        if as_json:
            # Whatever the program prints is not JSON.
            with contextlib.redirect_stdout(sys.stderr):
                outcome, text = run_preview_json(
                    session, Display(planning=True, quiet=True, stream=sys.stderr)
                )
            click.echo(text)
        else:
            outcome = run_update(session, Display(planning=True, show_diff=show_diff), "Previewing update")
    _succeed(outcome, "preview")
    if expect_no_changes and outcome.changes:
        raise WorkbenchError(NO_CHANGES_EXPECTED.format("were proposed"))


@click.command()
@click.option("-y", "--yes", is_flag=True, help="Approve the refresh after its preview.")
@click.option("-f", "--skip-preview", is_flag=True, help="Do not preview.")
@common
@click.pass_context
def refresh(context: click.Context, yes: bool, skip_preview: bool) -> None:
    """Make the state say what is really there."""
    from lab.engine.display import Display
    from lab.engine.run import run_refresh

    banner()
    session = Session.of(options_of(context))
    _refuse_unasked(context, yes, skip_preview)
    with session.locked():
        _in_two_phases(
            "refresh", yes, skip_preview, lambda plan: run_refresh(session, Display(plan, list_same=True))
        )


@click.command()
@click.option("-y", "--yes", is_flag=True, help="Approve the destruction after its preview.")
@click.option("-f", "--skip-preview", is_flag=True, help="Do not preview.")
@click.option("--exclude-protected", is_flag=True, help="Keep what is protected, and what that needs.")
@common
@click.pass_context
def destroy(context: click.Context, yes: bool, skip_preview: bool, exclude_protected: bool) -> None:
    """Delete everything in the stack."""
    from lab.engine.display import Display
    from lab.engine.run import run_destroy

    banner()
    session = Session.of(options_of(context))
    _refuse_unasked(context, yes, skip_preview)
    with session.locked():
        _in_two_phases(
            "destroy",
            yes,
            skip_preview,
            lambda plan: run_destroy(session, Display(plan), exclude_protected),
        )


@click.command()
@click.option("-y", "--yes", is_flag=True, expose_value=False, help="Accepted as by the Pulumi CLI.")
@common
@click.pass_context
def cancel(context: click.Context) -> None:
    """Clear the lock that a dead run left: here a lock dies with its holder, so there is nothing to clear."""
    banner()
    session = Session.of(options_of(context))
    with session.locked():
        click.echo(f"Nothing holds the stack {session.stack}.")
