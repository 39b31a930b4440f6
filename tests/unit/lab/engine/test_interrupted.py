"""Runs that are killed, stopped or started twice: the command as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.lab.engine.conftest import PREAMBLE, Command
from tests.unit.lab.engine.fake_cloud import FakeCloud

Make = Callable[[str], Command]
ROOT = Path(__file__).parents[4]
UP = ("up", "--yes", "--skip-preview")
CHAIN = 'a = Thing("a")\nb = Thing("b", refs=[a.id])\nc = Thing("c", refs=[b.id], value=config.get("v"))\n'


def start(command: Command, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lab.engine", "-C", str(command.folder), *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("number", [0, 1, 2])
def test_after_kill_9_while_something_is_made_the_next_run_makes_the_rest(
    make_project: Make, cloud: FakeCloud, number: int
) -> None:
    command = make_project(PREAMBLE + CHAIN)
    process = start(command, *UP)

    def kill(change: int) -> None:
        if change == number:
            process.kill()
            process.wait()

    cloud.on_change = kill
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    cloud.on_change = None
    # The change went through although nobody was left to hear of it: it is in the cloud and not in the state.
    deadline = time.monotonic() + 10
    while len(cloud.things) <= number and time.monotonic() < deadline:
        time.sleep(0.01)
    out = command.ok(*UP)
    name = "abc"[number]
    assert f"fake:index:Thing ({name}):\n    warning: an earlier run was cut off while creating this" in out
    made = [name for _, name in cloud.log]
    assert sorted(made) == sorted([*"abc", name])  # only that one twice, as the warning says
    assert "warning" not in command.ok(*UP)


def test_after_kill_9_while_something_is_changed_or_deleted_the_next_run_does_it_again(
    make_project: Make, cloud: FakeCloud
) -> None:
    command = make_project(PREAMBLE + CHAIN)
    command.ok(*UP)
    command.ok("config", "set", "v", "2")
    process = start(command, *UP)
    cloud.on_change = lambda _: (process.kill(), process.wait())
    process.communicate(timeout=60)
    cloud.on_change = None
    command.ok(*UP)
    assert cloud.by_name()["c"]["value"] == "2"
    process = start(command, "destroy", "--yes", "--skip-preview")
    cloud.on_change = lambda _: (process.kill(), process.wait())
    process.communicate(timeout=60)
    cloud.on_change = None
    command.ok("destroy", "--yes", "--skip-preview")
    assert cloud.things == {}


def test_ctrl_c_finishes_the_step_that_runs_and_starts_no_other(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + CHAIN)
    process = start(command, *UP)

    def interrupt(change: int) -> None:
        if change == 1:
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)

    cloud.on_change = interrupt
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Stopping after the steps that are under way" in out
    assert "Traceback" not in out
    assert sorted(cloud.things) == ["a-1", "b-2"]
    cloud.on_change = None
    command.ok(*UP)
    assert cloud.log == [("create", "a"), ("create", "b"), ("create", "c")]


def test_a_second_ctrl_c_ends_the_run_at_once_and_the_state_tells_what_was_under_way(
    make_project: Make, cloud: FakeCloud
) -> None:
    command = make_project(PREAMBLE + CHAIN)
    process = start(command, *UP)
    told, leave = threading.Event(), threading.Event()

    def interrupt_twice(_: int) -> None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        told.set()
        leave.wait(30)

    cloud.on_change = interrupt_twice
    out, _ = process.communicate(timeout=20)  # the provider still holds on to its step
    assert told.is_set()
    assert not leave.is_set()
    leave.set()
    assert process.returncode == 130
    assert "Traceback" not in out
    latest = json.loads(command.state.read_text(encoding="utf-8"))["checkpoint"]["latest"]
    assert [item["type"] for item in latest["pending_operations"]] == ["creating"]


def test_a_second_run_is_refused_at_once_and_told_who_holds_the_stack(
    make_project: Make, cloud: FakeCloud
) -> None:
    command = make_project(PREAMBLE + CHAIN)
    entered, leave = threading.Event(), threading.Event()
    cloud.on_change = lambda _: (entered.set(), leave.wait(30))
    process = start(command, *UP)
    assert entered.wait(60)
    for arguments in (UP, ("preview",), ("destroy", "--yes"), ("refresh", "--yes"), ("cancel", "--yes")):
        ran = command(*arguments)
        assert ran.status == 1
        assert f"error: stack dev is in use by process {process.pid} since 20" in ran.err
    cloud.on_change = None
    leave.set()
    process.communicate(timeout=60)
    assert process.returncode == 0
    command.ok("cancel", "--yes")


def test_a_lock_dies_with_its_holder(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + CHAIN)
    process = start(command, *UP)
    cloud.on_change = lambda _: (process.kill(), process.wait())
    process.communicate(timeout=60)
    cloud.on_change = None
    command.ok("cancel", "--yes")
    command.ok("preview")


# A dynamic resource that tells its process id and takes its time.
SLOW = """
import os, pathlib, time
from pulumi.dynamic import CreateResult, Resource, ResourceProvider
class Provider(ResourceProvider):
    def create(self, props):
        pathlib.Path(props["note"]).write_text(str(os.getpid()))
        time.sleep(props["seconds"])
        return CreateResult("slow-1", {})
class Slow(Resource):
    def __init__(self, name, note, seconds):
        super().__init__(Provider(), name, {"note": note, "seconds": seconds})
"""


def start_slow(make_project: Make, seconds: int) -> tuple[Command, subprocess.Popen[str], int]:
    """A run that is busy with a dynamic resource, whose provider has the process id returned."""
    command = make_project(
        f"from slow import Slow\nimport os\nSlow('s', os.path.abspath('pid'), {seconds})\n"
    )
    (command.folder / "slow.py").write_text(SLOW, encoding="utf-8")
    process = start(command, *UP)
    note = command.folder / "pid"
    deadline = time.monotonic() + 60
    while not (note.exists() and note.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return command, process, int(note.read_text())


def test_the_provider_of_dynamic_resources_does_not_outlive_its_engine(make_project: Make) -> None:
    _, process, pid = start_slow(make_project, 60)
    process.kill()
    process.communicate(timeout=10)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_a_terminals_ctrl_c_lets_a_dynamic_resource_finish(make_project: Make) -> None:
    command, process, _ = start_slow(make_project, 2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of the foreground
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "pulumi-python:dynamic:Resource s created" in out
    assert "slow-1" in command.state.read_text(encoding="utf-8")


def test_independent_resources_are_made_at_the_same_time(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'for name in "abcd":\n    Thing(name)\n')
    all_there = threading.Barrier(4)
    cloud.on_create = lambda: all_there.wait(20)  # raises if the four do not come together
    command.ok(*UP)
    assert len(cloud.things) == 4


def test_pending_operations_are_in_the_state_only_while_they_run(
    make_project: Make, cloud: FakeCloud
) -> None:
    command = make_project(PREAMBLE + 'Thing("a")\n')
    seen: list[object] = []

    def look(_: int) -> None:
        latest = json.loads(command.state.read_text(encoding="utf-8"))["checkpoint"]["latest"]
        seen.extend(
            (item["type"], item["resource"]["urn"].split("::")[-1]) for item in latest["pending_operations"]
        )

    cloud.on_change = look
    command.ok(*UP)
    assert seen == [("creating", "a")]
    latest = json.loads(command.state.read_text(encoding="utf-8"))["checkpoint"]["latest"]
    assert latest["pending_operations"] == []
    assert os.listdir(command.state.parent) == ["dev.json"]  # noqa: PTH208 - and no temporary file beside it
