"""What the programs share: a failure said in a sentence, a command, a file replaced in one step."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

DATA_VOLUME = "/srv/workbench"  # where the data volume is mounted, with all that outlives the server
CONFIG = "/etc/workbench"  # what the deploy tells the programs
PROXIES = "caddy"  # the group that may open the sockets of services and of users' servers
# How a program is asked what it would do: `--check` changes nothing. It exits with CLEAN, or with WOULD_CHANGE and, as
# far as it can say, a line for each thing on standard output. Any other status is that it cannot be done or said; the
# reason is on standard output where the settings are to blame. With GIVEN it is about what is on standard input, in
# place of the file that says what is wanted. No line has a secret in it.
CLEAN, WOULD_CHANGE = 0, 3
GIVEN = "--given"


class FailureError(Exception):
    """Something that a person has to look at; the text says what was found and what would be right."""


def reason(error: Exception) -> str:
    """Why something failed, in words: of what the system refuses without its number, and with the file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def run(*command: str, okay: tuple[int, ...] = (0,), given: str | None = None) -> str:
    """The output of a command, with `given` on its standard input: that is how secrets travel.

    Raises FailureError with what it said where it exits with none of `okay`.
    """
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode not in okay:
        said = (done.stderr or done.stdout).strip()
        raise FailureError(f"`{' '.join(command)}` failed with status {done.returncode}: {said}")
    return done.stdout


def apart(cache: Path) -> dict[str, str]:
    """The environment variables with which root builds something: all that is kept for a time is in `cache`.

    Only root may write there: what others put under a known name is not taken. uv goes by no settings but those that it
    is given, and trusts what the host trusts.
    """
    temporary = cache / "tmp"
    temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        **os.environ,
        "HOME": str(cache),
        "TMPDIR": str(temporary),
        "NODE_DISABLE_COMPILE_CACHE": "1",
        "UV_CACHE_DIR": str(cache / "uv"),
        "UV_NO_CONFIG": "1",
        "UV_SYSTEM_CERTS": "1",
    }


def wanted(path: Path | str, arguments: Sequence[str]) -> str:
    """The text of the file that says what is wanted, or of the one that is to come."""
    return sys.stdin.read() if GIVEN in arguments else Path(path).read_text()


def write(path: str | os.PathLike[str], content: str | bytes, mode: int = 0o644) -> None:
    """Replaces a file in one step; it has its mode from the first byte and is on the disk afterwards.

    The new one is made beside it under a hidden name, so that programs that read all files of a folder pass it by.
    """
    folder, name = os.path.split(os.fspath(path))
    new = os.path.join(folder, f".{name}.new")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(descriptor)
    os.replace(new, path)
    sync_folder(folder)


def sync_folder(path: str) -> None:
    """Has what became of a folder's files on the disk: their names, and that they are gone."""
    descriptor = os.open(path or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
