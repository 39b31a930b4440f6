"""What asks many programs at once; it runs on the host, and deploy/programs.py sends it there.

`python3 -SP -c SOURCE JSON`: a list of command lines (the path of a Python program, and its arguments). For each it
prints, in a line of JSON, the exit status as a shell has it and the standard output. Each runs in a child of its own,
beside the others: what Python and its modules cost to start is paid once, and compiled programs are kept.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import types
from importlib.machinery import SourceFileLoader

SHARED = (contextlib, dataclasses, pathlib, subprocess)  # what most of the programs import


def begin(line: list[str]) -> tuple[int, int]:
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


def status_of(line: list[str], output: int) -> int:
    """The status that the program exits with, which is run in this process."""
    os.dup2(output, 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.argv = line
    sys.path.insert(0, line[0].rpartition("/")[0])  # as for a program that is started by its path
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__file__ = line[0]
    try:
        code = SourceFileLoader("program", line[0]).get_code("program")
        assert code is not None
        exec(code, main.__dict__)  # noqa: S102 - a program of ours, as the shell would run it
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
    return 0


def main(lines: list[list[str]]) -> None:
    """Prints what each said."""
    for child, output in [begin(line) for line in lines]:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = os.pread(output, os.fstat(output).st_size, 0).decode()
        print(json.dumps([status if status >= 0 else 128 - status, said]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
