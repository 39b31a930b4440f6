"""Commands that need neither cloud nor server: `check` and `password`."""

import getpass
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import bcrypt
import typer

from cli.common import JsonOption, console
from workbench import stackfile
from workbench.errors import WorkbenchError
from workbench.stack import ROOT

_MOST_BYTES = 72  # bcrypt looks at no more of a password


def check(
    file: Annotated[
        Path | None, typer.Argument(help="the stack file; all of the project's where none is named")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a stack file's settings offline."""
    files = [file] if file else sorted(ROOT.glob("Pulumi.*.yaml"))
    if not files:
        raise WorkbenchError("There is no stack file (Pulumi.<stack>.yaml) here to check; name one.")
    judged = [judgement(path) for path in files]
    faults = [problem for one in judged for problem in one["problems"]]
    if as_json:
        typer.echo(json.dumps({"files": judged}, indent=2))
        sys.exit(bool(faults))
    for one in judged:
        for note in one["notes"]:
            console.print(f"Note: {note}", markup=False)
        if not one["problems"]:
            console.print(f"{one['file']}: fine{_not_judged(one['not_judged'])}", markup=False)
    if faults:
        raise WorkbenchError("\n".join(faults))


def judgement(path: Path) -> dict[str, Any]:
    """{file, problems, notes, not_judged}: sentences, faults with their lines, and the keys that are encrypted."""
    report: dict[str, Any] = {"file": path.name, "problems": [], "notes": [], "not_judged": []}
    try:
        verdict = stackfile.check(path)
    except WorkbenchError as error:
        return {**report, "problems": str(error).splitlines()}
    return {**report, "notes": verdict.notes, "not_judged": verdict.hidden}


def _not_judged(keys: Sequence[str]) -> str:
    """What to add where values are encrypted; a team's worth of passwords is not listed in full."""
    if not keys:
        return ""
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    shown = f"{', '.join(keys[:3])}{more}"
    return f", as far as can be told without decrypting {shown} (`workbench preview` judges that too)"


def password() -> None:
    """Make a password hash for `passwordHash`; the password is asked for, or read from standard input."""
    if sys.stdin.isatty():
        secret = getpass.getpass("Password: ")
        if secret != getpass.getpass("Again: "):
            raise WorkbenchError("The two passwords differ; nothing was made.")
    else:
        secret = sys.stdin.readline().rstrip("\n")
    typer.echo(hash_of(secret))


def hash_of(secret: str) -> str:
    """A bcrypt hash, which Debian's crypt(5) takes. Raises WorkbenchError for a password that is empty or too long."""
    if not secret:
        raise WorkbenchError("An empty password is refused.")
    if len(secret.encode()) > _MOST_BYTES:
        raise WorkbenchError(
            f"The password is longer than {_MOST_BYTES} bytes, which is as much as its hash regards."
        )
    return bcrypt.hashpw(secret.encode(), bcrypt.gensalt(12)).decode()
