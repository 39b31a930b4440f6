"""What runs on the host while a deploy is connected: it holds the lock, and answers many facts at once.

Its source is sent to the host's Python (3.11 or newer, standard library only) through the channel's standard input.
After it come requests, and to standard output go replies, each a line of JSON; `Session` is the other end.

- {"lock": path, "who": text} -> {"held": true}, or {"held": false, "by": text} and the end.
- {"batch": [[command, first], ...], "number": n, "shell": path, "seconds": s} -> for each command that was run, as soon
  as it is through, {"batch": n, "answer": ..., "sha256": digest of the answer as JSON}, and at last {"batch": n, "end":
  true}. An answer is {"sha256": of its command, "status", "out", "err"} (output in base64), or its `status` is null: it
  ran out of time, was killed, or said more than `LIMIT`. Commands that are `first` run before all others, one after the
  other, and must all end in time.
- {} -> nothing: a sign of life. Where none comes for `SILENCE` seconds, the other end is taken for dead.

The lock is flock(2)'s on an open file, which the kernel drops with this process however it ends: at the end of standard
input (the connection is gone, sshd has noticed), or after the silence (it is gone, and nobody could notice).
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

SILENCE = 90.0  # seconds
LOCK_WAIT = 3.0  # seconds; what held the lock may be ending just now
LIMIT = 1 << 20  # bytes; who says more is asked alone
# Set for this program, so that Python does not change the locale (PEP 538) which the commands are to find.
OURS = "PYTHONCOERCECLOCALE"


def lock(path: str, who: str, wait: float = LOCK_WAIT) -> str | None:
    """Takes the lock; gives back None, or who has it."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    # It stays open as long as this lives.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # Whoever can open it can hold it, so that root alone may; one of an older deploy's, too.
    os.fchmod(descriptor, 0o600)
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                return os.pread(descriptor, 4096, 0).decode(errors="replace") or "somebody"
            time.sleep(0.1)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, who.encode(), 0)
    return None


class Run:
    """One command of a batch, in a process group of its own so that all of it can be ended."""

    def __init__(self, command: str, shell: str) -> None:
        self.command, self.shell = command, shell
        self.process: subprocess.Popen[bytes] | None = None
        self.status: int | None = None
        self.out = self.err = b""

    def run(self) -> None:
        out, err = os.memfd_create("out", os.MFD_CLOEXEC), os.memfd_create("err", os.MFD_CLOEXEC)
        try:
            self.process = subprocess.Popen(
                [self.shell, "-c", self.command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={name: value for name, value in os.environ.items() if name != OURS},
                start_new_session=True,
            )
            status = self.process.wait()
            sizes = os.fstat(out).st_size, os.fstat(err).st_size
            if status >= 0 and sum(sizes) <= LIMIT:  # below 0: a signal ended it
                self.status = status
                self.out, self.err = os.pread(out, sizes[0], 0), os.pread(err, sizes[1], 0)
        finally:
            os.close(out)
            os.close(err)

    def end(self) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def answer(self) -> dict[str, object]:
        return {
            "sha256": hashlib.sha256(self.command.encode()).hexdigest(),
            "status": self.status,
            "out": base64.b64encode(self.out).decode(),
            "err": base64.b64encode(self.err).decode(),
        }


def batch(commands: list[tuple[str, bool]], shell: str, seconds: float, said: Callable[[Run], None]) -> None:
    """Runs the commands, in their order as far as they are begun, and hands on each that is through."""
    deadline = time.monotonic() + seconds
    runs = [Run(command, shell) for command, _ in commands]
    before = [run for run, (_, first) in zip(runs, commands, strict=True) if first]
    work(before, 1, deadline, said)
    if all(run.status is not None for run in before):
        work([run for run in runs if run not in before], 2 * (os.cpu_count() or 1), deadline, said)


def work(runs: list[Run], hands: int, deadline: float, said: Callable[[Run], None]) -> None:
    """Runs them all, `hands` at once, and ends what is not through at the deadline."""
    left, guard = list(reversed(runs)), threading.Lock()

    def hand() -> None:
        while time.monotonic() < deadline:
            with guard:
                if not left:
                    return
                run = left.pop()
            run.run()
            with guard:
                try:
                    said(run)
                except OSError:  # nobody is listening any more
                    left.clear()

    threads = [threading.Thread(target=hand) for _ in range(min(hands, len(runs)))]
    for thread in threads:
        thread.start()
    while alive := [thread for thread in threads if thread.is_alive()]:
        if time.monotonic() < deadline and not is_alone():
            alive[0].join(0.1)
            continue
        with guard:
            left.clear()
        for run in runs:  # again and again, since a hand may just be starting one
            run.end()
        alive[0].join(0.05)


def is_alone() -> bool:
    """Whether the other end is gone: the lock is to end with it."""
    poll = select.poll()
    poll.register(0, select.POLLRDHUP)
    return any(event & (select.POLLHUP | select.POLLRDHUP) for _, event in poll.poll(0))


def requests(descriptor: int) -> Iterator[dict[str, Any]]:
    """The requests, until the other end is gone or silent."""
    data = b""
    while True:
        line, found, rest = data.partition(b"\n")
        if found:
            data = rest
            yield json.loads(line)
            continue
        if not select.select([descriptor], [], [], SILENCE)[0]:
            return
        more = os.read(descriptor, 1 << 16)
        if not more:
            return
        data += more


def say(reply: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


def main() -> None:
    for request in requests(0):
        if "lock" in request:
            by = lock(request["lock"], request["who"])
            say({"held": by is None, "by": by})
            if by is not None:
                return
        elif "batch" in request:
            answered(request)


def answered(request: dict[str, Any]) -> None:
    number = request["number"]

    def said(run: Run) -> None:
        answer = run.answer()
        digest = hashlib.sha256(json.dumps(answer).encode()).hexdigest()
        say({"batch": number, "answer": answer, "sha256": digest})

    batch(request["batch"], request["shell"], request["seconds"], said)
    say({"batch": number, "end": True})


if __name__ == "__main__":
    main()
