"""Where environments are on the host, and what one tells of itself."""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench_host.tools import CONFIG, write

ROOT = Path("/opt/environments")
WANTED = Path(CONFIG) / "environments.json"
MARKER = ".complete"
KERNEL = "env-{}"  # the kernel of an environment, which no other can have the name of
# Those in the place of the default environments have their kernels: Python's is replaced, R's finds the library by
# Renviron.site. The link is the one that people's PATH has (deploy/python.py).
PYTHON, R = "python", "r"
DEFAULT_KERNEL, DEFAULT_TITLE = "python3", "Python 3 (data science)"
DEFAULT_LINK = Path("/opt/workbench/python")
OF_ONE = re.compile(r"(.+)-([0-9a-f]{12})")


@dataclass(frozen=True)
class Wanted:
    """An environment as the settings want it; `lock` is the text that it is installed from.

    `setting` is its key, for people who have to change something.
    """

    name: str
    language: str  # Python or R
    version: str
    digest: str
    lock: str
    setting: str

    @property
    def folder(self) -> Path:
        return ROOT / f"{self.name}-{self.digest}"


@dataclass(frozen=True)
class Marker:
    """What an environment that is whole says of itself; `program` is its Python's or R's."""

    name: str
    language: str
    version: str
    program: str
    packages: int


def kernel_of(name: str) -> str | None:
    """What the kernel of an environment is called, None for R's default: its kernel is Debian's R's."""
    return None if name == R else DEFAULT_KERNEL if name == PYTHON else KERNEL.format(name)


def folder_of(name: str) -> Path | None:
    """The folder that is in use of an environment, None where there is none."""
    link = ROOT / name
    return ROOT / os.readlink(link) if link.is_symlink() else None


def folders(name: str | None = None) -> list[Path]:
    """All folders of environments, or of one: whole or not."""
    try:
        found = [path for path in ROOT.iterdir() if not path.is_symlink()]
    except FileNotFoundError:
        return []
    matches = ((path, OF_ONE.fullmatch(path.name)) for path in found)
    return sorted(path for path, match in matches if match and name in (None, match[1]))


def names() -> set[str]:
    """The names of all that have a folder or a link."""
    links = {path.name for path in ROOT.iterdir() if path.is_symlink()} if ROOT.exists() else set()
    matches = (OF_ONE.fullmatch(path.name) for path in folders())
    return {match[1] for match in matches if match} | {name for name in links if not name.startswith(".")}


def marker(folder: Path) -> Marker | None:
    """What the environment says of itself, None where it is not whole.

    The marker counts only from who owns all of them, root: what builds one could write there too.
    """
    try:
        if (folder / MARKER).lstat().st_uid != ROOT.stat().st_uid:
            return None
        return Marker(**json.loads((folder / MARKER).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def mark(folder: Path, told: Marker) -> None:
    """The environment is whole from here on."""
    write(folder / MARKER, json.dumps(asdict(told)))


def described(name: str, folder: Path, told: Marker) -> dict[str, Any]:
    """Its kernel, as Jupyter reads it. It names the folder, not the link: what is open stays what it is."""
    title = DEFAULT_TITLE if name == PYTHON else f"{name} ({told.language} {told.version})"
    if told.language == "Python":
        return {
            "argv": [
                told.program,
                "-Xfrozen_modules=off",
                "-m",
                "ipykernel_launcher",
                "-f",
                "{connection_file}",
            ],
            "env": surroundings(name, folder, told, "${PATH}"),
            "display_name": title,
            "language": "python",
            "metadata": {"debugger": True},
        }
    return {
        "argv": [told.program, "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"],
        "env": surroundings(name, folder, told, "${PATH}"),
        "display_name": title,
        "language": "R",
    }


def surroundings(name: str, folder: Path, told: Marker, path: str) -> dict[str, str]:
    """The environment variables with which programs find it; `path` is the PATH of before.

    In R the packages that a user adds go into a library for this environment alone: those of their own that other
    projects need would stand before the locked ones.
    """
    if told.language == "Python":
        return {"PATH": f"{folder}/bin:{path}", "VIRTUAL_ENV": str(folder), "WORKBENCH_ENV": name}
    of_the_host = told.program.startswith("/usr/bin/")  # which is on the PATH, in its place
    return {
        **({} if of_the_host else {"PATH": f"{os.path.dirname(told.program)}:{path}"}),
        "R_LIBS": f"{folder}/library",
        "R_LIBS_USER": f"~/R/environments/{name}-{told.version}",
        "WORKBENCH_ENV": name,
    }
