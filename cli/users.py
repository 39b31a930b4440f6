"""`workbench users`: who has an account, when they were last seen, and what they take."""

import json
from datetime import UTC, datetime
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from cli import cloud, common, remote
from cli.common import JsonOption, StackOption, console
from workbench import stack as stacks
from workbench.host import program_path

PEOPLE = program_path("people")
_TIMEOUT = 600  # seconds; without quotas all homes are counted file by file


def users(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """Show who has or had an account: state, last seen, disk, sessions, archives of removed homes."""
    facts = cloud.running(stacks.outputs(common.enter(stack)))
    report = remote.report_of(facts, PEOPLE, _TIMEOUT, "its users")
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        _show(report)


def _show(report: dict[str, Any]) -> None:
    table = Table()
    for title in ("user", "uid", "state", "groups", "last seen", "disk", "sessions"):
        table.add_column(title, overflow="fold")  # rather a second line than a name cut short
    for user in report["users"]:
        groups = ["admin"] if user["admin"] else []
        table.add_row(
            user["name"],
            str(user["uid"]),
            user["state"],
            ", ".join([*groups, *user["groups"]]),
            _ago(user["last_seen"]),
            "not counted" if user["disk_gib"] is None else f"{user['disk_gib']:.2f} GiB",
            _sessions(user["sessions"]),
        )
    console.print(table)
    for user in report["users"]:
        for archive in user["archives"]:
            console.print(escape(f"The home of {user['name']} is in {archive} on the server."))
    if any(user["disk_gib"] is None for user in report["users"]):
        console.print(
            "Some homes have too many files to be counted in time; `sudo du -s /home/USER` on the server does."
        )
    if report["disk_limit_gib"] is not None:
        enforced = "" if report["disk_limit_enforced"] else ", which this server's kernel does not enforce"
        console.print(f"Each user may take {report['disk_limit_gib']} GiB of disk{enforced}.")


def _sessions(counted: dict[str, int]) -> str:
    words = [f"{number} {kind}" for kind, number in counted.items() if number]
    return ", ".join(words) or "-"


def _ago(stamp: str | None) -> str:
    """How long ago, in words, a time in ISO 8601 was."""
    if stamp is None:
        return "never"
    minutes = int((datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds() // 60)
    for unit, size in (("day", 1440), ("hour", 60), ("minute", 1)):
        if minutes >= size:
            number = minutes // size
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"
