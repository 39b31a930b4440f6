"""This machine's end of the conversation with connector/agent.py, over any stream of bytes."""

import base64
import getpass
import hashlib
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Protocol

AGENT = Path(__file__).parent / "agent.py"
LOCK = "/run/workbench/deploy.lock"
BATCH_SECONDS = 20.0  # what takes longer is asked alone; a busy host needs some seconds for them all


class Stream(Protocol):
    """The agent's standard input and output."""

    def send(self, data: bytes) -> None:
        """Writes all of it. Raises OSError or EOFError where the agent is gone."""

    def line(self, seconds: float) -> bytes:
        """The next line, with its end where it is whole; b"" where the agent is gone. Raises TimeoutError."""

    def alive(self) -> bool:
        """Whether the agent is still there, as far as is known here."""

    def complaint(self) -> str:
        """The last line that came from its standard error; "" where there is none."""

    def close(self) -> None:
        """Lets the agent know that this end goes."""


@dataclass(frozen=True)
class Part:
    """A fact that is read together with others: its own command, and its arguments as JSON has them."""

    command: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Question:
    """A command of the batch: a fact's, or one that reads all of its `parts`.

    One that is `first` is through before any other of a batch begins.
    """

    command: str
    first: bool = False
    parts: tuple[Part, ...] = ()

    @property
    def answers(self) -> tuple[str, ...]:
        """The facts' commands that need not be run where it is answered."""
        return tuple(part.command for part in self.parts) or (self.command,)


@dataclass(frozen=True)
class Answer:
    """What a command said: its exit status, and the lines of its two outputs, without their ends."""

    status: int
    out: tuple[str, ...]
    err: tuple[str, ...]


class AgentError(Exception):
    """The agent is gone, or does not say what it should."""


class LockedError(Exception):
    """Somebody else deploys to this host; the text says who."""


@cache
def source() -> bytes:
    """The agent's program."""
    return AGENT.read_bytes()


def command() -> str:
    """The shell command that starts the agent: it reads its program from standard input, and then listens there.

    The program is not part of the command line, which sudo writes to the journal.
    """
    size = len(source())
    reader = (
        f"import os; read = b''\n"
        f"while len(read) < {size}: read += os.read(0, {size} - len(read)) or exit(1)\n"
        "exec(compile(read, 'agent', 'exec'))"
    )
    return f'exec env PYTHONCOERCECLOCALE=0 /usr/bin/python3 -sSP -c "{reader}"'


def opening(who: str, lock: str = LOCK) -> bytes:
    """What the agent is sent first: its program, and the request for the lock."""
    return source() + _line({"lock": lock, "who": who})


def batch(number: int, questions: Sequence[Question], shell: str, seconds: float = BATCH_SECONDS) -> bytes:
    """The request for the answers; the first batch that an agent is sent has number 1."""
    listed = [[question.command, question.first] for question in questions]
    return _line({"batch": listed, "number": number, "shell": shell, "seconds": seconds})


def me() -> str:
    """Who holds a lock, for others to read."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{getpass.getuser()} on {platform.node()} (process {os.getpid()}, since {now} UTC)"


class Session:
    """The lock of one host, and questions asked under it. Requests may be sent before earlier ones are answered."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._number = 0
        self._expected: dict[str, str] = {}

    def open(self, who: str, lock: str = LOCK) -> None:
        """Sends for the lock; whether it is had, `held` says. Raises AgentError."""
        self._send(opening(who, lock))

    def held(self, seconds: float) -> None:
        """Returns once the lock is held. Raises LockedError, or AgentError after so many seconds."""
        said = self._reply(seconds)
        if not said.get("held"):
            raise LockedError(str(said.get("by")))

    def ask(self, questions: Sequence[Question], shell: str, seconds: float = BATCH_SECONDS) -> None:
        """Sends for the answers; `answer` has one after the other. Raises AgentError."""
        self.expect(questions)
        self._send(batch(self._number, questions, shell, seconds))

    def expect(self, questions: Sequence[Question]) -> None:
        """The next batch is about these, and it has been sent."""
        self._number += 1
        self._expected = {digest(question.command): question.command for question in questions}

    def answer(self, seconds: float) -> tuple[str, Answer | None] | None:
        """The next command of the last batch that is through, and what it said; None where that was the last.

        What was cut, failed or is no text has no answer. Raises AgentError after so many seconds, or where the reply
        is not what the agent sent.
        """
        deadline = time.monotonic() + seconds
        while True:
            said = self._reply(max(0.0, deadline - time.monotonic()))
            if said.get("batch") != self._number:
                continue  # of a batch that is of no interest any more
            if said.get("end"):
                return None
            given = said.get("answer")
            if not isinstance(given, dict) or digest(json.dumps(given)) != said.get("sha256"):
                raise AgentError("the host's answer is damaged")
            if given["sha256"] in self._expected:
                return self._expected[given["sha256"]], answer_of(given)

    def beat(self) -> None:
        """Gives a sign of life. Where the agent is gone, `alive` says so afterwards."""
        try:
            self._send(_line({}))
        except AgentError:
            self.close()

    def alive(self) -> bool:
        """Whether the lock is held, as far as is known here."""
        return self._stream.alive()

    def close(self) -> None:
        """Lets go of the lock."""
        self._stream.close()

    def _send(self, data: bytes) -> None:
        try:
            self._stream.send(data)
        except (OSError, EOFError) as error:
            raise AgentError(self._stream.complaint() or str(error)) from error

    def _reply(self, seconds: float) -> dict[str, Any]:
        try:
            line = self._stream.line(seconds)
        except TimeoutError:
            raise AgentError(f"the host said nothing for {seconds:.0f} s") from None
        except OSError as error:
            raise AgentError(str(error)) from error
        if not line:
            raise AgentError(self._stream.complaint() or "the connection ended")
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise AgentError("the host's reply is cut or damaged")
        return said


def digest(text: str) -> str:
    """Its sha256, as the agent has it."""
    return hashlib.sha256(text.encode()).hexdigest()


def answer_of(given: dict[str, Any]) -> Answer | None:
    """The answer, as far as it may be used."""
    if given["status"] != 0:
        return None  # it is asked again: it may do better alone, and pyinfra shows what it says
    out, err = _lines(given["out"]), _lines(given["err"])
    return None if out is None or err is None else Answer(0, out, err)


def _lines(data: str) -> tuple[str, ...] | None:
    """Lines as pyinfra makes them of a channel's output; None where it is no text, which it takes in its own way."""
    try:
        text = base64.b64decode(data).decode()
    except UnicodeDecodeError:
        return None
    lines = text.split("\n")
    return tuple(lines[:-1] if not lines[-1] else lines)


def _line(request: object) -> bytes:
    return json.dumps(request).encode() + b"\n"
