"""Who uses which environment: by the files that processes have mapped, and by what they were started with.

An R whose packages are all plain R code has none of its environment's files mapped; it says so by R_LIBS.
"""

import os
import pwd
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from workbench_host import processes
from workbench_host.processes import MEMORY_SECONDS
from workbench_host.team.places import OF_ONE

SOURCES = ("cmdline", "maps", "environ")
SORT_BYTES = 8 * 1024**2


class UnknownError(Exception):
    """It could not be found out in time, since a process had its memory waited for."""


def used(roots: Iterable[Path]) -> dict[Path, Counter[int]]:
    """Folders NAME-DIGEST below `roots` that processes run from, with how many of each uid's do.

    Raises UnknownError.
    """
    folders = [
        str(path) for root in roots if root.is_dir() for path in root.iterdir() if OF_ONE.fullmatch(path.name)
    ]
    if not folders:
        return {}
    files = [str(path / source) for path in processes.PROCESSES.glob("[0-9]*") for source in SOURCES]
    search = ["grep", "--text", "--no-messages", "--only-matching", "--with-filename", "--fixed-strings"]
    search += [f"--regexp={folder}/" for folder in folders]
    # Whoever has a process writes as much of its command line as they like: of a gigabyte of it few lines differ.
    looking = subprocess.Popen([*search, *files], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    sorting = subprocess.Popen(
        ["sort", "-u", f"-S{SORT_BYTES}b"], stdin=looking.stdout, stdout=subprocess.PIPE, text=True
    )
    try:
        said, _ = sorting.communicate(timeout=MEMORY_SECONDS)
    except subprocess.TimeoutExpired:
        for one in (looking, sorting):
            one.kill()  # and no more is waited for: it ends when it may
        raise UnknownError(
            f"what processes have mapped could not be read within {MEMORY_SECONDS:.0f} s"
        ) from None
    found: dict[Path, set[int]] = {}
    for line in said.splitlines():
        file, _, folder = line.partition(":")
        found.setdefault(Path(folder.rstrip("/")), set()).add(int(Path(file).parent.name))
    return {folder: Counter(_uids(pids)) for folder, pids in found.items()}


def _uids(pids: Iterable[int]) -> list[int]:
    uids = []
    for pid in pids:
        try:
            uids.append((processes.PROCESSES / str(pid)).stat().st_uid)
        except OSError:
            continue
    return uids


def name_of(uid: int) -> str:
    """The user's name, or the number of one that is no more."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def links(root: Path, name: str) -> str | None:
    """What the link of an environment leads to."""
    link = root / name
    return os.readlink(link) if link.is_symlink() else None
