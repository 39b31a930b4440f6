"""What is read of packages, and the operations that install and remove them."""

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connector import agent
from deploy import apt, docker


def commands(
    monkeypatch: pytest.MonkeyPatch, operation: Any, installed: Sequence[str], **arguments: Any
) -> list[str]:
    class State:
        def get_fact(self, fact: type, packages: Sequence[str]) -> apt.PackageState:
            assert fact is apt.Packages
            return apt.PackageState(frozenset(installed) & frozenset(packages), broken=False)

        def noop(self, _: str) -> None:
            pass

    monkeypatch.setattr(apt, "host", State())
    return [str(command) for command in operation._inner(**arguments)]


def test_a_removal_waits_for_another_apt_and_is_about_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["podman", "podman-docker"]
    (command,) = commands(monkeypatch, apt.remove, ["podman", "curl"], packages=names)
    assert f"DPkg::Lock::Timeout={apt.LOCK_SECONDS}" in command
    assert command.endswith(" remove podman")
    assert commands(monkeypatch, apt.remove, ["curl"], packages=names) == []


def test_no_deploy_leaves_packages_to_pyinfra_which_waits_for_no_lock() -> None:
    for module in Path(docker.__file__).parent.glob("*.py"):
        text = module.read_text()
        assert "from pyinfra.operations import apt" not in text, module
        assert "operations.apt" not in text, module


@pytest.mark.parametrize("waited", [True, False])
def test_what_was_begun_with_counts_as_a_change_once_it_was_waited_for(
    waited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what was read while it was at work would count on."""
    said = ["installed git", *(["waited"] if waited else [])]
    [parted] = apt.Packages.split([{"packages": ["git"]}], said)
    state = apt.Packages().process(list(parted))
    monkeypatch.setattr(apt, "host", SimpleNamespace(get_fact=lambda *_, **__: state))
    assert len(list(apt.install._inner(packages=["git"]))) == waited


def running_with(text: str) -> list[str]:
    """The command lines on this machine that have it in them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text in line:
                found.append(line)
    return found


@pytest.mark.parametrize("fact", [apt.CloudInit().command(), apt.Packages().command(["adduser"])])
def test_after_a_batch_that_ran_out_of_time_nothing_of_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fact: str
) -> None:
    """`timeout` is this machine's; what it waits for (a unit that is at work) is a stand-in."""
    at_work, bin_ = tmp_path / "at-work", tmp_path / "bin"
    at_work.touch()
    bin_.mkdir()
    for name in ("systemctl", "cloud-init"):
        (bin_ / name).write_text("#!/bin/sh\n")
        (bin_ / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
    answers: list[agent.Run] = []
    command = fact.replace(apt.AT_WORK, str(at_work))
    try:
        agent.batch([(command, False)], "sh", 1.0, answers.append)
        assert [run.status for run in answers] == [None]
        deadline = time.monotonic() + 5  # a killed process is there for a moment
        while (left := running_with(str(at_work))) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left == []
    finally:
        at_work.unlink()
