"""The data volume's filesystem stands still for a moment, and always goes on; the kernel and systemd are the tests'.

On the real ones: tests/e2e/test_snapshots.py.
"""

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workbench_host import freeze


class Kernel:
    """What it was asked, and whether the filesystem is frozen."""

    def __init__(self) -> None:
        self.frozen = False
        self.asked: list[str] = []

    def __call__(self, request: int) -> None:
        what = {freeze.FIFREEZE: "freeze", freeze.FITHAW: "thaw"}[request]
        self.asked.append(what)
        if (what == "thaw") != self.frozen:
            raise OSError(errno.EINVAL if what == "thaw" else errno.EBUSY, os.strerror(errno.EINVAL))
        self.frozen = not self.frozen


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(freeze, "ask", made)
    monkeypatch.setattr(freeze, "run", lambda *command: made.asked.append(command[0]))
    monkeypatch.setattr(freeze, "is_mounted", lambda: True)
    monkeypatch.setattr(freeze, "FREEZER", str(tmp_path / "freezer"))
    return made


def stdin(monkeypatch: pytest.MonkeyPatch, *, open_: bool) -> Any:
    """A pipe in the place of standard input, on which something has come already, or nothing ever does."""
    reading, writing = os.pipe()
    if not open_:
        os.close(writing)
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading))
    return writing


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_it_freezes_after_what_was_written_is_on_the_disk_and_goes_on_when_asked(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stdin(monkeypatch, open_=False)  # as where the connection is lost
    assert freeze.main(["--hold", "20"]) == 0
    assert kernel.asked == ["sync", "freeze", "thaw"]
    first, last = told(capsys)
    assert first == {"frozen": True}
    assert last["asked"] is True


def test_it_goes_on_by_itself_when_the_time_is_up(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stdin(monkeypatch, open_=True)
    assert freeze.main(["--hold", "0.1"]) == 0
    assert not kernel.frozen
    assert told(capsys)[-1]["asked"] is False


def test_it_goes_on_where_something_fails_in_between(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # of which select(2) knows nothing
    assert freeze.main(["--hold", "20"]) == 1
    assert kernel.asked == ["sync", "freeze", "thaw"]
    assert not kernel.frozen


def test_what_a_killed_one_left_frozen_is_thawed(kernel: Kernel) -> None:
    kernel.frozen = True
    assert freeze.main(["--thaw"]) == 0
    assert kernel.asked == ["thaw"]
    assert freeze.main(["--thaw"]) == 0, "also where nothing is frozen"


def test_one_that_hangs_while_it_freezes_is_waited_for(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be killed then, and may freeze after the first attempt to thaw: people report machines lost to that."""
    with subprocess.Popen(["sleep", "1000"]) as hanging:
        Path(freeze.FREEZER).write_text(str(hanging.pid))

        def later(seconds: float) -> None:
            kernel.frozen = True

        monkeypatch.setattr(freeze.time, "sleep", later)
        assert freeze.main(["--thaw"]) == 0
        hanging.kill()
    assert kernel.asked == ["thaw", "thaw"]
    assert not kernel.frozen
    assert not Path(freeze.FREEZER).exists()


def test_it_runs_in_a_unit_that_thaws_after_whatever_end(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(freeze.subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["/programs/freeze", "20"])
    assert freeze.main(["20"]) == 0
    (command,) = commands
    assert "ExecStopPost=/programs/freeze --thaw" in command
    assert "RuntimeMaxSec=30" in command
    assert command[-3:] == ["/programs/freeze", "--hold", "20"]
    assert kernel.asked == []


def test_without_a_data_volume_there_is_nothing_to_freeze_and_never_the_root(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(freeze, "ask", kernel)
    monkeypatch.setattr(freeze, "DATA_VOLUME", str(tmp_path))  # a folder of the root's filesystem
    assert freeze.main(["20"]) == 0
    assert told(capsys) == [{"frozen": False}]
    monkeypatch.setattr(freeze, "DATA_VOLUME", "/")
    assert freeze.main(["20"]) == 0
    assert kernel.asked == []


@pytest.mark.parametrize("seconds", ["0", "-3", "61", "nan", "inf"])
def test_a_time_that_is_too_long_or_none_is_refused(
    kernel: Kernel, seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert freeze.main([seconds]) == 1
    assert "is not a time of 1 to 60 seconds" in capsys.readouterr().err
    assert kernel.asked == []
