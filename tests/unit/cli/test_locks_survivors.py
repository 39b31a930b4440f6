"""What a dead run's engine left at work is ended. The processes are real ones."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli import locks


def test_an_odd_command_line_of_somebody_elses_stops_no_run(tmp_path: Path) -> None:
    odd = [sys.executable, "-c", "import time; time.sleep(60)", "pulumi.dynamic", "127.0.0.1:²"]
    with subprocess.Popen(odd, cwd=tmp_path) as process:
        try:
            assert not locks._outlived_its_engine(psutil.Process(process.pid), tmp_path)
        finally:
            process.kill()


class Plugin:
    """A stand-in for a plugin: a process that looks like one, has an engine's address, and has started another."""

    CODE = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"

    def __init__(self, folder: Path, engine: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.CODE, "pulumi.dynamic", engine],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.child = psutil.Process(int(self.process.stdout.readline()))

    def lives(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        with self.process:
            self.process.kill()
        if self.child.is_running():
            self.child.kill()


@pytest.fixture
def closed() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def engine() -> Iterator[str]:
    """An address where somebody does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_what_a_dead_engine_left_at_work_on_this_project_is_killed_and_nothing_else(
    tmp_path: Path, closed: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, elsewhere = tmp_path / "ours", tmp_path / "elsewhere"
    ours.mkdir()
    elsewhere.mkdir()
    monkeypatch.setattr(locks, "_SURVIVORS_SECONDS", 0.2)
    left, busy, others = Plugin(ours, closed), Plugin(ours, engine), Plugin(elsewhere, closed)
    try:
        locks.end_survivors(ours)
        left.process.wait(5)
        left.child.wait(5)
        assert busy.lives()
        assert others.lives()
    finally:
        for plugin in (left, busy, others):
            plugin.end()


def test_what_ends_by_itself_is_waited_for(
    tmp_path: Path, closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil.Process, "kill", lambda self: pytest.fail("killed, although it was ending"))
    ending = [sys.executable, "-c", "import time; time.sleep(1)", "pulumi.dynamic", closed]
    with subprocess.Popen(ending, cwd=tmp_path) as process:
        locks.end_survivors(tmp_path)
        assert process.poll() == 0
