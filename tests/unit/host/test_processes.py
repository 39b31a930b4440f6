"""Who runs what, by this machine's own processes."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from workbench.settings.users import User
from workbench_host import processes

GID = 23456


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"], extra_groups=[GID]) as started:
        yield started
        started.kill()


def test_a_users_processes_are_theirs_and_what_runs_in_their_slice(
    child: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert child.pid in processes.of(os.getuid())
    assert child.pid not in processes.of(23456)
    for pid, slice_ in (("11", "user-23456.slice"), ("12", "user-2345.slice")):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cgroup").write_text(f"0::/user.slice/{slice_}/session-1.scope\n")
    (tmp_path / "13").mkdir()  # has just ended
    monkeypatch.setattr(processes, "PROCESSES", tmp_path)
    assert processes.of(23456) == [11]


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a process further groups")
def test_a_process_keeps_the_groups_that_it_was_started_with(child: subprocess.Popen[bytes]) -> None:
    assert processes.members({GID, 1}) == {os.getuid()}
    assert processes.members({GID + 1}) == set()


def test_settings_take_the_uids_that_the_host_counts_as_users() -> None:
    """workbench/ knows nothing of the host's programs, so it spells the range again."""
    at_least, at_most = processes.USER_UIDS.start, processes.USER_UIDS.stop - 1
    for uid, is_right in ((at_least - 1, False), (at_least, True), (at_most, True), (at_most + 1, False)):
        with contextlib.nullcontext() if is_right else pytest.raises(ValidationError):
            User.model_validate({"name": "ada", "uid": uid})
