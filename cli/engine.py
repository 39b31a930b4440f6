"""Pulumi's engine: the `pulumi` command, with the program of this project in this process.

So the program is imported once however often it runs, ends when this process does, and what it raises is a sentence
here. What the engine prints goes to a log. What it does is told by its events, which come through a pipe, never a
file: the settings in them have password hashes.
"""

import itertools
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import psutil

from cli import importing, locks, loudness
from cli.common import console
from cli.progress import Progress
from connector import configure
from workbench import stack as stacks
from workbench.errors import WorkbenchError

_HEARD = "^C received"  # what the engine says once it ends in order
_HEARS_WITHIN = 2.0  # seconds
_GENERIC = re.compile(
    r"^(resource .*)?(update|preview|destroy|refresh) failed$|^(\S+ urn:.*: )?\d+ errors? occurred:?$"
)
_TRIMMINGS = re.compile(
    r"^(\* |error: |python inline source runtime error: |(rpc error: )?code = \S+ desc = |"
    r"Exception calling application: |sdk-v2/provider2\.go:\d+: sdk\.helper_schema: )+"
    # what the AWS provider's own libraries add (pulumi-terraform-bridge, aws-sdk-go-v2)
    r"|operation error [\w ]+: \w+, https response error StatusCode: \d+, RequestID: [\w-]*, (api error )?"
    r"|: provider=\w+@[\w.-]+$"
)
_TRACEBACK = "Traceback (most recent call last):\n"
_CLASS = re.compile(r"^([\w.]+\.\w+|Exception): ")  # of an exception that is not one of Python's own


class RunFailedError(WorkbenchError):
    """It failed. `began`: whether anything had been changed, or may have been."""

    def __init__(self, said: str, began: bool) -> None:
        super().__init__(said)
        self.began = began


class RunInterruptedError(RunFailedError):
    """Somebody pressed Ctrl-C, and the engine ended in order."""


def run(
    stack: str, *operation: str, program: bool = True, shown: bool = False, silent: bool = False
) -> Progress:
    """Runs `pulumi OPERATION` on a stack and gives back what it did; the lock of a run that died does not stop it.

    `program`: whether the operation runs ours. `shown`: whether people read the engine's own words, as of a preview.
    `silent`: whether nothing is said of each step, as where the caller says it in words of its own.
    Raises RunFailedError with the reason and the log's name, RunInterruptedError where somebody stopped it, and
    WorkbenchError where another run holds the stack.
    """
    log = _log(stack)
    try:
        return _run(stack, operation, program, shown, log, silent)
    except RunFailedError:
        held = locks.holders(log.read_text(errors="replace"))
        if not held:
            raise
    locks.clear(stack, held)
    return _run(stack, operation, program, shown, _log(stack), silent)


def _run(
    stack: str, operation: Sequence[str], program: bool, shown: bool, log: Path, silent: bool
) -> Progress:
    progress = Progress(quiet=shown or silent)
    configuring = log.with_name(configure.LOG)  # where the deploy of the last step writes
    with _serving(program) as client, log.open("ab") as file, loudness.telling(log, configuring):
        command = ["pulumi", *operation, "--non-interactive", "--color=never", "--stack", stack, *client]
        status = _follow(command, file, log, progress)
    if status == 0:
        if shown:
            print(log.read_text(errors="replace"), end="", flush=True)
        return progress
    if _HEARD in log.read_text(errors="replace"):
        raise RunInterruptedError(
            "It was stopped as you asked. What was done stands, and the next run goes on from there.",
            progress.began,
        )
    if status < 0:
        said = f"Pulumi was ended by {signal.Signals(-status).name}; the next run settles what it left."
    else:
        said = reason(progress.errors, log)
    raise RunFailedError(
        f"{said}\nAll that Pulumi said is in {log.relative_to(stacks.ROOT)}.", progress.began
    )


def _log(stack: str) -> Path:
    """The log of this run, for its owner alone; those of runs before are gone, but for one that still goes on."""
    folder = stacks.state_folder(stack)
    for former in folder.glob("pulumi.*.log"):
        pid = int(former.name.split(".")[1])
        if pid == os.getpid() or not psutil.pid_exists(pid):
            former.unlink(missing_ok=True)
    path = folder / f"pulumi.{os.getpid()}.log"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return path


@contextmanager
def _serving(program: bool) -> Iterator[list[str]]:
    """What the engine has to be told to run the program here; nothing where it runs none."""
    if not program:
        yield []
        return
    importing.begin()
    inline = importing.begun(importing.PROTOCOL).result().Inline()
    import grpc
    from pulumi.runtime.proto import language_pb2_grpc

    limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(4), options=limits)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(inline, server)
    # In a folder of this user's alone: whoever reaches it has the program run with settings and answers of theirs.
    with TemporaryDirectory(prefix="workbench-") as folder:
        address = f"unix://{folder}/program"
        server.add_insecure_port(address)
        server.start()
        try:
            yield [f"--client={address}", "--exec-kind=auto.inline"]
        finally:
            server.stop(0)


def _follow(command: list[str], output: IO[bytes], log: Path, progress: Progress) -> int:
    """Runs the command and shows its events; gives back its exit status."""
    stacks.require_pulumi()
    reading, writing = os.pipe()
    environment = {**os.environ, "PULUMI_DEBUG_COMMANDS": "true"}  # without which there is no --event-log
    process = subprocess.Popen(
        [*command, f"--event-log=/dev/fd/{writing}"],
        cwd=stacks.ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=[writing],
    )
    os.close(writing)
    with _passing_interrupts_on(process, log):
        progress.follow(os.fdopen(reading, "rb"), lambda: process.poll() is None)
        return process.wait()


@contextmanager
def _passing_interrupts_on(process: subprocess.Popen[bytes], log: Path) -> Iterator[None]:
    """Ctrl-C is the engine's: once ends it in order. A terminal tells it too; told twice, it would end at once."""

    def pass_on() -> None:
        if process.poll() is None and _HEARD not in log.read_text(errors="replace"):
            process.send_signal(signal.SIGINT)

    def say() -> None:
        console.print("  Stopping once what is under way has ended; Ctrl-C again stops at once ...")

    def take(*_: Any) -> None:
        # By a thread: a signal can come in the middle of a print, and Python refuses another one inside of that.
        threading.Thread(target=say, daemon=True).start()
        timer = threading.Timer(_HEARS_WITHIN, pass_on)
        timer.daemon = True
        timer.start()

    before = signal.signal(signal.SIGINT, take)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def reason(errors: Sequence[tuple[str, str]], log: Path) -> str:
    """Why a run failed, in one sentence: the first error that says something, else the last that was printed."""
    for what, message in errors:
        if said := plain(message):
            return f"{what}: {said}" if what else said
    *_, printed = re.split(r"(?m)^error: ", log.read_text(errors="replace"))
    return plain(printed) or "Pulumi ended without a word."


def plain(message: str) -> str:
    """An error of the engine, a provider or the program without traceback and trimmings; "" where nothing is left."""
    _, raised, frames = message.rpartition(_TRACEBACK)
    lines = frames.splitlines()
    if raised:  # what was raised stands behind the frames, which are indented
        lines = list(itertools.dropwhile(lambda line: line.startswith(" "), lines))
        lines[:1] = [_CLASS.sub("", line) for line in lines[:1]]
    lines = [_TRIMMINGS.sub("", line.strip()) for line in lines]
    return "\n".join(line for line in lines if line and not _GENERIC.match(line))
