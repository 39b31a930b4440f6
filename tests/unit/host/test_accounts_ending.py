"""The end of what a user runs, by processes of this machine; systemd is a stand-in that only notes what it is told."""

import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench_host import managers, processes
from workbench_host.accounts import ending
from workbench_host.tools import FailureError

UID, GID = (
    50000 + os.getpid() % 9000,
    23457,
)  # others may run these tests beside us, and all of a user is killed
SLICE = f"user-{UID}.slice"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
)

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root may run something as somebody else")


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class Host:
    """`comes` is what the user starts once systemd has been told to end the slice: a process in these groups."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[Any]] = []
        self.calls: list[list[str]] = []
        self.comes: list[list[int]] = []

    def start(self, *groups: int) -> subprocess.Popen[str]:
        """Returns once it ignores SIGTERM."""
        started = subprocess.Popen(
            ["/usr/bin/python3", "-IS", "-c", STUBBORN],
            user=UID,
            group=UID,
            extra_groups=groups,
            cwd="/",
            stdout=subprocess.PIPE,
            text=True,
        )
        assert started.stdout
        started.stdout.readline()
        self.started.append(started)
        return started

    def run(self, command: list[str], **how: Any) -> None:
        if "user" in how:
            subprocess.run(command, **how)  # what only the user's own processes hear
            return
        self.calls.append(command)
        if command[:2] == ["systemctl", "stop"]:
            for groups in self.comes:
                self.start(*groups)

    def alive(self) -> list[bool]:
        return [one.poll() is None for one in self.started]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    host = Host()
    stand_in = type("Subprocess", (), {"run": staticmethod(host.run)})
    monkeypatch.setattr(ending, "subprocess", stand_in)
    monkeypatch.setattr(managers, "run", lambda *command, **_: host.run([*command]))
    monkeypatch.setattr(ending, "GRACE_SECONDS", 0.6)
    monkeypatch.setattr(ending, "LINGERING", tmp_path)
    monkeypatch.setattr(ending, "CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(ending, "fields", lambda _: iter([["lab", "x", str(GID)], ["wind", "x", "1"]]))
    owners = processes.owners

    def without_zombies() -> Iterator[tuple[int, int]]:
        """As systemd has it: what has ended is gone, also what was forked here and left to this machine's init."""
        host.alive()
        return ((pid, uid) for pid, uid in owners() if not is_zombie(pid))

    monkeypatch.setattr(processes, "owners", without_zombies)
    yield host
    for one in host.started:
        one.kill()
        one.wait()


def test_all_that_keeps_a_group_ends_and_who_came_in_since_too(host: Host) -> None:
    host.start(GID)
    host.start()  # of before: what it runs as root, by sudo, is in no group
    host.comes = [[], [GID]]
    ending.renew_sessions("ana", (UID, frozenset({"lab"})))
    assert host.alive() == [False] * 4
    stop, kill = host.calls[0], host.calls[-1]
    assert stop == ["systemctl", "stop", "--no-block", SLICE]
    assert kill == ["systemctl", "kill", "--kill-whom=all", "--signal=SIGKILL", SLICE]
    assert {tuple(call) for call in host.calls} == {tuple(stop), tuple(kill)}, "lingering stays as it is"


def test_who_comes_in_again_and_again_is_not_waited_for(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has begun since has the groups of today."""
    host.start(GID)
    look = processes.left

    def left(*asked: Any) -> list[int]:
        host.start()
        return look(*asked)

    monkeypatch.setattr(processes, "left", left)
    ending.renew_sessions("ana", (UID, frozenset({"lab"})))
    assert len(host.started) < 10
    assert not any(host.alive())


@pytest.mark.parametrize("does", ["0", "os.kill(-1, signal.SIGSTOP)"], ids=["nothing", "stops who kills it"])
def test_what_forks_and_ends_before_it_is_seen_ends_too(host: Host, does: str) -> None:
    """Each of these processes is there for a millisecond or two; all have the pipe, whose end tells of theirs."""
    forks = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"while os.fork() == 0 or os._exit(0): time.sleep(0.001); {does}"
    )
    reading, writing = os.pipe()
    command = ["/usr/bin/python3", "-IS", "-c", forks]
    first = subprocess.Popen(command, user=UID, group=UID, extra_groups=[GID], pass_fds=[writing], cwd="/")
    host.started.append(first)  # may be stopped before it ends
    os.close(writing)
    try:
        assert not select.select([reading], [], [], 0.3)[0], "they fork"
        ending.renew_sessions("ana", (UID, frozenset({"lab"})))
        assert select.select([reading], [], [], 5)[0], "they still fork"
    finally:
        os.close(reading)


def test_of_a_closed_account_all_ends(host: Host) -> None:
    host.start()
    host.comes = [[]]
    ending.end_sessions("ana", UID)
    assert host.alive() == [False, False]
    assert host.calls[0] == ["loginctl", "disable-linger", "ana"]


def test_ids_for_containers_are_killed_with_the_users_control_group(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's file is a stand-in, which only keeps what is written."""
    kill = tmp_path / "user.slice" / SLICE / "cgroup.kill"
    kill.parent.mkdir(parents=True)
    kill.write_text("")
    ending.renew_sessions("ana", (UID, frozenset({"lab"})))
    assert kill.read_text() == "1"
    assert host.calls == [["systemctl", "stop", "--no-block", SLICE]], (
        "systemd is asked for what the kernel lacks"
    )


def test_what_does_not_end_is_a_failure(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.start(GID)
    monkeypatch.setattr(ending, "_kill", lambda *_: None)
    monkeypatch.setattr(ending, "_kill_all", lambda _: None)
    with pytest.raises(FailureError, match="processes of ana do not end, even when killed"):
        ending.renew_sessions("ana", (UID, frozenset({"lab"})))


def test_a_systemd_of_the_users_begins_anew_where_it_runs_from_boot_on(host: Host, tmp_path: Path) -> None:
    (tmp_path / "ana").touch()
    ending.begin_anew({"ana": UID, "ben": UID + 1})
    assert host.calls == [["systemctl", "start", f"user@{UID}.service"]]
