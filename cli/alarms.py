"""`workbench alarms`: what is wrong with the server, and whether those are told who should be."""

import json
from typing import Annotated, Any

import typer

from cli import cloud, common, remote
from cli.common import JsonOption, StackOption, console
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.host import program_path
from workbench.outputs import Outputs

PROGRAM = program_path("alarms")
_TEST_SECONDS = 120  # a server that does not answer is waited for half a minute, once for each way
_ASK_SECONDS = 60


def alarms(
    stack: StackOption = None,
    test: Annotated[
        bool,
        typer.Option("--test", help="send a message by each way of the settings, and say what came of it"),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show which alarms are on; exit status 3 if any. What they are, and how people are told: docs/alarms.md."""
    facts = cloud.running(stacks.outputs(common.enter(stack)))
    if test:
        _test(facts, as_json)
        return
    told = remote.report_of(facts, f"{program_path('health')} --json", _ASK_SECONDS, "its alarms").get(
        "alarms"
    )
    if told is None:
        raise WorkbenchError("The server looks for no alarms yet; `workbench deploy` sees to that.")
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        for line in lines(told):
            console.print(line, markup=False)
        if not told["on"]:
            console.print("No alarm is on.")
    if told["on"]:
        raise typer.Exit(3)


def lines(told: dict[str, Any]) -> list[str]:
    """What is on, and whom nobody could tell, a line each."""
    on = [f"{one['text']} (since {one['since']})" for one in told["on"]]
    return [*on, *(f"Nobody could be told by {way}: {why}." for way, why in told["refused"].items())]


def _test(facts: Outputs, as_json: bool) -> None:
    """Raises WorkbenchError with what each way that refused it said."""
    with common.stage("Send a test of the alarms"):
        done = remote.report_of(facts, f"{PROGRAM} --test", _TEST_SECONDS, "its alarms")
    if as_json:
        typer.echo(json.dumps(done, indent=2))
    elif done["sent"]:
        console.print(f"Sent by {' and '.join(done['sent'])}; see that it has come.")
    if done["failed"]:
        raise WorkbenchError(
            "\n".join(f"No alarm goes out by {way}: {why}." for way, why in done["failed"].items())
        )
    if not done["sent"]:
        raise WorkbenchError(
            "Nobody is told of alarms: neither workbench:alarms.mail nor workbench:alarms.webhook is set "
            "(docs/alarms.md), or the server was not deployed since."
        )
