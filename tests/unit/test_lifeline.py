"""Processes whose master is gone end. All of them are real ones."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

REPOSITORY = Path(__file__).parents[2]
ENDS_WITHIN = 10  # seconds, on a busy machine; it is half of one by itself
HELD_TO_PARENT = (
    "from workbench import lifeline; import time; lifeline.hold_to_parent(); print(); time.sleep(60)"
)
HELD_TO_ENGINE = (
    "from workbench import lifeline; import time; lifeline.hold_to_engine(); print(); time.sleep(60)"
)
LISTENS = """
import socket, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1])
time.sleep(60)
"""
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-uc", {HELD_TO_PARENT!r}], stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def start(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-uc", *command],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_child_ends_once_its_parent_was_killed() -> None:
    with start(PARENT) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        time.sleep(1)
        assert child.is_running()
        parent.kill()
    child.wait(ENDS_WITHIN)


def test_what_is_held_to_an_engine_ends_with_its_port_and_not_before() -> None:
    with socket.create_server(("127.0.0.1", 0)) as engine:
        process = start(HELD_TO_ENGINE, f"127.0.0.1:{engine.getsockname()[1]}")
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
    with process:
        assert process.wait(ENDS_WITHIN) == -signal.SIGTERM


def test_an_engine_that_is_stopped_for_a_moment_is_not_gone() -> None:
    with start(LISTENS) as engine:
        assert engine.stdout is not None
        port = engine.stdout.readline().strip()
        os.kill(engine.pid, signal.SIGSTOP)
        with start(HELD_TO_ENGINE, f"127.0.0.1:{port}") as process:
            assert process.stdout is not None
            process.stdout.readline()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1.5)
            engine.kill()
            assert process.wait(ENDS_WITHIN) == -signal.SIGTERM


def test_without_an_engines_address_nothing_is_held() -> None:
    with start(HELD_TO_ENGINE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.kill()
