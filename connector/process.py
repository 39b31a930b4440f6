"""pyinfra as a process of its own, which imports its modules while others find out what it is to do.

The one takes a second or two, and so does the other. Both ends of it are here, and import little: the process is begun
before anything else (cli/__init__.py).
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from connector.prefetch import Agent
from connector.session import Question
from workbench import lifeline

CLOSED = -1  # in place of a descriptor
# Numbers of open files: a pipe to the process, one from it.
ORDER, EVENTS = "WORKBENCH_ORDER", "WORKBENCH_EVENTS"
AGENT = "WORKBENCH_AGENT"  # how the agent is taken over that was started ahead
TIDY_SECONDS = 5
SIZE = 12  # digits of the length that an order begins with


@dataclass(frozen=True)
class Order:
    """pyinfra's arguments, its whole environment, and the file that it is to write to in place of its output."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: str


class Process:
    """A pyinfra that has begun, and waits for its order."""

    def __init__(self, folder: Path) -> None:
        """Begins it in this folder."""
        self._agent = Agent()
        given, self._giving = os.pipe()
        self._telling, told = os.pipe()
        self.further = f"/dev/fd/{given}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "connector"],
            cwd=folder,
            env={**os.environ, ORDER: str(given), EVENTS: str(told)},
            stdin=subprocess.DEVNULL,
            pass_fds=[given, told, self._agent.input, self._agent.output],
        )
        os.close(given)
        os.close(told)

    def reach(self, ssh: Sequence[str], questions: Sequence[Question]) -> None:
        """Has the host read the answers to `questions` already, by an agent that the process takes over."""
        self._agent.start(ssh, questions)

    def leave(self) -> None:
        """The agent that was started is not wanted."""
        self._agent.close()

    def order(self, order: Order, further: str) -> None:
        """Lets it begin its work, in which it may read the text `further` in the file of that name: on no disk."""
        agent = self._agent.hand_over()
        environment = {key: value for key, value in order.environment.items() if key != AGENT}
        environment |= {AGENT: agent} if agent else {}
        data = json.dumps(asdict(replace(order, environment=environment)))
        # Where it has ended already, its log says why.
        with contextlib.suppress(BrokenPipeError), os.fdopen(self._giving, "w") as file:
            self._giving = CLOSED
            file.write(f"{len(data.encode()):{SIZE}}{data}{further}")

    def events(self) -> Iterator[str]:
        """The lines that it writes to the file EVENTS, until it ends."""
        with os.fdopen(self._telling) as file:
            self._telling = CLOSED
            yield from file

    def wait(self) -> int:
        """Its exit status."""
        return self._process.wait()

    def stop(self) -> None:
        """Ends it where it has not ended; one that is at work and was interrupted too is left some time to tidy up."""
        if self._giving == CLOSED:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(TIDY_SECONDS)
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        self._agent.close()
        for descriptor in (self._giving, self._telling):
            if descriptor != CLOSED:
                os.close(descriptor)
        self._giving = self._telling = CLOSED


_prestarted: list[Process] = []


def prestart(folder: Path) -> None:
    """Begins a process that `take` will give out."""
    _prestarted.append(Process(folder))


def take(folder: Path) -> Process:
    """The process that was begun ahead, or one that begins now."""
    return _prestarted.pop() if _prestarted else Process(folder)


def stop_prestarted() -> None:
    """Ends what was begun ahead and not taken."""
    while _prestarted:
        _prestarted.pop().stop()


def obey() -> None:
    """The other end: waits for the order and makes it this process's own. Ends the process where there comes none."""
    lifeline.hold_to_parent()
    number = int(os.environ[ORDER])
    size = _read(number, SIZE)
    data = _read(number, int(size)) if size else b""
    if not data:
        sys.exit(0)  # who began it does not want it, or is no more
    order = Order(**json.loads(data))
    events = os.environ[EVENTS]
    os.environ.clear()
    os.environ.update({**order.environment, EVENTS: events})
    log = os.open(order.log, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(log, output)
    os.close(log)
    sys.argv[1:] = order.arguments
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _read(number: int, size: int) -> bytes:
    """So many bytes, and none that come after; nothing where the file ends before."""
    read = b""
    while len(read) < size:
        more = os.read(number, size - len(read))
        if not more:
            return b""
        read += more
    return read
