"""Which processes run from a folder: those that have a file of it mapped, or were started with its path.

The path may be on the command line, or, of packages, in the environment: an R whose packages are all plain R code has
none of their files mapped, and says where they are by R_LIBS.

Two are read from a process's memory, which its user can have wait for ever, or make as large as they like without
having any (PR_SET_MM_MAP of prctl(2)); mappings may be so many that they take seconds. So a child reads them, a piece
at a time, which is left to itself if it does not answer in time. Whoever shows more than a program can be started with
counts as running from all that is looked for: that holds a folder as well as its path on a command line would, hides
nobody else, and the user is named for it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from workbench_host import processes

SECONDS = 20.0  # to look through the memory of all processes
PIECE_BYTES = 64 * 1024
STARTED_BYTES = 6 * 1024**2  # of arguments and environment together, execve(2) takes no more
MAPPED_BYTES = 16 * 1024**2  # of lines of some 100 bytes, of which the kernel has 65,530 (vm.max_map_count)
# The files of a process, and how much a program that means well has of it.
SOURCES = {"maps": MAPPED_BYTES, "cmdline": STARTED_BYTES, "environ": STARTED_BYTES}
_CHILD = "import sys; sys.path.insert(0, sys.argv[1]); from workbench_host import in_use; in_use.answer()"


class UnknownError(Exception):
    """It could not be found out, as when a process has its memory waited for."""


def run_from(folder: Path) -> bool:
    """Whether a process runs from the folder, or may do so."""
    try:
        return bool(holders([folder], ("maps", "cmdline"))[folder])
    except UnknownError:
        return True


def holders(folders: Iterable[Path], sources: Iterable[str] = SOURCES) -> dict[Path, list[int]]:
    """The pids of the processes that run from each of the folders, by these of their files. Raises UnknownError."""
    asked = {str(folder): folder for folder in folders}
    if not asked:
        return {}
    try:
        looking = subprocess.Popen(
            [sys.executable, "-IS", "-c", _CHILD, str(Path(__file__).resolve().parents[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        said, _ = looking.communicate(json.dumps([str(processes.PROCESSES), [*sources], *asked]), SECONDS)
        return {asked[name]: pids for name, pids in json.loads(said).items()}
    except subprocess.TimeoutExpired:
        looking.kill()  # and no more is waited for: it ends when it may
        raise UnknownError(f"what processes run from could not be read within {SECONDS:.0f} s") from None
    except (OSError, ValueError) as error:  # whatever became of it, it has given no whole answer
        raise UnknownError("what processes run from could not be read") from error


def answer() -> None:
    """What the child does: takes folder and files of processes and the folders from its input, says pids for each."""
    root, sources, *folders = json.load(sys.stdin)
    found: dict[str, list[int]] = {folder: [] for folder in folders}
    wanted = {os.fsencode(f"{folder}/"): pids for folder, pids in found.items()}
    for pid in filter(str.isdigit, os.listdir(root)):
        for path in held(Path(root, pid), sources, wanted):
            wanted[path].append(int(pid))
    print(json.dumps(found))


def held(process: Path, sources: Iterable[str], wanted: Collection[bytes]) -> set[bytes]:
    """Those of the paths that a process runs from."""
    return {path for source in sources for path in named(process / source, SOURCES[source], wanted)}


def named(file: Path, most: int, wanted: Collection[bytes]) -> set[bytes]:
    """Those of the paths that a file names: all if it cannot be read or has more than `most` bytes.

    None once the process has ended.
    """
    found, size, piece = set[bytes](), 0, b""
    overlap = max(map(len, wanted))
    try:
        with file.open("rb", PIECE_BYTES) as opened:
            while read := opened.read(PIECE_BYTES):
                size += len(read)
                if size > most:
                    return set(wanted)
                piece = piece[-overlap:] + read
                found.update(path for path in wanted if path in piece)
    except (FileNotFoundError, ProcessLookupError):
        return set()
    except OSError:
        return set(wanted)
    return found
