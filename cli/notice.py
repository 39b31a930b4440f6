"""`workbench notice`: what the administrator has to say to everybody, on open pages and in terminals."""

from shlex import quote
from typing import Annotated, Any

import typer
from rich.markup import escape

from cli import cloud, common, remote
from cli.common import StackOption, console
from workbench import checks
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.host import program_path
from workbench.outputs import Outputs

NOTICE = program_path("notice")
_TIMEOUT = 60  # seconds


def notice(
    text: Annotated[
        str | None,
        typer.Argument(
            help="what everybody is to read, one line; what is to be seen at present where nothing is said"
        ),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="take it back")] = False,
    stack: StackOption = None,
) -> None:
    """Show everybody a notice, in open pages and terminals within seconds.

    It stays until it is taken back or the server restarts, replaces the one before, and is shown beside that of the
    setting services.proxy.notice.
    """
    if text is not None and clear:
        raise WorkbenchError("A text gives a notice and --clear takes it back; say one of both.")
    if text is not None:
        text = _judged(text)
    facts = cloud.running(stacks.outputs(common.enter(stack)))
    asked = "clear" if clear else "apply" if text is None else _setting(text)
    _show(_asked(facts, asked))


def tell(facts: Outputs, text: str, seconds: int) -> None:
    """Shows everybody what a command is about to do, beside what the administrator says, for so long at most.

    Raises WorkbenchError for a text that is none, and where the server does not answer.
    """
    _asked(facts, f"coming {seconds} {quote(_judged(text))}")


def take_back(facts: Outputs) -> None:
    """Takes what `tell` said back; nothing where there is none. Raises WorkbenchError where there is no answer."""
    _asked(facts, "over")


def _judged(text: str) -> str:
    try:
        line = checks.notice(text)
    except ValueError as error:
        raise WorkbenchError(f"The notice {error}.") from None
    if not line:
        raise WorkbenchError(
            "The notice is empty; say what everybody is to read, or --clear to take it back."
        )
    return line


def _setting(line: str) -> str:
    """The arguments, for the shell there, with which the host's program shows the line."""
    return f"set {quote(line)}"


def _asked(facts: Outputs, arguments: str) -> dict[str, Any]:
    return remote.report_of(facts, f"{NOTICE} {arguments}", _TIMEOUT, "its notices")


def _show(told: dict[str, Any]) -> None:
    for text in told["notices"]:
        console.print(f"To be seen: {escape(text)}")
    if not told["notices"]:
        console.print("There is no notice.")
    if number := told["terminals"]:
        console.print(
            f"{number} open terminal{'s were' if number > 1 else ' was'} told; pages follow within 10 s."
        )
