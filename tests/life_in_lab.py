"""A lab without a configured host, for what is done to a stack's life: kills, lost states, the provider.

    def test_a_killed_up_is_repaired_by_the_next(bare_lab: Lab) -> None:
        with bare_lab.stack() as stack:
            run = stack.begin("workbench", "up", "--yes")
            run.until("aws:ec2:Vpc vpc created")  # or run.after(4)
            run.kill()
            stack.workbench("up", "--yes")
            assert stack.in_account() == stack.in_state()

Nothing of it is in this process's environment, so that the lab with the configured host may live beside it.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.paths import Layout
from tests import account
from tests.account import Held
from tests.workbench_in_lab import lab, write_stack_file
from workbench import stack as stacks
from workbench.stack import ROOT

HOME = ROOT / ".cache" / "test-lab-bare"
STACK = "bare"
UNTIL_SECONDS = 300
BLOCK = 4096
CARRIED_OUT_SECONDS = 0.5  # a call that stood still is at work by then, and all that is asked waits for it


class Run:
    """A command that has been started in a process group of its own, and what it has said so far."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self._began = time.monotonic()
        self._lines: list[str] = []
        self._more = threading.Condition()
        self.command = " ".join(command)
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._more:
                self._lines.append(line)
                self._more.notify_all()
        with self._more:
            self._more.notify_all()

    @property
    def output(self) -> str:
        return "".join(self._lines)

    def until(self, text: str, seconds: float = UNTIL_SECONDS) -> None:
        """Waits for `text` in the output; fails where the command ends first or says nothing of it in time."""
        end = time.monotonic() + seconds
        with self._more:
            while text not in self.output:
                left = end - time.monotonic()
                alive = self._reader.is_alive() and left > 0
                assert alive, f"{self.command} did not say {text!r}:\n{self.output}"
                self._more.wait(min(left, 1))

    def after(self, seconds: float) -> None:
        """Waits until so many seconds after the start, or until the command has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0, self._began + seconds - time.monotonic()))

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal to the whole group, and waits for the end of the command itself.

        Processes in groups of their own (pulumi starts such) go on, with their ends of the output in hand.
        """
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        self.process.wait()

    def end(self, seconds: float = UNTIL_SECONDS) -> int:
        """Waits for the command to end by itself; its exit status."""
        status = self.process.wait(seconds)
        self._reader.join(5)  # to the last word, unless something that it started goes on
        return status


@dataclass(frozen=True)
class Stack:
    """A stack of the bare lab with a stack file, at first not made yet, and the commands that work on it."""

    name: str
    environment: Mapping[str, str]

    def elsewhere(self) -> "Stack":
        """A stack of the same name and file in another state, an empty one: a colleague's, or after a loss."""
        folder = tempfile.mkdtemp(prefix="state-", dir=HOME)
        other = Stack(self.name, {**self.environment, "PULUMI_BACKEND_URL": f"file://{folder}"})
        run = Run(["pulumi", "stack", "init", self.name], other.environment)
        assert run.end() == 0, run.output
        return other

    def begin(self, program: str, *arguments: str) -> Run:
        """Starts `workbench ARGUMENTS` or `pulumi ARGUMENTS` on this stack."""
        command = [sys.executable, "-m", "cli"] if program == "workbench" else [program]
        return Run([*command, *arguments, "--stack", self.name], self.environment)

    def impatient(self, *arguments: str) -> Run:
        """Starts `workbench ARGUMENTS`, which waits a few seconds only for what AWS does with a volume."""
        command = [sys.executable, "-m", "tests.impatient", "4", *arguments]
        return Run([*command, "--stack", self.name], self.environment)

    def killed_at(self, action: str, when: str, *arguments: str) -> Run:
        """`workbench ARGUMENTS`, dead by kill -9 before a call of AWS is done, or after it is and before it is told.

        The call of a provider that outlives its engine is done all the same then, as on AWS.
        """
        with faults(hold={action: when}) as held:
            run = self.begin("workbench", *arguments)
            held(run)
            run.kill()
        time.sleep(CARRIED_OUT_SECONDS)
        return run

    def refused(self, run: Run, *words: str) -> str:
        """What a command said, which has to have failed, in one sentence that has the words."""
        status, said = run.end(), " ".join(run.output.split())
        assert status != 0, said
        assert said.count("error: ") == 1, said
        assert "Traceback" not in said
        for word in words:
            assert word in said, said
        return said

    def workbench(self, *arguments: str, check: bool = True) -> str:
        """What `workbench ARGUMENTS` says; with `check`, fails with all of that where the command fails."""
        return self._ended(self.begin("workbench", *arguments), check)

    def pulumi(self, *arguments: str, check: bool = True) -> str:
        """The same of `pulumi ARGUMENTS`."""
        return self._ended(self.begin("pulumi", *arguments), check)

    @staticmethod
    def _ended(run: Run, check: bool) -> str:
        status = run.end()
        assert status == 0 or not check, f"{run.command} ended with {status}:\n{run.output}"
        return run.output

    def in_state(self) -> Held:
        """What the stack's state has: see tests/account.py."""
        asked = ["pulumi", "stack", "export", "--stack", self.name]
        done = subprocess.run(asked, cwd=ROOT, env=dict(self.environment), capture_output=True, check=True)
        return account.in_state(json.loads(done.stdout)["deployment"])

    def in_account(self) -> Held:
        """What the whole account has."""
        return account.in_account(self.client)

    def client(self, service: str) -> Any:
        """A boto3 client of the account."""
        return account.client(self.environment)(service)


@contextmanager
def faults(home: Path = HOME, **wanted: Any) -> Iterator[Callable[[Run], None]]:
    """Has go wrong in a lab what lab/faults.py knows, a stand-in, for as long as the block lasts.

    What is given waits until a call stands still, where that was wanted, for a command that still runs.
    """
    file = Layout(home).faults
    mark = file.with_name("held")
    mark.unlink(missing_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(wanted))
    fresh.replace(file)

    def held(run: Run) -> None:
        end = time.monotonic() + UNTIL_SECONDS
        while not mark.exists():
            alive = run.process.poll() is None and time.monotonic() < end
            assert alive, f"{run.command} made no call of {wanted['hold']}:\n{run.output}"
            time.sleep(0.05)

    try:
        yield held
    finally:
        file.unlink(missing_ok=True)


def disk_of(volume: str) -> Path:
    """The file that is a volume of the bare lab."""
    return Layout(HOME).volumes / f"{volume}.img"


def content(volume: str) -> str:
    """A digest of all that is on a volume: of each block that is not empty, and where it is."""
    digest, empty = hashlib.sha256(), bytes(BLOCK)
    with disk_of(volume).open("rb") as disk:
        at, size = 0, os.fstat(disk.fileno()).st_size
        while at < size:
            try:
                begin = os.lseek(disk.fileno(), at, os.SEEK_DATA) // BLOCK * BLOCK
            except OSError:  # nothing but a hole until the end
                break
            at = os.lseek(disk.fileno(), begin, os.SEEK_HOLE)
            disk.seek(begin)
            for offset in range(begin, at, BLOCK):
                if (block := disk.read(BLOCK)) != empty:
                    digest.update(b"%d " % offset + block)
    return digest.hexdigest()


@dataclass(frozen=True)
class Lab:
    """The lab, whose account is empty between two stacks."""

    environment: Mapping[str, str]

    @contextmanager
    def stack(self, **settings: Any) -> Iterator[Stack]:
        """A stack in an account that is empty before and afterwards; not configured unless `settings` say so."""
        stacks.forget(STACK)  # what a killed run left
        write_stack_file(STACK, self.environment, **{"configure": False, **settings})
        try:
            yield Stack(STACK, self.environment).elsewhere()
        finally:
            stacks.forget(STACK)
            account.empty(account.client(self.environment))


@contextmanager
def running() -> Iterator[Lab]:
    """The lab, from its start to its end."""
    with lab(HOME) as environment:
        yield Lab({**os.environ, **environment})
