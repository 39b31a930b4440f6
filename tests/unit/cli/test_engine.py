"""Runs of the real engine, with a tiny program of the test's in the place of ours."""

import hashlib
import json
import os
import pty
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import psutil
import pulumi
import pytest

from cli import ending, engine, program, repair, statefile
from cli.progress import Progress
from infra import configuration, identity, naming
from infra.configuration import Configuration, ConfigurationArgs
from tests.unit import pulumi_project
from tests.unit.cli.remembering import Remembering
from tests.unit.cli.tiny_program import Thing
from tests.unit.pulumi_project import needs_pulumi
from workbench.errors import WorkbenchError

pytestmark = needs_pulumi
REPOSITORY = Path(__file__).parents[3]
UP = ("up", "--yes", "--skip-preview")


@pytest.fixture
def project(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it for one test; `workbench` takes it for its own."""
    root = tmp_path / "project"
    shutil.copytree(template, root, symlinks=True)
    pulumi_project.enter(root, monkeypatch)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))  # for the plugin
    yield root
    for process in psutil.process_iter():  # what a killed engine left
        try:
            if process.cwd() == str(root):
                process.kill()
        except psutil.Error:
            continue


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], Progress]:
    """Runs `up` with a program."""

    def up(main: Callable[[], None]) -> Progress:
        monkeypatch.setattr(program, "_main", main)
        return engine.run("dev", *UP)

    return up


def log_of(project: Path) -> Path:
    """That of this process, or of the only one that ran."""
    return next((project / ".workbench/dev").glob("pulumi.*.log"))


def state_of(project: Path) -> str:
    return (project / ".pulumi/stacks/tiny/dev.json").read_text()


def begun(project: Path) -> None:
    """Returns once the engine has written down that it creates the thing `server`."""
    for _ in range(300):
        time.sleep(0.1)
        latest = json.loads(state_of(project))["checkpoint"]["latest"]
        if "::server" in json.dumps(latest.get("pending_operations")):
            return
    raise AssertionError("nothing was begun")


def meanwhile(act: Callable[[], None]) -> None:
    threading.Thread(target=act, daemon=True).start()


def test_no_digest_of_the_settings_is_in_the_state_and_one_run_takes_that_of_before_out(
    project: Path, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A weak password among them could be guessed by it."""

    def configured(context: str, before: bool = False) -> dict[str, int]:
        monkeypatch.setattr(configuration, "_Deploy", lambda: Remembering(before))

        def main() -> None:
            args = ConfigurationArgs(pulumi.Output.secret(context), "of the code", "i-1")
            Configuration("configuration", args)

        return run(main).changes

    def known(context: str) -> bool:
        return hashlib.sha256(context.encode()).hexdigest() in state_of(project)

    assert configured("one", before=True)["create"] == 2  # the stack itself as well
    assert known("one"), "as it was"
    assert configured("one") == {"same": 1, "update": 1}
    assert not known("one")
    assert '"contextSha256"' in state_of(project)
    assert configured("one") == {"same": 2}
    assert configured("two") == {"same": 1, "update": 1}
    assert not known("two")
    assert configured("two") == {"same": 2}


def test_the_stacks_id_outlives_a_destroy_for_as_long_as_there_is_data(
    project: Path, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a stack whose restore died: the state has no data volume, which would keep it otherwise."""

    class Data:
        """As Disks: `left` are its volumes."""

        left: ClassVar = ["vol-1"]

        def volumes(self) -> list[str]:
            return self.left

        def snapshots(self) -> list[str]:
            return []

    def main() -> None:
        whole = identity.Workbench(naming.Owner("dev", "0123456789ab"))
        pulumi.ComponentResource(
            "workbench:infra:Server", "server", opts=pulumi.ResourceOptions(parent=whole)
        )
        Thing("thing")

    def destroyed() -> list[str]:
        ending.keep_id("dev", statefile.exported("dev"), Data())
        engine.run("dev", "destroy", "--exclude-protected", "--yes", "--skip-preview", program=False)
        return [one["type"] for one in resources()]

    def resources() -> list[dict[str, object]]:
        return statefile.exported("dev")["deployment"].get("resources") or []

    run(main)
    assert destroyed() == ["pulumi:pulumi:Stack", "workbench:infra:Workbench"]
    assert repair.stack_id(statefile.exported("dev")) == "0123456789ab"
    assert ending.is_over(statefile.exported("dev"), Data())
    run(main)
    assert not [one for one in resources() if one.get("protect")], "as the program has it"
    destroyed()
    monkeypatch.setattr(Data, "left", [])
    assert destroyed() == [], "and `pulumi stack rm` takes the rest"


def test_what_was_done_comes_back_and_the_log_is_its_owners_alone(project: Path, run) -> None:
    (project / "Pulumi.dev.yaml").open("a").write("config:\n  tiny:word: a-word-of-the-settings\n")

    def main() -> None:
        pulumi.ComponentResource("tiny:Thing", "thing")
        pulumi.export("address", "198.51.100.7")

    done = run(main)
    assert done.changes == {"create": 2}
    assert done.outputs == {"address": "198.51.100.7"}
    assert stat.S_IMODE(log_of(project).stat().st_mode) == 0o600
    written = [path for path in project.rglob("*") if path.is_file()]
    assert not [path for path in written if b"preludeEvent" in path.read_bytes()], "it has the settings in it"
    assert "a-word-of-the-settings" not in log_of(project).read_text()


def test_no_other_user_of_the_machine_reaches_what_runs_the_program(project: Path, run) -> None:
    """On loopback anybody could have it run with settings and answers of theirs, with the administrator's rights."""

    def ports() -> set[int]:
        return {c.laddr.port for c in psutil.Process().net_connections("tcp") if c.status == "LISTEN"}

    before = ports()  # of the tests that this process ran before
    listening: list[int | Path] = []

    def main() -> None:
        listening.extend(ports() - before)
        folders = {
            Path(c.laddr).parent
            for c in psutil.Process().net_connections("unix")
            if c.laddr.endswith("/program")
        }
        listening.extend(folder for folder in folders if stat.S_IMODE(folder.stat().st_mode) != 0o700)
        assert folders

    run(main)
    assert listening == []


def test_what_the_program_refuses_is_one_sentence(project: Path, run) -> None:
    def main() -> None:
        raise pulumi.RunError("There is no zone eu-west-1x; choose eu-west-1a.")

    with pytest.raises(engine.RunFailedError) as failed:
        run(main)
    assert str(failed.value).splitlines() == [
        "There is no zone eu-west-1x; choose eu-west-1a.",
        f"All that Pulumi said is in .workbench/dev/pulumi.{os.getpid()}.log.",
    ]
    assert not failed.value.began


def test_a_fault_of_the_program_is_one_sentence_and_its_traceback_is_in_the_log(
    project: Path, run, capsys
) -> None:
    with pytest.raises(engine.RunFailedError) as failed:
        run(lambda: {}["zone"])
    assert str(failed.value).splitlines()[0] == "KeyError: 'zone'"
    shown = "".join(capsys.readouterr()) + str(failed.value)
    assert "Traceback" not in shown
    assert "inline source" not in shown
    assert "Traceback" in log_of(project).read_text()


def test_what_a_provider_raises_has_the_resources_name_in_front(project: Path, run) -> None:
    with pytest.raises(engine.RunFailedError) as failed:
        run(lambda: Thing("server", fault="no such size") and None)
    assert str(failed.value).splitlines()[0] == "Resource server: ValueError: no such size"
    assert failed.value.began


def test_ctrl_c_ends_it_in_order_once_what_was_begun_is_made(project: Path, run) -> None:
    def interrupt() -> None:
        begun(project)
        os.kill(os.getpid(), signal.SIGINT)

    meanwhile(interrupt)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(engine.RunInterruptedError) as stopped:
        run(lambda: Thing("server", seconds=4) and None)
    assert stopped.value.began
    assert signal.getsignal(signal.SIGINT) is before
    assert "::server" in state_of(project)
    assert "pending_operations" not in state_of(project)


def test_a_killed_engine_is_a_sentence_and_the_next_run_removes_its_lock(
    project: Path, run, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill() -> None:
        begun(project)
        for child in psutil.Process().children():
            if "--event-log" in " ".join(child.cmdline()):
                child.kill()

    meanwhile(kill)
    with pytest.raises(engine.RunFailedError, match="ended by SIGKILL; the next run settles what it left"):
        run(lambda: Thing("server", seconds=60) and None)
    assert list(project.glob(".pulumi/locks/organization/tiny/dev/*.json"))
    monkeypatch.setattr("cli.locks._SURVIVORS_SECONDS", 0.5)
    run(lambda: None)
    assert "The last run died and left its lock" in capsys.readouterr().out
    assert not list(project.glob(".pulumi/locks/organization/tiny/dev/*.json"))
    assert not [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(project)]


def test_the_lock_of_a_living_run_stays_and_its_holder_is_named(project: Path, run) -> None:
    lock = project / ".pulumi/locks/organization/tiny/dev/0c1f.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    held = {"pid": os.getpid(), "username": "ada", "hostname": os.uname().nodename, "timestamp": since}
    lock.write_text(json.dumps(held))
    with pytest.raises(
        WorkbenchError, match=rf"locked by another run \(ada@\S+, process {os.getpid()}, since"
    ):
        run(lambda: None)
    assert lock.exists()


AT_A_TERMINAL = """
from pathlib import Path
from tests.unit.cli.remembering import Remembering
from tests.unit.cli.tiny_program import Thing
from workbench import stack
from cli import ending, engine, program, repair, statefile
stack.ROOT = Path.cwd()
program._main = lambda: Thing("server", seconds=4) and None
try:
    engine.run("dev", "up", "--yes", "--skip-preview")
except engine.RunInterruptedError as error:
    print(error)
"""


def test_ctrl_c_at_a_terminal_reaches_the_engine_once(project: Path) -> None:
    ours, theirs = pty.openpty()
    command = ["setsid", "--ctty", "--wait", sys.executable, "-c", AT_A_TERMINAL]
    with subprocess.Popen(command, cwd=project, stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        begun(project)
        os.write(ours, b"\x03")
        said = b""
        try:
            while part := os.read(ours, 4096):
                said += part
        except OSError:  # nobody is left at the terminal
            os.close(ours)
    assert b"It was stopped as you asked" in said
    assert b"Traceback" not in said
    assert "::server" in state_of(project)
    assert "pending_operations" not in state_of(project)
    assert len(re.findall(r"\^C received", log_of(project).read_text())) == 1
