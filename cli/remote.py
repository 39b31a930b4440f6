"""What is asked of the server over SSH, and why it does not let one in."""

import contextlib
import json
import select
import subprocess
import sys
from typing import Any

from cli import common
from workbench import keys, openssh
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.outputs import ADMIN, Outputs

WORDS_SECONDS = 60.0  # from the start of ssh until the program there says its first word
_NOT_IN = 255  # the exit status of ssh itself, which a remote command may have as well


def report_of(facts: Outputs, program: str, timeout: float, about: str) -> dict[str, Any]:
    """The JSON that the command line `program` prints on the server, as root, within `timeout` seconds.

    Raises WorkbenchError, which says what the question was `about`, where there is no answer.
    """
    command = [*stacks.ssh_command(facts), f"sudo {program}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise WorkbenchError(f"{facts.address} did not tell {about} within {timeout} s.") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        why = " ".join([said[-1] if said else "no answer.", *hints(facts, done.returncode)])
        if program.split()[0] in why and "not found" in why:  # as sudo says it
            why = "it has no such program yet, which `workbench deploy` brings."
        raise WorkbenchError(f"{facts.address} could not be asked for {about}: {why}")
    return read(facts, done.stdout, about)


def read(facts: Outputs, printed: str, about: str) -> dict[str, Any]:
    """The JSON that a program on the server printed. Raises WorkbenchError where something else stands before it."""
    with contextlib.suppress(ValueError):
        found = json.loads(printed)
        if isinstance(found, dict):
            return found
    first = common.plain(next(iter(printed.strip().splitlines()), "")[:80])
    raise WorkbenchError(
        f"{facts.address} was asked for {about}, and says {first!r} instead: what a shell or sudo prints there at the "
        f"start of a command (~/.bashrc of {ADMIN}, /etc/bash.bashrc) has to go."
    )


def await_words(process: subprocess.Popen[str]) -> None:
    """Returns once the program on the server has said something or ended; where it does neither in time, it is ended.

    Of ssh's own times none is for a server that takes a connection and then does nothing.
    """
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], WORDS_SECONDS)[0]:
        process.kill()


def hints(facts: Outputs, status: int) -> list[str]:
    """A sentence for each key that ssh, which ended so, may have wanted and could not use without a terminal."""
    if status != _NOT_IN or sys.stdin.isatty():
        return []
    return keys.unusable(openssh.route(ADMIN, facts.address))
