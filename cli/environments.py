"""`workbench environments`: the team's environments on the server, what they were before, and who uses which."""

import json
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from cli import cloud, common, remote
from cli.common import JsonOption, StackOption, console
from workbench import stack as stacks
from workbench.host import program_path

PROGRAM = f"{program_path('team-environments')} --report"
_TIMEOUT = 60  # seconds; it looks through the memory of all processes


def environments(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """Show the environments on the server: version, lock, those before that are kept, and who uses which."""
    facts = cloud.running(stacks.outputs(common.enter(stack)))
    report = remote.report_of(facts, PROGRAM, _TIMEOUT, "its environments")
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        _show(report)


def _show(report: dict[str, Any]) -> None:
    table = Table()
    for title in ("environment", "language", "packages", "lock", "kept", "used by"):
        table.add_column(title, overflow="fold", min_width=12 if title in {"lock", "kept"} else None)
    for one in report["environments"]:
        table.add_row(
            one["name"],
            f"{one['language']} {one['version']}".strip(),
            str(one["packages"]),
            one["digest"] or "[red]none[/red]",
            "\n".join(one["former"]) or "-",
            escape("\n".join(_users(one))) or "-",
        )
    console.print(table)
    if report["unknown"]:
        console.print(f"Who uses them is not known: {common.plain(report['unknown'])}.", markup=False)


def _users(one: dict[str, Any]) -> list[str]:
    """A text for each user, with the lock of those who have still a former one."""
    return [
        common.plain(user["user"]) + ("" if user["digest"] == one["digest"] else f" (still {user['digest']})")
        for user in one["users"]
    ]
