"""What asks many programs for their `--check` at once; it runs on the host, and deploy/programs.py sends it there.

`python3 -S -c SOURCE JSON`: a list of command lines (the path of a Python program, and its arguments). For each it
prints the exit status, in a line, whatever the program itself says. Each runs in a child of its own, beside the
others: what Python and its modules cost to start is paid once.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import runpy
import subprocess
import sys

SHARED = (contextlib, dataclasses, pathlib, subprocess)  # what most of the programs import


def begin(line: list[str]) -> int:
    """Starts one program; gives back the child's process id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = status_of(line)
        finally:
            os._exit(status)
    return child


def status_of(line: list[str]) -> int:
    """The status that the program exits with, which is run in this process."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    sys.argv = [*line, "--check"]
    sys.path.insert(0, line[0].rpartition("/")[0])  # as for a program that is started by its path
    try:
        runpy.run_path(line[0], run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def main(lines: list[list[str]]) -> None:
    """Prints the status of each, as a shell has it."""
    children = [begin(line) for line in lines]
    for child in children:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
