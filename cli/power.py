"""`workbench stop` and `workbench start`: a stopped server is not paid for, and everything stays where it is."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli import activity, cloud, common, grace, holdings, loudness, plan, rebuilding, statefile, swapping
from cli.common import StackOption, YesOption, console
from cli.disks import Disks
from cli.grace import GraceOption
from cli.plan import Plan
from cli.server import settled_status, show_status
from connector import configure
from workbench import prices
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs

BUSY = 4  # exit status of a stop that somebody's computing kept from being done


def stop(
    stack: StackOption = None,
    minutes: GraceOption = 0,
    unless_busy: Annotated[
        bool,
        typer.Option("--unless-busy", help=f"leave it running while somebody computes (exit status {BUSY})"),
    ] = False,
    yes: YesOption = False,
) -> None:
    """Stop the server: only disks and address are paid for until `workbench start`. What people have running ends."""
    grace.judge(minutes)
    name = common.enter(stack)
    with swapping.alone(name, "stop"):
        _stop(name, minutes, unless_busy, yes)


def _stop(name: str, minutes: int, unless_busy: bool, yes: bool) -> None:
    exported = statefile.exported(name)
    facts, server = _server(name, exported)
    if server.state in {"stopped", "stopping"}:
        raise WorkbenchError(f"The server {server.id} of stack {name} is {server.state} already.")
    if unless_busy:
        _spare(facts)
    found = holdings.of(name, exported)
    wanted = Plan(
        [f"The server {server.id} ({server.type}) is stopped; what people have running there ends."],
        server=facts,
        down="until `workbench start`, which takes about a minute",
        kept=f"{plan.KEPT}; the address {facts.address} as well",
        before=holdings.parts(found),
        after=holdings.stopped(found),
    )
    plan.confirm(wanted, yes)
    grace.wait(facts, minutes, "is stopped")
    try:
        if unless_busy and minutes:
            _spare(facts)  # who began meanwhile counts too
    finally:
        # Now: stopped, it could not be asked to, and would show it when it is back.
        grace.over(facts, minutes)
    with common.stage(f"Stop the server {server.id}"):
        cloud.stop(facts)
    console.print(
        f"Stopped. What stays costs {prices.total(wanted.after)}; `workbench start --stack {name}` goes on from here."
    )


def start(stack: StackOption = None) -> None:
    """Start the server that was stopped, and wait until people can log in."""
    name = common.enter(stack)
    with swapping.alone(name, "start"):
        facts, server = _server(name, statefile.exported(name))
        if server.state not in {"stopped", "stopping"}:
            raise WorkbenchError(f"The server {server.id} of stack {name} is {server.state} already.")
        with common.stage(f"Start the server {server.id}"):
            cloud.start(facts)
    with common.stage("Wait until people can log in"), loudness.quiet_prints():
        configure.wait_for_ssh(facts.address)
        settled_status(name)  # what is down by then, it shows
    show_status(name, facts)


def _server(name: str, exported: Mapping[str, Any]) -> tuple[Outputs, cloud.Instance]:
    """The stack's server. Raises WorkbenchError where there is none, or a restore or a rebuild is at them."""
    facts = stacks.outputs_in(exported)
    server = cloud.instance(facts) if facts else None
    if facts is None or server is None:
        raise WorkbenchError(f"Stack {name} has no server at present; `workbench up` makes one.")
    disks = Disks.of(name, exported)
    swapping.refuse_unfinished(disks)
    rebuilding.refuse_unfinished(disks)
    return facts, server


def _spare(facts: Outputs) -> None:
    """Ends with status 4 where somebody computes. Raises WorkbenchError where the server does not say."""
    working = plan.at_work(facts)
    if working.unknown:
        raise WorkbenchError(f"It was not stopped, since {working}.")
    if working.busy:
        busy = "; ".join(activity.lines(working.busy))
        typer.echo(f"It was not stopped, since somebody computes: {busy}.", err=True)
        raise typer.Exit(BUSY)
