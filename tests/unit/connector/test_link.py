"""The stream through a proxy: what it says where it hangs, and how it ends."""

import os
import time
from pathlib import Path

import pytest

from connector import link
from workbench.openssh import Route


def through(script: str) -> Route:
    return Route("203.0.113.9", 22, ("sh", "-c", script), (), None, "jump")


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_proxy_that_complains_and_hangs_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "PROXY_SECONDS", 0.5)
    assert (
        link.silence(through("echo no route to the jump host >&2; sleep 60")) == "no route to the jump host"
    )


def test_a_proxy_that_hangs_without_a_word_is_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "PROXY_SECONDS", 0.2)
    assert link.silence(through("sleep 60")) == "timed out"


@pytest.mark.parametrize("deaf", [True, False])
def test_a_proxy_ends_with_what_it_started_even_if_it_is_deaf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaf: bool
) -> None:
    monkeypatch.setattr(link, "END_SECONDS", 1.0)
    trap = "trap '' TERM; " if deaf else ""
    one = link.Link(through(f"{trap}sleep 60 & echo $! > {tmp_path}/pid; echo $$ >> {tmp_path}/pid; wait"))
    while len(pids := (tmp_path / "pid").read_text().split() if (tmp_path / "pid").exists() else []) < 2:
        time.sleep(0.02)
    began = time.monotonic()
    one.close()
    assert time.monotonic() - began < 5
    for pid in map(int, pids):
        deadline = time.monotonic() + 5
        while lives(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not lives(pid)
        assert pid != os.getpid()
