"""What the programs share: a failure said in a sentence, a command, a file replaced in one step, a lock."""

import contextlib
import fcntl
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
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
LOCK_SECONDS = 120.0
# Bytes of the path of a folder that is copied: with any name in it, and wherever it is put, that stays below PATH_MAX,
# the 4,096 that Linux takes at once. Users make longer ones step by step, which cp(1) cannot read, nor tar(1) put back.
LONGEST_FOLDER = 3500


def without_password(text: str) -> str:
    """The text, and of each address in it neither user nor password, which may hold an @ as well."""
    return re.sub(r"//[^/\s]*@", "//...@", text)


def printable(text: str) -> str:
    """The lines of a text that strangers wrote, without what a terminal would obey; colours go without a trace."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\t", " ")
    return "\n".join("".join(c if c.isprintable() else "?" for c in line) for line in plain.splitlines())


class FailureError(Exception):
    """Something that a person has to look at; the text says what was found and what would be right.

    What another program said, or the address of a mirror, may have a password in it, which is left out here for all.
    """

    def __init__(self, text: str) -> None:
        super().__init__(without_password(text))


class UsageError(Exception):
    """A command was called in a way that it is not called in."""


def reason(error: Exception) -> str:
    """Why something failed, in words: of what the system refuses without its number, and with the file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def status_of(program: str, do: Callable[[], int]) -> int:
    """The exit status of what a user's command does; why it is not 0 is a sentence on standard error."""
    try:
        return do()
    except UsageError as error:
        print(f"{error}. `{program} --help` says more.", file=sys.stderr)
        return 2
    except (FailureError, OSError) as error:
        said = reason(error)
        print(f"{said[:1].upper()}{said[1:]}.", file=sys.stderr)
        return 1


def run(
    *command: str, okay: tuple[int, ...] = (0,), given: str | None = None, seconds: float | None = None
) -> str:
    """The output of a command, with `given` on its standard input: that is how secrets travel.

    Raises FailureError with what it said where it exits with none of `okay`, and where it has not ended after so many
    `seconds`, which ends it.
    """
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise FailureError(f"`{' '.join(command)}` has not ended within {seconds:g} s") from None
    if done.returncode not in okay:
        said = (done.stderr or done.stdout).strip()
        raise FailureError(f"`{' '.join(command)}` failed with status {done.returncode}: {said}")
    return done.stdout


def apart(cache: Path) -> dict[str, str]:
    """The environment variables with which root builds something: all that is kept for a time is in `cache`.

    Only root may look into it: what others put under a known name is not taken, and nobody holds the lock that uv has
    there. uv goes by no settings but those that it is given, and trusts what the host trusts.
    """
    temporary = cache / "tmp"
    temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
    cache.chmod(0o700)
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


def lock_file(path: str | os.PathLike[str]) -> int:
    """Opens a file to lock, which nobody else can open; one that is there, as of an older program, is closed to others.

    Whoever can open it can hold the lock: flock(2) asks for no right to write.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def close_lock(path: Path) -> None:
    """Makes the file that another program is to lock, such as uv, which itself would let everybody open it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(lock_file(path))


@contextlib.contextmanager
def alone(path: str | os.PathLike[str], seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Holds the lock `path`, for which it waits; raises FailureError where somebody else has it for too long."""
    descriptor = lock_file(path)
    try:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    what = f"{holder(os.fstat(descriptor))} has held {os.fspath(path)} for {seconds:.0f} s"
                    raise FailureError(f"{what}; try again once it is through") from None
                time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def holder(file: os.stat_result) -> str:
    """Who has the lock on a file, as /proc/locks says (proc_locks(5))."""
    at = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5] == at:
                name = Path(f"/proc/{words[4]}/comm").read_text().strip()
                return f"process {words[4]} ({name})"
    return "another run"


def remove_tree(path: str | os.PathLike[str]) -> bool:
    """Removes a folder that users have filled, and nothing that is mounted in it; whether it is gone.

    By rm(1), which goes down to any depth: shutil.rmtree keeps a descriptor for each level, and a process has 1,024.
    """
    command = ("rm", "-rf", "--one-file-system", "--", os.fspath(path))
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return not os.path.lexists(path)


def sync_folder(path: str) -> None:
    """Has what became of a folder's files on the disk: their names, and that they are gone."""
    descriptor = os.open(path or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(path: str | os.PathLike[str]) -> None:
    """Has all of a path's file system on the disk, and of no other: on the data volume it may be gigabytes."""
    run("sync", "--file-system", os.fspath(path))
