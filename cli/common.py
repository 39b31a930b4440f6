"""What the commands share: which stack is meant, its environment, how to run a command and show how long it took."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli import demo_stack, passphrase, selection
from connector import process
from workbench import stackfile
from workbench.errors import WorkbenchError
from workbench.leftovers import ADOPT_VARIABLE
from workbench.stack import ROOT

console = Console(highlight=False, soft_wrap=True)

StackOption = Annotated[
    str | None,
    typer.Option(
        "--stack",
        "-s",
        envvar="PULUMI_STACK",
        autocompletion=selection.names,
        help="name of the stack; else the one that `pulumi stack select` chose, or the only one there is",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="do not ask")]
WhoseOption = Annotated[
    str | None,
    typer.Option(
        "--adopt",
        metavar="ID",
        envvar=ADOPT_VARIABLE,
        help="where the state knows no stack: whose data is meant, by the id that it carries in AWS",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="for a program to read")]


def enter(stack: str | None) -> str:
    """The stack that is meant; from here on `pulumi`, pyinfra and boto3 of this process work on it.

    The demo's stack brings the lab's environment along.
    """
    # The Pulumi CLI looks for `uv` on the PATH, and the one of this project is beside its Python.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    name = stack or selection.meant()
    if demo_stack.is_demos(name):
        enter_lab()
    passphrase.ask(name)
    os.environ["PULUMI_STACK"] = name
    return name


def adopt(stack_id: str | None) -> None:
    """From here on the stack is the one of that id, where its state does not say; Pulumi's program reads it as well."""
    if stack_id:
        os.environ[ADOPT_VARIABLE] = stack_id


def enter_lab() -> None:
    """Sets the lab's environment in this process; as root, which containers, loop devices and port 443 need."""
    try:
        from lab import control  # only who works in the lab needs its packages, and pays for importing them

        if find_spec("moto") is None:  # which the lab itself imports later
            raise ModuleNotFoundError(name="moto")
    except ImportError as error:
        raise no_lab(error) from None
    become_root()
    os.environ.update(control.environment())


def asking() -> None:
    """Somebody is going to be asked, and is shown what about, also where the command is to be quiet."""
    console.quiet = False


def no_lab(error: ImportError) -> WorkbenchError:
    """What to tell somebody who asks for the lab where its packages are missing; they do without on AWS."""
    return WorkbenchError(
        f"The lab's Python packages are not installed here ({error.name} is missing); `make setup` installs them, "
        "and so does `uv sync --group lab`."
    )


def become_root() -> None:
    """Starts this command again under sudo, unless it is root's already."""
    if os.geteuid() != 0:
        Console(stderr=True).print(
            "The lab needs root for containers, loop devices and ports below 1024: asking sudo."
        )
        sys.stdout.flush()
        process.stop_prestarted()
        # sudo puts a PATH of its own in place, in which a Pulumi CLI of the user's would not be found
        path = f"PATH={os.environ['PATH']}"
        os.execvp("sudo", ["sudo", "--preserve-env", "env", path, sys.executable, "-m", "cli", *sys.argv[1:]])


def plain(text: object) -> str:
    """Text of somebody else's choosing, as a terminal may be given it."""
    return "".join(sign if sign.isprintable() else "?" for sign in str(text))


@contextmanager
def stage(title: str, times: dict[str, float] | None = None) -> Iterator[None]:
    """Says what begins, and how long it took once it is through; notes the seconds in `times`."""
    console.print(f"[bold]{title}[/bold] ...")
    start = time.monotonic()
    yield
    seconds = time.monotonic() - start
    if times is not None:
        times[title] = seconds
    console.print(f"[bold]{title}[/bold] [green]done[/green] in {seconds:.1f} s")


def run(command: Sequence[str], what: str) -> None:
    """Runs a command in the project's root, its output live. Raises WorkbenchError when it fails."""
    sys.stdout.flush()
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode != 0:
        raise WorkbenchError(f"{what} failed (exit status {done.returncode}); what is above says why.")


def require_stack_file(stack: str) -> None:
    """Judges the stack's settings offline; raises WorkbenchError with a sentence for each fault.

    What is worth knowing goes to standard error, since what a command prints may be for a program.
    """
    for note in stackfile.check(stackfile.path_of(stack)).notes:
        typer.echo(f"Note: {note}", err=True)
