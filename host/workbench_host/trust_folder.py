"""trust-folder [FOLDER]: says that what lies in FOLDER (by default the working directory) may run as whoever says so.

Notebooks, R and Python run nothing by themselves that lies in a folder which others may write to: .Rprofile, modules
beside a notebook, a saved workspace. git uses no repository of somebody else, whose hooks and settings it would run.
This adds the folder, with all that is in it, to ~/.config/workbench/trusted, and to git's own list (safe.directory).
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LIST = Path(".config") / "workbench" / "trusted"  # in a home; templates/trust and templates/r read it


def add(folder: str, home: Path) -> None:
    """Adds the folder to the list, unless it is there."""
    path = home / LIST
    lines = path.read_text(errors="surrogateescape").splitlines() if path.exists() else []
    if folder not in lines:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in [*lines, folder]), errors="surrogateescape")


def add_to_git(folder: str) -> None:
    """Adds the folder and the repositories in it to git's list, unless they are there."""
    asked = ["git", "config", "--global", "--get-all", "safe.directory"]
    there = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines()
    for value in (folder, f"{folder}/*"):
        if value not in there:
            subprocess.run(["git", "config", "--global", "--add", "safe.directory", value], check=True)


def main(arguments: Sequence[str]) -> int:
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print("usage: trust-folder [FOLDER]", file=sys.stderr)
        return 2
    folder = os.path.realpath(arguments[0] if arguments else os.getcwd())
    if not os.path.isdir(folder) or folder == "/" or "\n" in folder:
        print(f"{folder} is no folder that could be trusted.", file=sys.stderr)
        return 1
    try:
        add(folder, Path.home())
        add_to_git(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{folder} could not be noted as trusted: {error}.", file=sys.stderr)
        return 1
    print(
        f"What lies in {folder} runs as you from now on, whoever put it there. ~/{LIST} lists all such folders."
    )
    return 0
