"""ask JSON: what many programs say at once, called so that they change nothing.

JSON is a list of command lines (a name of PROGRAMS and its arguments). For each it prints, in a line of JSON, the exit
status as a shell has it and the standard output. Each runs in a child of its own, beside the others: what Python and
its modules cost to start is paid once.
"""

import importlib
import json
import os
import sys
from collections.abc import Sequence

# What most of the programs import: once, before the children part.
from workbench_host import PROGRAMS, tools  # noqa: F401


def begin(line: Sequence[str]) -> tuple[int, int]:
    """Starts one program; gives back the child's process id, and the file that has its output."""
    output = os.memfd_create("output", os.MFD_CLOEXEC)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = status_of(line, output)
        finally:
            os._exit(status)
    return child, output


def status_of(line: Sequence[str], output: int) -> int:
    """The status that the program exits with, which is run in this process."""
    os.dup2(output, 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    name, *arguments = line
    try:
        return int(importlib.import_module(f"workbench_host.{PROGRAMS[name]}").main(arguments))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    for child, output in [begin(line) for line in json.loads(arguments[0])]:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = os.pread(output, os.fstat(output).st_size, 0).decode()
        print(json.dumps([status if status >= 0 else 128 - status, said]))
    return 0
