"""One run at a time: a lock on a stack that dies with the process that holds it."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from workbench.errors import WorkbenchError


@contextlib.contextmanager
def stack_lock(path: Path, stack: str) -> Iterator[None]:
    """Hold the lock file `path`; a second holder is refused at once, told who has it and since when."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not inherited by children (PEP 446), so a plugin that outlives its engine does not keep the lock.
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WorkbenchError(
                f"stack {stack} is in use by {_holder(path)}: wait for it to end, or stop it"
            ) from error
        os.ftruncate(handle, 0)
        note = {"pid": os.getpid(), "since": datetime.now().astimezone().isoformat(timespec="seconds")}
        os.write(handle, json.dumps(note).encode())
        yield
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        return f"process {note['pid']} since {note['since']}"
    except (OSError, ValueError, KeyError):  # the holder is just writing it
        return "another process"
