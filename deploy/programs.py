"""Programs of ours that decide on the host, at the time they run: what is on the data volume is not known before.

Each lies in /usr/local/lib/workbench. Nearly all know two ways to be called: with `--check` one changes nothing and
exits with 0 (all is as it should be) or 3 (something would change); without, it does what is to be done, and may be
killed at any point: the next call goes on from there.

Each deploy asks them all, so they start quickly: without Python's site module (`python3 -S`; they import the standard
library and each other), and what only a run with work to do needs is imported there.
"""

import inspect
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from shlex import join, quote, split
from typing import Any

from pyinfra.api.command import StringCommand
from pyinfra.api.facts import FactBase
from pyinfra.api.operation import OperationMeta, operation
from pyinfra.context import host

from deploy import checks, files

FOLDER = "/usr/local/lib/workbench"
CONFIG = "/etc/workbench"
TOOLS = "hosttools.py"  # what the programs share, beside them so that they can import it
CLEAN = 0  # exit status of `--check`
PYTHON_COMPILES = "python3 -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], \"exec\")' {}"


def path(name: str) -> str:
    """Where the program `name` lies on the host."""
    return f"{FOLDER}/{name}"


def install(source: str, name: str, **variables: Any) -> OperationMeta:
    """The program from templates/`source`, judged by Python's own compiler before it is used."""
    about = f"Install the program {name}"
    return files.template(source, path(name), mode="755", validate=PYTHON_COMPILES, name=about, **variables)


def tools() -> OperationMeta:
    """What the programs share; before the first of them."""
    return files.template(f"programs/{TOOLS}.j2", path(TOOLS), name="Install what the programs share")


@dataclass(frozen=True)
class Reply:
    """A program's exit status, and the lines of its standard output."""

    status: int
    lines: tuple[str, ...]


class Says(FactBase[Reply]):
    """What one of our programs says, called so that it changes nothing."""

    def command(self, line: str) -> str:
        return f"{line} 2>/dev/null; echo $?"

    def process(self, output: list[str]) -> Reply:
        return Reply(int(output[-1]), tuple(output[:-1]))

    @staticmethod
    def together(asked: Sequence[Mapping[str, Any]]) -> str:
        lines = json.dumps([split(one["line"]) for one in asked])
        return join(["/usr/bin/python3", "-SP", "-c", inspect.getsource(checks), lines])

    @staticmethod
    def apart(asked: Sequence[Mapping[str, Any]], output: Sequence[str]) -> Sequence[Sequence[str]]:
        replies = [json.loads(line) for _, line in zip(asked, output, strict=True)]
        return [[*said.split("\n")[:-1], str(status)] for status, said in replies]


@operation()
def run(program: str, arguments: Sequence[str] = ()) -> Generator[StringCommand, None, None]:
    """Runs a program where its `--check` says that something would change, or cannot say.

    With `--check` it changes nothing, whatever stands beside it: an older deploy's question may meet a newer program.
    """
    line = join([path(program), *arguments])
    if host.get_fact(Says, line=f"{line} --check").status == CLEAN:
        host.noop(f"{quote(program)} finds nothing to do")
        return
    yield StringCommand(line)
