"""A stand-in for a host: a folder of this machine, reached by pyinfra's own local connector, stock or remembering.

What stands in is the transport alone: shells of this machine in place of an SSH connection. The agent, the session,
the memory and the rules of what may be answered are the real ones; tests/deploy/test_connector.py has them over SSH.
"""

import json
import subprocess
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from shlex import quote
from typing import Any, ClassVar

from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.config import Config
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.facts import FactBase
from pyinfra.api.inventory import Inventory
from pyinfra.api.operation import operation
from pyinfra.api.operations import run_ops
from pyinfra.api.state import State, StateStage
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.util import CommandOutput
from pyinfra.context import ctx_host, ctx_state, host

from connector.remembering import MEMORY, Remembering
from connector.session import Stream

Distort = Callable[[Iterator[bytes]], Iterator[bytes]]


class PipeStream:
    """The agent as a process of this machine; `distort` may change its replies, each a line."""

    def __init__(self, line: str, distort: Distort = iter) -> None:
        self.process = subprocess.Popen(
            ["sh", "-c", line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._lines: Queue[bytes] = Queue()
        self._distort = distort
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self._distort(iter(self.process.stdout)):
            self._lines.put(line)
        self._lines.put(b"")

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def line(self, seconds: float) -> bytes:
        try:
            return self._lines.get(timeout=seconds)
        except Empty:
            raise TimeoutError from None

    def alive(self) -> bool:
        return self.process.poll() is None

    def complaint(self) -> str:
        return ""

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


class Stock(LocalConnector):
    """pyinfra's own connector; it notes what it runs."""

    run: ClassVar[list[str]] = []

    def run_shell_command(self, command: Any, *args: Any, **kwargs: Any) -> tuple[bool, CommandOutput]:
        self.run.append(str(command))
        return super().run_shell_command(command, *args, **kwargs)


class Ours(Remembering, Stock):
    """The connector under test."""

    distort: ClassVar[Distort] = staticmethod(iter)

    def _start_agent(self, line: str) -> Stream:
        return PipeStream(line, type(self).distort)


class Says(FactBase[list[str]]):
    """The lines that a shell command says."""

    def command(self, line: str) -> str:
        return line

    def process(self, output: list[str]) -> list[str]:
        return output

    @staticmethod
    def default() -> list[str]:
        return []


@operation()
def note(line: str, dest: str) -> Generator[StringCommand, None, None]:
    """Writes the lines that the fact `line` says to `dest`, as JSON, where that says something else."""
    said = json.dumps(host.get_fact(Says, line=line))
    if host.get_fact(Says, line=f"cat {quote(dest)} 2>/dev/null || true") != [said]:
        yield StringCommand(f"cat > {quote(dest)}", _stdin=[said])


@operation()
def shell(line: str) -> Generator[StringCommand, None, None]:
    """Runs a command."""
    yield StringCommand(line)


@operation()
def python(function: Callable[[], None]) -> Generator[FunctionCommand, None, None]:
    """Runs a function of this machine, which nobody can see through."""
    yield FunctionCommand(lambda *_: function(), (), {})


@dataclass
class Run:
    """How a run went: operations that did something, commands run in the ordinary way, and whether all succeeded."""

    changes: int
    commands: list[str] = field(default_factory=list)
    failed: bool = False


def run(deploy: Callable[[], object], connector: type[Stock], **data: Any) -> Run:
    """One run of pyinfra over operations that `deploy` adds."""
    inventory = Inventory((["@local"], {}), override_data=data)
    target = inventory.get_host("@local")
    target.connector_cls = connector
    state = State(inventory, Config(), check_for_changes=False)
    connector.run.clear()
    failed = False
    with ctx_state.use(state):
        try:
            state.set_stage(StateStage.Connect)
            connect_all(state)
            state.set_stage(StateStage.Prepare)
            with ctx_host.use(target):
                deploy()
            state.set_stage(StateStage.Execute)
            run_ops(state)
            state.set_stage(StateStage.Disconnect)
        except Exception as error:
            if str(error) != "No hosts remaining!":
                raise
            failed = True
        finally:
            disconnect_all(state)
    metas = [data.operation_meta for data in state.ops[target].values()]
    changes = sum(meta.is_complete() and meta.did_change() for meta in metas)
    return Run(changes, list(connector.run), failed)


def remembering(folder: Path) -> dict[str, str]:
    """The host's data that makes the connector remember."""
    return {MEMORY: str(folder / "facts.json")}
