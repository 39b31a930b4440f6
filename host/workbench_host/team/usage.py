"""Who uses which environment."""

import os
import pwd
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from workbench_host import in_use, processes
from workbench_host.team.places import OF_ONE


def used(roots: Iterable[Path]) -> dict[Path, Counter[int]]:
    """Folders NAME-DIGEST below `roots` that processes run from, with how many of each uid's do.

    Raises in_use.UnknownError.
    """
    folders = [
        path for root in roots if root.is_dir() for path in root.iterdir() if OF_ONE.fullmatch(path.name)
    ]
    return {folder: Counter(_uids(pids)) for folder, pids in in_use.holders(folders).items() if pids}


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
