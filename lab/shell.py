"""Running the commands of this machine: always from a list, always with a time limit, never silently wrong."""

import contextlib
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import WorkbenchError


@dataclass
class CommandFailed(WorkbenchError):  # noqa: N818
    """A command that was expected to work did not."""

    argv: Sequence[str]
    status: int
    output: str

    def __str__(self) -> str:
        lines = [line for line in self.output.strip().splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else "it said nothing"
        # The options can be long; the command and what it said are what one needs.
        return f"`{' '.join(self.argv[:3])} ...` ended with status {self.status}: {reason}"


def attempt(
    argv: Sequence[str], timeout: float = 60, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it and give back status and both outputs as text; a command that is missing or too slow raises."""
    try:
        return subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL if stdin is None else None,
        )
    except FileNotFoundError:
        raise CommandFailed(argv, 127, f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise CommandFailed(argv, 124, f"no answer within {timeout:.0f} s") from None


def run(argv: Sequence[str], timeout: float = 60, stdin: str | None = None) -> str:
    """Run it and give back what it printed; raises CommandFailed unless it ended with status 0."""
    done = attempt(argv, timeout, stdin)
    if done.returncode != 0:
        raise CommandFailed(argv, done.returncode, done.stderr or done.stdout)
    return done.stdout


def wait_for_orphans(leader: int, seconds: float = 30) -> None:
    """Wait until what a killed process had started (in its process group) has ended, within reason.

    A podman that its daemon no longer waits for still makes or removes its container.
    """
    end = time.monotonic() + seconds
    while leader and time.monotonic() < end:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(leader, os.WNOHANG)  # ours to bury, if we started it
        if Path(f"/proc/{leader}").exists():
            return  # buried by nobody, or the number is somebody else's by now
        try:
            os.killpg(leader, 0)
        except OSError:
            return
        time.sleep(0.1)
