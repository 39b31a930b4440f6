"""`workbench logs`: what services, a user's programs and deploys said, from the server's journal."""

import contextlib
import fnmatch
import json
import os
import re
import select
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import IO, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli import cloud, common, remote
from cli.common import JsonOption, StackOption
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.host import program_path
from workbench.outputs import Outputs
from workbench.settings.services import Services

PROGRAM = program_path("logs")
_KINDS = (".service", ".socket", ".timer", ".path", ".swap")
# What Debian's packages, or the deploy without a file of its own, bring: the stems are those of deploy/.
_OTHERS = {
    "base": ("systemd-journald.service", "unattended-upgrades.service", "apt-daily-upgrade.service"),
    "ssh": ("ssh.service", "ssh.socket"),
    "storage": ("home.mount", "srv-workbench.mount"),
    "environments": ("workbench-environments.service",),
    "packages": ("workbench-packages.service", "workbench-updates.service"),
}
# What people run, by the names that systemd, the hub's spawner and ours give (host/workbench_hub/servers.py,
# host/workbench_host/session_scope.py).
_OF_PEOPLE = {
    "jupyter-*-singleuser*": "server",
    "workbench-session-*.scope": "rstudio-session",
    "workbench-apps*@*": "apps",
    "session-*.scope": "login",
    "user@*.service": "own-units",
    "user-*.slice": "own-units",
    "": "process",  # one that had ended before the journal could look at it
}
_DEPLOY = "deploy"
_AGO = re.compile(r"\d+ ?(?:[a-z]+)(?: ?\d+ ?[a-z]+)*")
_ERROR, _WARNING = 3, 4  # syslog's priorities (RFC 5424)


def logs(
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SERVICE | user NAME | deploy]", help="whose; else all services'"),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="wait for more, until Ctrl-C")] = False,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="such as 2h, yesterday or '2026-11-28 10:00'"),
    ] = None,
    stack: StackOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what services, a user's programs (`user NAME`) or deploys (`deploy`) said on the server."""
    asked = request(what or [])
    options = [
        *([f"--since={time_of(since)}"] if since is not None else []),
        *(["--follow"] if follow else []),
    ]
    facts = cloud.running(stacks.outputs(common.enter(stack)))
    with contextlib.ExitStack() as quietly:
        if follow:
            quietly.enter_context(contextlib.suppress(KeyboardInterrupt))
        screen = Console(highlight=False, soft_wrap=True)
        for entry in entries(facts, [*asked.arguments, *options]):
            found = told(entry, asked.service)
            if as_json:
                typer.echo(json.dumps(found))
            else:
                screen.print(line(found))


@dataclass(frozen=True)
class Request:
    """What is asked of the host's program; `service` is what its entries are called where their unit does not say."""

    arguments: tuple[str, ...]
    service: str = ""


def request(what: Sequence[str]) -> Request:
    """What somebody means by the words of a command line. Raises WorkbenchError for what there is not."""
    services = units()
    match list(what):
        case []:
            everything = [unit for names in services.values() for unit in names]
            return Request(("--units", json.dumps(sorted(set(everything)))))
        case ["deploy"]:
            return Request(("--deploy",), _DEPLOY)
        case ["user", name]:
            return Request(("--user", name))
        case ["user"]:
            raise WorkbenchError("Whose logs? `workbench logs user NAME`; `workbench users` lists the names.")
        case [service] if service in services:
            return Request(("--units", json.dumps(services[service]), "--people"))
    raise WorkbenchError(
        f"There are no logs of {' '.join(what)!r}; there are those of {', '.join(sorted(services))}, "
        "`user NAME` and `deploy`."
    )


@cache
def units() -> dict[str, list[str]]:
    """The units of each service, instances as patterns: those in its templates, and those that its settings name."""
    found: dict[str, list[str]] = {}
    for path in sorted((stacks.ROOT / "templates").glob("*/*")):
        name = path.name.removesuffix(".j2")
        if name.endswith(_KINDS):
            found.setdefault(path.parent.name, []).append(name.replace("@.", "@*."))
    for stem, field in Services.model_fields.items():
        found.setdefault(stem, []).extend(getattr(field.annotation, "units", ()))
    for stem, names in _OTHERS.items():
        found.setdefault(stem, []).extend(names)
    return {stem: list(dict.fromkeys(names)) for stem, names in found.items() if names}


def time_of(since: str) -> str:
    """A time as journalctl takes it: of a span, which people write without a sign, that long ago."""
    text = since.strip()
    if _AGO.fullmatch(text) and not text.endswith("ago"):
        return f"-{text}"
    return text


def entries(facts: Outputs, arguments: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What the host's program prints, as it comes. Raises WorkbenchError with what it complains of."""
    told = [*stacks.ssh_command(facts), f"sudo {PROGRAM} {shlex.join(arguments)}"]
    # Its standard input stays open for as long as somebody listens: by that the program there sees when to end.
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(told, **pipes) as process:  # type: ignore[call-overload]
        try:
            for printed in lines(process.stdout):
                yield remote.read(facts, printed, "its logs")
        except BaseException:
            process.terminate()
            raise
        said = process.stderr.read().decode(errors="replace").strip()
        complaint = common.plain((said.splitlines() or ["no answer."])[-1])
        status = process.wait()
    if status != 0:
        if "command not found" in complaint:
            complaint = "it has no such program yet, which `workbench deploy` brings."
        why = " ".join([complaint, *remote.hints(facts, status)])
        raise WorkbenchError(f"{facts.address} did not tell its logs: {why}")


def lines(output: IO[bytes]) -> Iterator[str]:
    """What is printed, as it comes. One without an end was cut off with the connection, of which the status tells.

    Waited for in spans of a second: Python sees a Ctrl+C that comes just before a read only once that is over.
    """
    rest = b""
    while True:
        if select.select([output], [], [], 1.0)[0]:
            if not (read := os.read(output.fileno(), 65536)):
                return
            *whole, rest = (rest + read).split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)


def told(entry: Mapping[str, Any], service: str = "") -> dict[str, Any]:
    """An entry for programs: {time, service, user, priority, message}."""
    return {
        "time": entry["time"],
        "service": service or service_of(entry["unit"], entry["user"]),
        "user": entry["user"],
        "priority": entry["priority"],
        "message": entry["message"],
    }


def service_of(unit: str, user: str | None) -> str:
    """What a unit is called here: its service, or the kind of thing that people run; else the unit's own name."""
    if user is not None:
        kinds = (kind for glob, kind in _OF_PEOPLE.items() if fnmatch.fnmatchcase(unit, glob))
        if kind := next(kinds, None):
            return kind
    for stem, names in units().items():
        if any(fnmatch.fnmatchcase(unit, name) for name in names):
            return stem
    return unit.removesuffix(".service")


def line(found: Mapping[str, Any]) -> Text:
    """An entry for people. Further lines of a message are set in, so that none looks like an entry of its own."""
    when = datetime.fromisoformat(found["time"]).strftime("%Y-%m-%d %H:%M:%S")
    who = common.plain(found["service"]) + (f" ({common.plain(found['user'])})" if found["user"] else "")
    colour = {_ERROR: "red", _WARNING: "yellow"}.get(max(_ERROR, found["priority"]), "")
    said = [common.plain(part) for part in str(found["message"]).splitlines()] or [""]
    return Text.assemble((when, "dim"), " ", (who, "bold"), ": ", ("\n    ".join(said), colour))
