"""Commands about the server that runs: `status`, `ssh`, `open`, `deploy`."""

import json
import subprocess
import sys
import time
import webbrowser
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cli import activity, alarms, baking, begun, cloud, common, loudness, remote, repair
from cli.common import JsonOption, StackOption, console
from connector import configure
from workbench import stack as stacks
from workbench import stackfile
from workbench.errors import WorkbenchError
from workbench.host import program_path
from workbench.outputs import Outputs
from workbench_host.activity import Person

HEALTH = program_path("health")
SERVICES_SECONDS = 120  # which they may take to start
_HEALTH_TIMEOUT = 60  # seconds; it asks every service and each may be slow
_STATES = {"up": "green", "starting": "yellow", "down": "red"}


def status(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """Show the server, its services, disk, memory and who is at work; exit status 3 when something is down."""
    name = common.enter(stack)
    with ThreadPoolExecutor(1) as pool:
        rebuild = pool.submit(_rebuild, name)
        report = {**status_of(name), "rebuild": rebuild.result()}
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        _show(report)
    if not _all_up(report):
        raise typer.Exit(3)


def _rebuild(name: str) -> str | None:
    """A sentence about a rebuild that has not ended."""
    try:
        return " ".join(begun.told(name, repair.export(name))) or None
    except WorkbenchError as error:  # the server is worth showing all the same
        return str(error)


def show_status(name: str, facts: Outputs) -> None:
    """What `workbench status` shows, after an `up` that has just ended with these outputs."""
    report = _report(name, facts, cloud.Instance(facts.instance_id, facts.instance_type, "running"))
    # AWS is asked only where the server does not answer for itself.
    _show(status_of(name) if "problem" in report else report)


def status_of(name: str) -> dict[str, Any]:
    """What `workbench status --json` prints: the server, its services, disk, memory, users, failed logins."""
    facts = stacks.outputs(name)
    return _report(name, facts, cloud.instance(facts))


def settled_status(name: str, patient: bool = False) -> dict[str, Any]:
    """The same once no service is starting any more, or SERVICES_SECONDS are over.

    `patient`: a server that does not answer is waited for as well.
    """
    end = time.monotonic() + SERVICES_SECONDS
    while True:
        report = status_of(name)
        services = report["services"].values()  # none of a host that is not configured
        waits = (patient and report.get("problem")) or any(one["state"] == "starting" for one in services)
        if not waits or time.monotonic() > end:
            return report
        time.sleep(1)


def _report(name: str, facts: Outputs, server: cloud.Instance | None) -> dict[str, Any]:
    report: dict[str, Any] = {
        "stack": name,
        "url": facts.url,
        "address": facts.address,
        "instance": {"id": facts.instance_id, "type": facts.instance_type, "state": "gone"},
        "services": {},
        "disk": {},
        "memory": {},
        "users": [],
        "people": None,  # where nobody says
        "logins": {},
        "alarms": {},
    }
    if server is None:
        return {**report, "url": None, "address": None}
    report["instance"] = {"id": server.id, "type": server.type, "state": server.state}
    if server.state == "running":
        try:
            health = remote.report_of(facts, f"{HEALTH} --json", _HEALTH_TIMEOUT, "its health")
        except WorkbenchError as error:  # what AWS says is worth showing all the same
            return {**report, "problem": str(error)}
        report.update({key: health[key] for key in ("services", "disk", "memory", "users")})
        # A host that no deploy has been to lately does not say these.
        report.update({key: health[key] for key in ("people", "logins", "alarms") if key in health})
    return report


def wake(facts: Outputs) -> bool:
    """Starts the server of the stack where it was stopped, which Pulumi does nothing about; whether it was.

    It need not answer yet: its address may be among what the run has still to make.
    """
    if configure.answers(facts.address):
        return False
    server = cloud.instance(facts)
    if server is None or server.state not in {"stopping", "stopped"}:
        return False
    with common.stage(f"Start the server {server.id}, which was {server.state}"):
        cloud.start(facts)
    return True


def ssh(
    command: Annotated[
        list[str] | None,
        typer.Argument(help="what its shell is to run, as ssh takes it; a login where nothing is named"),
    ] = None,
    stack: StackOption = None,
) -> None:
    """Log in to the server as its administrator, or run a shell line there (its exit status is the line's).

    What follows is ssh's own: a line for the shell there (`workbench ssh -- 'df -h | tail -1'`), or options first
    (`workbench ssh -- -N -L 8080:localhost:8080`).
    """
    facts = cloud.running(stacks.outputs(common.enter(stack)))
    status = subprocess.run([*stacks.ssh_command(facts), *(command or [])], check=False).returncode
    for hint in remote.hints(facts, status):
        typer.echo(hint, err=True)
    sys.exit(status)


def open_(stack: StackOption = None) -> None:
    """Open the workbench in the browser."""
    facts = cloud.running(stacks.outputs(common.enter(stack)))
    console.print(facts.url)
    webbrowser.open(facts.url)


_AFTER_USERS = (
    "Users are as declared. What other services have by users' names and groups (data, mails of schedules, timers, "
    "containers) follows with a whole `workbench deploy`."
)


def deploy(
    stack: StackOption = None,
    only: Annotated[
        str | None, typer.Option("--only", metavar="SERVICE", help="one service, and leave all others alone")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="show what would change, and change nothing")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="of --dry-run, for a program to read")] = False,
) -> None:
    """Bring the host to what the settings say, without asking AWS for anything."""
    if as_json and not dry_run:
        raise WorkbenchError("--json goes with --dry-run: only that is for a program to read.")
    name = common.enter(stack)
    with configure.begun() as run:
        run.reach(stacks.noted_outputs(name))  # at once; `pulumi` takes a moment to say the same
        told, context = _asked(name)
        facts = context.outputs
        run.reach(facts)
        configure.way_in(context.settings.admin_ssh_keys, facts.address)
        # AWS knows whose the address is, where no host key tells, and perhaps why nobody answers.
        known = stacks.host_key_checking(facts) == "yes"
        if not (known and configure.answers(facts.address)):
            with loudness.quiet_prints(as_json):
                configure.wait_for_ssh(cloud.running(facts).address)
        extent = configure.Extent(only, dry_run)
        with loudness.quiet_prints(as_json), loudness.telling(stacks.state_folder(name) / configure.LOG):
            run.hand_over(told, facts, extent)
            shown = run.end()
    if extent == configure.Extent("users"):
        console.print(_AFTER_USERS)
    if extent == configure.WHOLE:
        baking.after(name, context.settings)
    if as_json:
        would = [{key: value for key, value in event.items() if key != "event"} for event in shown.would]
        typer.echo(json.dumps({"stack": name, "would": would}, indent=2))


def _asked(name: str) -> tuple[str, stacks.Context]:
    """What `pulumi` says of the stack, as text and read; what is wrong with the settings is told with its line."""
    try:
        told = stacks.ask(name)
        context = stacks.read(told)
    except WorkbenchError:
        common.require_stack_file(name)
        raise
    if context.settings.environments:  # whose locks are files, of which `pulumi` says nothing
        stackfile.check(stackfile.path_of(name))
    return told, context


def _all_up(report: dict[str, Any]) -> bool:
    services = report["services"]
    return bool(services) and all(service["state"] == "up" for service in services.values())


def _show(report: dict[str, Any]) -> None:
    server = report["instance"]
    table = Table(title=f"Stack {report['stack']}", show_header=False, title_justify="left")
    if report["url"]:
        table.add_row("address", f"{report['url']} ({report['address']})")
    table.add_row("server", f"{server['id']}, {server['type']}, {server['state']}")
    for name, service in report["services"].items():
        colour = _STATES.get(service["state"], "red")
        table.add_row(name, f"[{colour}]{service['state']}[/{colour}] {service['detail']}")
    for path, size in report["disk"].items():
        table.add_row(f"disk {path}", _disk(size))
    if report["memory"]:
        used, total = (report["memory"][key] / 1024 for key in ("used_mib", "total_mib"))
        table.add_row("memory", _used(used, total))
    _show_faults(table, report)
    if "problem" in report:
        table.add_row("host", f"[red]{escape(report['problem'])}[/red]")
    if (people := report.get("people")) is not None:
        at_work = activity.lines([Person(**one) for one in people])
        table.add_row("at work", escape("\n".join(at_work)))
    if logins := report.get("logins"):
        table.add_row("failed logins", f"{logins['failed']} in 24 hours")
        for ban in logins["banned"]:
            table.add_row("banned", f"{ban['address']} until {ban['until']}")
    console.print(table)
    if logins and logins["banned"]:
        console.print("To let an address in again: workbench ssh -- sudo fail2ban-client unban ADDRESS")


def _show_faults(table: Table, report: dict[str, Any]) -> None:
    if rebuild := report.get("rebuild"):
        table.add_row("rebuild", f"[red]{escape(rebuild)}[/red]")
    for line in alarms.lines(report["alarms"]) if report.get("alarms") else ():
        table.add_row("alarm", f"[red]{escape(line)}[/red]")


def _disk(size: dict[str, float] | None) -> str:
    missing = "[red]missing[/red]; see `workbench doctor`"
    return _used(size["used_gib"], size["total_gib"]) if size else missing


def _used(used_gib: float, total_gib: float) -> str:
    return f"{used_gib:.1f} GiB used of {total_gib:.1f} GiB"
