"""What a schedule runs: found when it is added, and judged against the environment that it is to run in."""

import json
import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from workbench_host.schedules.jobs import COMMAND, NOTEBOOK
from workbench_host.team import places
from workbench_host.tools import FailureError

INTERPRETERS = {".py": "python", ".r": "Rscript", ".sh": "bash"}


def judge(words: Sequence[str]) -> tuple[str, tuple[str, ...], int | None]:
    """Kind and words of what is to run, as it is found from any folder, and which of the words is a file.

    Raises FailureError where there is no such.
    """
    first, path = words[0], Path(words[0])
    if path.is_file():
        full, suffix = os.path.abspath(path), path.suffix.lower()
        if suffix == ".ipynb":
            if len(words) > 1:
                raise FailureError(
                    f"a notebook takes no arguments, and {words[1]!r} stands after it; options go first"
                )
            return NOTEBOOK, (full,), 0
        if suffix in INTERPRETERS:
            return COMMAND, (INTERPRETERS[suffix], full, *words[1:]), 1
        if os.access(path, os.X_OK):
            return COMMAND, (full, *words[1:]), 0
        kinds = ", ".join([*INTERPRETERS, ".ipynb"])
        raise FailureError(f"{first} is neither a program nor a file of a kind that can be run ({kinds})")
    if len(words) == 1 and len(first.split()) > 1:
        return COMMAND, ("bash", "-c", first), None
    if shutil.which(first) is None:
        raise FailureError(f"there is neither a file nor a command called {first!r} here")
    return COMMAND, tuple(words), None


def language_of(environment: str) -> str:
    """Python or R. Raises FailureError where there is no such environment."""
    known = environment in places.names() and places.folder_of(environment)
    told = places.marker(known) if known else None
    if told is None:
        there = ", ".join(sorted(places.names())) or "none"
        raise FailureError(f"there is no environment called {environment} here; there are {there}")
    return told.language


def written_in(path: str) -> str | None:
    """Python or R; None for a file that says neither. Of a notebook what its kernel is for."""
    suffix = Path(path).suffix.lower()
    if suffix != ".ipynb":
        return {".py": "Python", ".r": "R"}.get(suffix)
    try:
        of_notebook = json.loads(Path(path).read_text())["metadata"]
        language = of_notebook.get("kernelspec", {}).get("language") or of_notebook["language_info"]["name"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # its run says what is wrong with it
    return {"python": "Python", "r": "R"}.get(str(language).lower(), str(language))


def others_write(words: Sequence[str]) -> str:
    """The file of these that others may write to, or put another in the place of; "" where there is none."""
    for word in words:
        if word.startswith("/") and os.path.isfile(word):
            for place in (word, os.path.dirname(word)):
                found = os.stat(place)
                if found.st_uid not in (0, os.getuid()) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                    return word
    return ""
