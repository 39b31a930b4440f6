"""A connection to the host that is made while pyinfra still starts: OpenSSH's, for the agent alone.

Connecting takes eight round trips and reading the facts about as long as pyinfra needs to come so far that it could
ask. So `workbench deploy` starts the agent itself as soon as it knows the host, and sends it the batch; pyinfra
inherits the agent's input and output. Where nothing changes it never connects by itself. Whatever goes wrong here
costs time only: pyinfra then connects in its own way.
"""

import contextlib
import json
import os
import select
import subprocess
import threading
import time
from collections.abc import Sequence
from shlex import quote
from typing import Any

from connector import session
from connector.session import Question

SHELL = "sh"
LINE = (
    f"sudo -H -n {SHELL} -c {quote(session.command())}"  # as pyinfra has it for what deploy/inventory.py says
)
SETTINGS = {
    "BatchMode": "yes",
    "ControlPath": "none",  # a connection that stands already may have been made to another host
    "GlobalKnownHostsFile": "/dev/null",
    "UpdateHostKeys": "no",
    "ClearAllForwardings": "yes",
    "ServerAliveInterval": "15",  # a connection that is dead is noticed before the agent lets go of the lock
    "ServerAliveCountMax": "3",
}
OPTIONS = ("-T", "-a", "-x", *(f"-o{key}={value}" for key, value in SETTINGS.items()))


class Agent:
    """An agent that may be started: this end of its input and output, for another process to inherit."""

    def __init__(self) -> None:
        taken, self.input = os.pipe()
        self.output, given = os.pipe()
        self._theirs = taken, given
        self._held = [taken, given, self.input, self.output]
        self._asked = 0.0
        self._ssh: subprocess.Popen[bytes] | None = None

    def start(self, ssh: Sequence[str], questions: Sequence[Question]) -> None:
        """Runs the agent by `ssh` (the command line up to the host), asks for the lock, and asks the questions."""
        taken, given = self._theirs
        command = [*ssh[:-1], *OPTIONS, ssh[-1], LINE]
        with contextlib.suppress(OSError):  # no such program
            # In a session of its own: an interrupted deploy ends in order, with the lock held.
            # Without this machine's locale, which ssh would take along: pyinfra's own connection does not either.
            neutral = {key: value for key, value in os.environ.items() if not key.startswith(("LANG", "LC_"))}
            streams: Any = {"stdin": taken, "stdout": given, "stderr": subprocess.DEVNULL}
            self._ssh = subprocess.Popen(command, start_new_session=True, env=neutral, **streams)
            self._asked = time.monotonic()
            said = session.opening(session.me(), session.LOCK) + session.batch(1, questions, SHELL)
            # A pipe may hold less, and ssh reads nothing before it is connected.
            threading.Thread(target=_send, args=(os.dup(self.input), said), daemon=True).start()

    def hand_over(self) -> str | None:
        """Describes it for `AgentStream` in the process that inherited it; None where it was not started.

        This process's own hold on its input and output ends.
        """
        self._release()
        if self._ssh is None:
            return None
        return json.dumps({"input": self.input, "output": self.output, "asked": self._asked})

    def close(self) -> None:
        """Ends it, whoever has it."""
        self._release()
        if self._ssh is not None:
            self._ssh.terminate()
            self._ssh.wait()
            self._ssh = None

    def _release(self) -> None:
        while self._held:
            os.close(self._held.pop())


def _send(descriptor: int, data: bytes) -> None:
    with contextlib.suppress(OSError), os.fdopen(descriptor, "wb") as file:
        file.write(data)


class AgentStream:
    """The agent's standard input and output in the process that inherited them."""

    def __init__(self, description: str) -> None:
        given = json.loads(description)
        self.asked: float = given["asked"]
        self._input: int = given["input"]
        self._output: int = given["output"]
        os.set_blocking(self._output, False)
        self._read = b""
        self._ended = False

    def send(self, data: bytes) -> None:
        if self._ended:
            raise EOFError
        while data:
            data = data[os.write(self._input, data) :]

    def line(self, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        while b"\n" not in self._read and not self._ended:
            if not self._more(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
        line, found, self._read = self._read.partition(b"\n")
        return line + found

    def alive(self) -> bool:
        while not self._ended and self._more(0.0):
            pass
        return not self._ended

    def complaint(self) -> str:
        return ""

    def close(self) -> None:
        if not self._ended:
            self._ended = True
            os.close(self._input)
            os.close(self._output)

    def _more(self, seconds: float) -> bool:
        """Waits for more output, or its end; whether there was any of it."""
        if not select.select([self._output], [], [], seconds)[0]:
            return False
        # gevent lets others go on in between, who may have read it, or closed it.
        if not self._ended:
            with contextlib.suppress(BlockingIOError):
                more = os.read(self._output, 1 << 16)
                self._read += more
                if not more:
                    self.close()
        return True
