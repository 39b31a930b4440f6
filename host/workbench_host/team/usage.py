"""Who uses which environment: by the files that processes have mapped, and by what they were started with.

An R whose packages are all plain R code has none of its environment's files mapped; it says so by R_LIBS.
"""

import os
import pwd
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from workbench_host import processes
from workbench_host.processes import MEMORY_SECONDS

SOURCES = ("cmdline", "maps", "environ")


class UnknownError(Exception):
    """It could not be found out in time, since a process had its memory waited for."""


def used(roots: Iterable[Path]) -> dict[Path, Counter[int]]:
    """Folders NAME-DIGEST below `roots` that processes run from, with how many of each uid's do.

    Raises UnknownError.
    """
    pattern = "|".join(re.escape(str(root)) for root in roots)
    files = [str(path / source) for path in processes.PROCESSES.glob("[0-9]*") for source in SOURCES]
    command = ["grep", "--text", "--no-messages", "--only-matching", "--with-filename"]
    command += ["--extended-regexp", f"({pattern})/[a-z][a-z0-9_-]*-[0-9a-f]{{12}}/", *files]
    looking = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace"
    )
    try:
        said, _ = looking.communicate(timeout=MEMORY_SECONDS)
    except subprocess.TimeoutExpired:
        looking.kill()  # and no more is waited for: it ends when it may
        raise UnknownError(
            f"what processes have mapped could not be read within {MEMORY_SECONDS:.0f} s"
        ) from None
    found: dict[Path, set[int]] = {}
    for line in said.splitlines():
        file, _, folder = line.partition(":")
        pid = Path(file).parent.name
        if pid.isdigit() and folder.startswith("/"):
            found.setdefault(Path(folder.rstrip("/")), set()).add(int(pid))
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
