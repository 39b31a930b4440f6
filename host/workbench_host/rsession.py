"""rsession ARGUMENTS...: what RStudio Server starts for a user, as that user, in the place of its own rsession.

First into the user's slice (session-scope), so that its limits hold; without that no session is started. Then the
version of R: the open-source server knows one only, so a user who wants another of those in /opt/R, or one of the
team's environments, writes its number or name into ~/.config/workbench/r-version, and R's own surroundings are set as
the server sets them for its one. An environment of Python is the one that reticulate takes. Then the PATH, which is the
server's, root's: the session is to find the `python` that terminals find; and TMPDIR, which PAM sets for other
sessions, and the variables of the user manager. Then RStudio's rsession takes this process over.
"""

import grp
import os
import pwd
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from workbench_host import data, managers
from workbench_host.accounts.records import EVERYBODY
from workbench_host.accounts.scratch import SCRATCH
from workbench_host.team import places

SCOPES = "/run/workbench-session-scope.sock"
RSESSION = "/usr/lib/rstudio-server/bin/rsession"
VERSIONS = Path("/opt/R")
PROFILE = Path(
    "/etc/profile.d/workbench-python.sh"
)  # is there as long as terminals have the environment below
PYTHON = "/opt/workbench/python/bin"
CHOICE = ".config/workbench/r-version"  # in a home: the version of R that its owner wants in RStudio
VERSION = re.compile(r"\d+\.\d+\.\d+")
DECLARED = ("R_SHARE_DIR", "R_INCLUDE_DIR", "R_DOC_DIR")  # by the program R itself, a shell script
WAIT_SECONDS = 20


def enter_slice() -> None:
    """Raises OSError where this process was not moved."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(WAIT_SECONDS)
        connection.connect(SCOPES)
        if connection.recv(2) != b"ok":
            raise OSError("it was refused; the journal of workbench-session-scope@ says why")


def choice(home: str) -> str:
    """What the user has chosen, empty where nothing."""
    try:
        return (Path(home) / CHOICE).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def environment(home: str) -> tuple[Path | None, dict[str, str]] | None:
    """Of an environment of the team's that the user has chosen: its R, unless it is the server's own, and variables."""
    name = choice(home)
    folder = (
        places.folder_of(name) if places.OF_ONE.fullmatch(f"{name}-{'0' * 12}") and "/" not in name else None
    )
    told = places.marker(folder) if folder else None
    if folder is None or told is None:
        return None
    if told.language == "Python":
        return None, {"RETICULATE_PYTHON": told.program, "WORKBENCH_ENV": name}
    variables = places.surroundings(name, folder, told, os.environ.get("PATH", os.defpath))
    variables.pop("PATH", None)
    program = Path(told.program)
    return (program if program.is_relative_to(VERSIONS) else None), variables


def chosen(home: str) -> Path | None:
    """The program R of the version that the user has chosen, None for the server's own."""
    version = choice(home)
    if not version:
        return None
    program = VERSIONS / version / "bin" / "R"
    if VERSION.fullmatch(version) and program.exists():
        return program
    print(
        f"~/{CHOICE} says {version[:20]!r}, which is neither in {VERSIONS} nor an environment; R is the host's own.",
        file=sys.stderr,
    )
    return None


def surroundings(program: Path) -> dict[str, str]:
    """The environment variables with which a process is of this R: those that RStudio Server sets for its own."""
    clean = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("R_") and key != "LD_LIBRARY_PATH"
    }
    home = subprocess.run(
        [program, "RHOME"], env=clean, check=True, capture_output=True, text=True
    ).stdout.strip()
    found = dict(re.findall(r"^(R_[A-Z]+_DIR)=(\S+)$", program.read_text(), re.MULTILINE))
    script = '. "$R_HOME/etc/ldpaths" 2> /dev/null; printf %s "$R_LD_LIBRARY_PATH"'
    paths = subprocess.run(
        ["sh", "-c", script], env={**clean, "R_HOME": home}, check=True, capture_output=True, text=True
    )
    libraries = ":".join(filter(None, (f"{home}/lib", paths.stdout)))
    named = {name: found.get(name, f"{home}/{name.split('_')[1].lower()}") for name in DECLARED}
    return {**clean, "R_HOME": home, **named, "LD_LIBRARY_PATH": libraries}


def temporary(name: str) -> dict[str, str]:
    """TMPDIR, unless nothing can be written there: R does not start without, and files could not be deleted either."""
    folder = f"{SCRATCH}/{name}"
    try:
        with tempfile.TemporaryDirectory(dir=folder):
            return {"TMPDIR": folder}
    except OSError as error:
        print(f"{folder} cannot be used ({error.strerror}); temporary files go to /tmp.", file=sys.stderr)
        return {}


def state(home: str) -> dict[str, str]:
    """Where RStudio keeps its sessions, unless nothing can be written there: it does not start without.

    Source: Posit, RStudio's settings (RSTUDIO_DATA_HOME before XDG_DATA_HOME before ~/.local/share), and
    github.com/rstudio/rstudio, issue 8729. What is in the home stays, and is shown again once there is room.
    """
    folder = Path(home) / ".local/share/rstudio"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder):
            return {}
    except OSError as error:
        print(
            f"{folder} cannot be used ({error.strerror}); this session keeps its state in /tmp.",
            file=sys.stderr,
        )
        return {"RSTUDIO_DATA_HOME": tempfile.mkdtemp(prefix="rstudio-", dir="/tmp")}


def start(arguments: Sequence[str]) -> NoReturn:
    """Has RStudio's rsession take this process over."""
    account = pwd.getpwuid(os.getuid())
    of_team = environment(account.pw_dir)
    program = of_team[0] if of_team else chosen(account.pw_dir)
    variables = dict(os.environ)
    if program:
        try:
            variables = surroundings(program)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{program} cannot be used ({error}); R is the host's own.", file=sys.stderr)
    if PROFILE.exists():
        variables["PATH"] = f"{PYTHON}:{variables.get('PATH', os.defpath)}"
    variables |= of_team[1] if of_team else {}
    variables |= temporary(account.pw_name) | state(account.pw_dir) | data.environment()
    variables |= managers.variables(account.pw_name, account.pw_uid)
    os.execve(RSESSION, [RSESSION, *arguments], variables)


def is_user(name: str) -> bool:
    """Whether the account is still one of the workbench: RStudio's cookie outlives it."""
    try:
        return name in grp.getgrnam(EVERYBODY).gr_mem
    except KeyError:
        return False


def main(arguments: Sequence[str]) -> int:
    if not is_user(pwd.getpwuid(os.getuid()).pw_name):
        print("This account is not a user of the workbench any more.", file=sys.stderr)
        return 1
    try:
        enter_slice()
    except OSError as error:
        print(f"No session without its user's limits, and they cannot be had: {error}", file=sys.stderr)
        return 1
    start(arguments)
