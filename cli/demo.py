"""`workbench lab demo`: a whole workbench in the lab, made by the ordinary program and visited as a person would."""

import io
import json
import os
import secrets
import subprocess
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

import typer
from rich.table import Table
from ruamel.yaml import YAML

from cli import common, demo_stack
from cli.common import JsonOption, console
from cli.demo_stack import LAB_STACK
from cli.local import hash_of
from cli.stack import make
from lab import control, paths
from lab.visitor import PYTHON, R, Visitor
from workbench import keys, stackfile, versions
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs
from workbench.settings import Services

USER = "ada"
CODE, RESULT = "5 * 4", "20"
KERNELS = {
    "python": (PYTHON, RESULT),
    "r": (R, f"[1] {RESULT}"),
}  # by service: its kernel, its answer to CODE
PROBE_SECONDS = 15
FIRST_SECONDS = 180.0  # a kernel's first answer, with nothing of R or Python in memory yet


def demo() -> None:
    """Bring up a whole workbench in the lab, log in to it and compute."""
    common.become_root()
    demo_stack.claim()
    times: dict[str, float] = {}
    with common.stage("Start the lab", times):
        control.start(console.print)
    common.enter(LAB_STACK)
    path = stackfile.path_of(LAB_STACK)
    with common.stage("Write the stack file", times):
        fresh = not path.exists()
        no_rstudio = _write_stack_file(path) if fresh else f"{path.name} has services.rstudio.enabled: false"
        common.run(["pulumi", "stack", "select", "--create", LAB_STACK], "Choosing the stack")
    make(LAB_STACK, True, times)
    context = stacks.context(LAB_STACK)
    with common.stage("Log in and compute", times):
        fetch_ca(context.outputs)
        checked = _visit(context.outputs, context.settings.services)
    if not context.settings.services.rstudio.enabled:
        checked.append(f"RStudio is left out: {no_rstudio}")
    _summary(times, checked, fresh)


def credentials(as_json: JsonOption = False) -> None:
    """Print the demo's address, user, password and CA certificate."""
    common.become_root()
    common.enter(LAB_STACK)
    found = {
        "url": stacks.outputs(LAB_STACK).url,
        "user": USER,
        "password": _password(),
        "ca": str(_ca_path()),
    }
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for key, value in found.items():
        console.print(f"{key}: {value}", markup=False)


def fetch_ca(facts: Outputs) -> Path:
    """Copies the certificate of the workbench's own CA from the server; gives back where it is now."""
    done = subprocess.run(
        [*stacks.ssh_command(facts), "cat /etc/workbench/ca.crt"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or "BEGIN CERTIFICATE" not in done.stdout:
        raise WorkbenchError(
            f"The CA certificate could not be copied from {facts.address}: {done.stderr.strip()}"
        )
    path = _ca_path()
    path.write_text(done.stdout)
    return path


def _visit(facts: Outputs, services: Services) -> list[str]:
    said = [f"{facts.url} answers over https, its certificate verified"]
    enabled = dict(services.enabled())
    with Visitor(facts.url, _ca_path()) as visitor:
        visitor.login(USER, _password())
        visitor.spawn()
        said.append(f"{USER} logged in and a server was spawned")
        for name, (kernel, result) in KERNELS.items():
            if name not in enabled:
                continue
            title, answer = enabled[name].title, visitor.run_code(CODE, FIRST_SECONDS, kernel).strip()
            if answer != result:
                raise WorkbenchError(f"{title} was asked for {CODE} and answered {answer!r}, not {result}.")
            said.append(f"a kernel of {title} computed {CODE} = {answer}")
        if services.rstudio.enabled:
            if visitor.client.get(f"{facts.url}rstudio/auth-sign-in").status_code != HTTPStatus.OK:
                raise WorkbenchError(f"{facts.url}rstudio/ does not show RStudio's page to sign in.")
            said.append("RStudio shows its page to sign in")
        if services.shiny.enabled:
            if visitor.client.get(f"{facts.url}shiny/").status_code != HTTPStatus.OK:
                raise WorkbenchError(f"{facts.url}shiny/ does not show how apps are made.")
            said.append("Shiny shows how apps are made")
    return said


def rstudio_unreachable() -> str | None:
    """Why RStudio Server's package cannot be downloaded from this machine, None where it can."""
    address = f"{versions.RSTUDIO_BUILDS}/{versions.rstudio_file(versions.RSTUDIO)}"
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - the address is ours
    try:
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS):  # noqa: S310
            return None
    except urllib.error.HTTPError as error:
        return f"{address} answers with status {error.code}"
    except OSError as error:
        return f"{address} cannot be reached ({getattr(error, 'reason', error)})"


def _write_stack_file(path: Path) -> str | None:
    """Writes the demo's stack file; gives back why RStudio has to be left out, None where it need not."""
    unreachable = rstudio_unreachable()
    key = Path(f"{control.environment()[keys.KEY_VARIABLE]}.pub").read_text().strip()
    region = control.environment()["AWS_REGION"]
    config = {
        "aws:region": region,
        "workbench:size": "t3.medium",
        "workbench:zone": f"{region}a",
        "workbench:rootVolumeGib": 20,
        "workbench:dataVolumeGib": 10,
        "workbench:sshFrom": ["127.0.0.0/8"],
        "workbench:adminSshKeys": [key],
        "workbench:users": [
            {"name": USER, "admin": True, "passwordHash": hash_of(_password())},
            {"name": "grace", "passwordHash": hash_of(_password())},
        ],
        **({"workbench:services": {"rstudio": {"enabled": False}}} if unreachable else {}),
    }
    text = io.StringIO()
    YAML().dump({"config": config}, text)
    stackfile.write(path, text.getvalue())
    return unreachable


def _password() -> str:
    """The demo's password: made once, kept in the lab's home where only its owner can read it."""
    path = paths.home() / "password"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(12))
    return path.read_text()


def _ca_path() -> Path:
    return paths.home() / "ca.crt"


def _summary(times: dict[str, float], checked: list[str], fresh: bool) -> None:
    table = Table("stage", "seconds", title="How long it took", title_justify="left")
    for title, seconds in times.items():
        table.add_row(title, f"{seconds:.1f}")
    table.add_row("all", f"{sum(times.values()):.1f}")
    console.print(table)
    console.print("Checked:")
    for line in checked:
        console.print(f"  {line}")
    facts = stacks.outputs(LAB_STACK)
    console.print(
        f"\nThe workbench {'is up' if fresh else 'was up already'}: [bold]{facts.url}[/bold]\n"
        f"  user      {USER}\n"
        "  password  .venv/bin/workbench lab credentials\n"
        "  browser   the certificate is of the workbench's own CA: accept it, or import .lab/ca.crt\n"
        "  again     .venv/bin/workbench destroy, then up; in half a minute after .venv/bin/workbench bake, which\n"
        "            takes as long as the first `up`\n"
        "  remove    make demo-down"
    )
