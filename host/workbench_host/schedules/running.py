"""A run of a schedule, as systemd starts it in the user's own manager: what it says is kept in a file, not the journal.

Of one schedule there is one run at a time: systemd starts no unit that runs, and a lock on the folder keeps out who
calls this by hand. What it puts out is kept up to a size, the begin and the end of it.
"""

import contextlib
import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench_host.data import renewed
from workbench_host.schedules import LONGEST, MAIL_SOCKET, SETTINGS, jobs
from workbench_host.schedules.jobs import Job
from workbench_host.team import places
from workbench_host.tools import FailureError, reason

HEAD_BYTES, TAIL_BYTES = 4 * 1024**2, 1024**2  # of what a run says
MAILED_BYTES = 4000
END_SECONDS = 5.0  # for what runs to end by itself
MAIL_SECONDS = 10.0
RESTART_SECONDS = 15.0  # in which the mailer is there again; systemd tries every 10
# JupyterHub's environment has what executes notebooks; kernels are found as in JupyterLab.
NOTEBOOKS = Path("/opt/workbench/jupyterhub/bin/python")
EXECUTE = Path(__file__).parents[2] / "workbench_hub" / "execute.py"
OK, RUNNING = "ok", "running"


class EndedError(Exception):
    """systemd has asked this run to end."""


@dataclass
class Log:
    """What a run says, in a file; once that is full, the last of it is written when it ends.

    What cannot be kept, as where its user's disk is full, does not keep what runs from running.
    """

    path: Path
    written: int = 0
    left_out: int = 0
    trouble: str = ""
    tail: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.file: int | None = None
        with self.kept():
            self.file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Within it something is written of the run; why that failed is its trouble."""
        try:
            yield
        except OSError as error:
            self.trouble = self.trouble or f"not all of it could be kept: {reason(error)}"

    def judged(self, result: str) -> str:
        """A result, with what of it could not be kept."""
        return f"{result}; {self.trouble}" if self.trouble else result

    def take(self, data: bytes) -> None:
        room = max(0, HEAD_BYTES - self.written)
        self._put(data[:room])
        self.written += len(data[:room])
        self.left_out += len(data[room:])
        self.tail += data
        del self.tail[:-TAIL_BYTES]

    def end(self, line: str) -> None:
        if self.left_out:
            rest = bytes(self.tail[-min(self.left_out, TAIL_BYTES) :])
            if self.left_out > len(rest):
                self._put(f"\n[{self.left_out - len(rest)} bytes are left out]\n".encode())
            self._put(rest)
        self._put(f"\n[{line}]\n".encode())
        if self.file is not None:
            os.close(self.file)

    def _put(self, data: bytes) -> None:
        with self.kept():
            while data and self.file is not None:
                data = data[os.write(self.file, data) :]


def command(job: Job, output: Path) -> list[str]:
    """What a run starts. Raises FailureError where its environment, or what executes notebooks, is not there."""
    if job.environment and not (places.ROOT / job.environment).is_symlink():
        raise FailureError(f"there is no environment called {job.environment} any more")
    if job.kind == jobs.NOTEBOOK:
        if not NOTEBOOKS.exists():
            raise FailureError(
                "notebooks are executed by JupyterHub's environment, and JupyterHub is off here"
            )
        kernel = (places.kernel_of(job.environment) or "ir") if job.environment else ""
        return [str(NOTEBOOKS), "-I", str(EXECUTE), job.words[0], str(output), kernel]
    return [*(("workbench-env", job.environment) if job.environment else ()), *job.words]


def _end(number: int, _: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise EndedError


def follow(words: list[str], folder: str, log: Log) -> str:
    """Runs it; what became of it, in words.

    The user's systemd began when it did: whether there is data in S3 is as it is now.
    """
    try:
        child = subprocess.Popen(
            words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**renewed(os.environ), "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    except OSError as error:
        return f"could not be started: {reason(error)}"
    assert child.stdout
    try:
        while data := os.read(child.stdout.fileno(), 65536):
            log.take(data)
        status = child.wait()
    except EndedError:
        child.terminate()
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
        return f"was ended: the server stopped, somebody stopped it, or it took longer than {LONGEST}"
    if status < 0:
        return f"failed: ended by {signal.Signals(-status).name}"
    return OK if status == 0 else f"failed with status {status}"


def mail(told: Mapping[str, Any]) -> str:
    """Hands it to the service that mails it to the user's own address; what that says.

    Where it begins anew just now, as after a deploy that changed an address, or has too many callers, it is
    waited for. One that ended before its answer is told again: rather two mails than none.
    """
    try:
        if not json.loads(Path(SETTINGS).read_text()).get("mail"):
            return ""  # nothing is mailed from here
        until = time.monotonic() + RESTART_SECONDS
        while True:
            try:
                return _said(json.dumps(told).encode())
            except (FileNotFoundError, ConnectionError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)
    except (OSError, ValueError) as error:
        return f"not mailed: {reason(error)}"


def _said(told: bytes) -> str:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(MAIL_SECONDS)
        line.connect(MAIL_SOCKET)
        line.sendall(told)
        line.shutdown(socket.SHUT_WR)
        if not (answer := line.recv(400)):
            raise ConnectionResetError(errno.ECONNRESET, "the service that mails gave no answer")
        return answer.decode(errors="replace")


def is_mailed(job: Job, before: str, result: str) -> bool:
    """Failures, and that it is well again; with `--mail` each run."""
    return job.mail or result != OK or before not in ("", OK, RUNNING)


def stem(place: Path) -> str:
    """The name of a run that has no file yet: when it begins."""
    base = time.strftime("%Y-%m-%dT%H%M%S")
    later = (f"{base}-{number}" for number in range(2, 1000))
    return next(one for one in (base, *later) if not list(place.glob(f"{one}.*")))


@contextlib.contextmanager
def alone(name: str) -> Iterator[Path]:
    """The schedule's folder, held by this run. Raises FailureError where another one has it."""
    place = jobs.folder(name)
    held = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield place
    except BlockingIOError:
        raise FailureError(f"{name} runs already") from None
    finally:
        os.close(held)


def once(name: str) -> int:
    """One run; 0 where it went well. Raises FailureError where it cannot begin."""
    job = jobs.load(name)
    with alone(name) as place:
        before = jobs.last(name).get("result", "")
        signal.signal(signal.SIGTERM, _end)
        began, run = time.monotonic(), stem(place)
        log, output = Log(place / f"{run}.log"), place / f"{run}.ipynb"
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        told = {"result": RUNNING, "began": now, "log": log.path.name}
        told |= {"notebook": output.name} if job.kind == jobs.NOTEBOOK else {}
        with log.kept():
            jobs.note(name, told)
        try:
            result = follow(command(job, output), job.folder, log)
        except FailureError as error:
            result = f"failed: {error}"
        seconds = round(time.monotonic() - began)
        log.end(f"{name}: {result}, {seconds} s")
        with log.kept():
            jobs.prune(name)  # first: on a full disk it makes the room
        with log.kept():
            jobs.note(name, {**told, "result": log.judged(result), "took": f"{seconds} s"})
    whole = log.judged(result)
    if log.trouble:
        print(f"{name}: {whole}.", file=sys.stderr)
    if is_mailed(job, before, whole):
        last = bytes(log.tail[-MAILED_BYTES:]).decode(errors="replace")
        said = mail({"name": name, "result": whole, "seconds": seconds, "last": last})
        print(f"{name}: {said}." if said else "", end="\n" if said else "")
    return 0 if result == OK else 1
