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

GID, UID = 23456, 54321


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
    assert GID in processes.gids_of(child.pid)
    assert GID not in processes.gids_of(os.getpid())
    with subprocess.Popen(["/bin/sleep", "60"], user=UID, group=GID, extra_groups=[GID + 1]) as users:
        try:
            assert processes.memberships({GID, GID + 1, GID + 2})[UID] == {GID, GID + 1}
            assert os.getuid() not in processes.memberships({GID}), "root is no user"
            there = processes.begun(UID)
            assert [pid for pid, _ in there] == [users.pid]
            assert processes.left(UID, there, ()) == processes.left(UID, (), {GID}) == [users.pid]
            assert processes.left(UID, {(users.pid, 1)}, {GID + 2}) == [], "another one of that number"
        finally:
            users.kill()


class Proc:
    """A folder as /proc is: `add` makes a process in it, whose status has the lines that count here."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.owner: dict[str, int] = {}
        monkeypatch.setattr(processes, "PROCESSES", folder)
        monkeypatch.setattr(
            processes, "owners", lambda: iter((int(pid), uid) for pid, uid in self.owner.items())
        )
        self.namespace("self", "host")

    def namespace(self, pid: str, namespace: str) -> None:
        (self.folder / pid / "ns").mkdir(parents=True)
        (self.folder / pid / "ns" / "user").symlink_to(f"user:[{namespace}]")

    def add(
        self, pid: str, owner: int, gids: str, *, groups: str = "", name: str = "x", slice_: int | None = None
    ) -> None:
        self.namespace(pid, "host")
        self.owner[pid] = owner
        status = f"Name:\t{name}\nUid:\t1\nGid:\t{gids}\nGroups:\t{groups} \nNSpid:\t1\n"
        (self.folder / pid / "status").write_bytes(status.encode())
        (self.folder / pid / "cgroup").write_text(f"0::/user.slice/user-{slice_ or owner}.slice/s.scope\n")


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proc:
    return Proc(tmp_path, monkeypatch)


def test_a_group_counts_whichever_of_a_processs_groups_it_is(proc: Proc) -> None:
    proc.add("11", 2000, "2000\t2000\t2000\t2000", groups=f"{GID} 2000")
    proc.add("12", 2001, f"2001\t{GID}\t2001\t2001")
    proc.add("13", 2002, f"2002\t2002\t{GID}\t2002")
    proc.add("14", 2003, "2003\t2003\t2003\t2003", groups="2003")
    proc.add("15", 0, "0\t0\t0\t0", groups=str(GID))
    assert processes.memberships({GID}) == {2000: {GID}, 2001: {GID}, 2002: {GID}, 2003: set()}


@pytest.mark.parametrize("end", ["\f", "\r", "\v", "\x1c", "\u2028", "\x85"])
def test_no_name_of_a_process_hides_its_groups(proc: Proc, end: str) -> None:
    proc.add("11", 2000, "2000\t2000\t2000\t2000", groups=str(GID), name=f"{end}Groups:\t7{end}Gid: 7")
    assert processes.gids_of(11) == {2000, GID}


def test_what_runs_by_a_users_further_uids_is_the_users(proc: Proc) -> None:
    proc.add("11", 1100000, f"{GID}\t1\t1\t1", slice_=2000)
    proc.add("12", 65000, f"{GID}\t1\t1\t1")
    (proc.folder / "12" / "cgroup").write_text("0::/system.slice/dynamic.service\n")
    assert processes.memberships({GID}) == {2000: {GID}}


def test_in_a_user_namespace_every_thread_counts(proc: Proc) -> None:
    proc.add("11", 2000, "2000\t2000\t2000\t2000")
    for pid in ("11", "12"):
        (proc.folder / "11" / "task" / pid).mkdir(parents=True)
        (proc.folder / "11" / "task" / pid / "status").write_text(f"Groups:\t{GID}\n" * (pid == "12"))
    assert processes.memberships({GID}) == {2000: set()}, "elsewhere threads cannot differ, and are not read"
    (proc.folder / "11" / "ns" / "user").unlink()
    (proc.folder / "11" / "ns" / "user").symlink_to("user:[own]")
    assert processes.memberships({GID}) == {2000: {GID}}


@pytest.mark.parametrize("root", ["", "/libpod_parent/libpod-0123"])
def test_a_control_group_that_a_user_calls_as_anothers_slice_counts_for_the_user(
    proc: Proc, root: str
) -> None:
    """In a container that has its host's control groups, systemd's tree begins further down."""
    proc.add("1", 0, "0\t0\t0\t0")
    (proc.folder / "1" / "cgroup").write_text(f"2:pids:{root}\n0::{root}/init.scope\n")
    slice_ = f"{root}/user.slice/user-2001.slice"
    for pid, group in (
        ("11", "user@2001.service/user.slice/user-2000.slice/run-r1.service"),
        (
            "12",
            "user@2001.service/app.slice/a.service/user.slice/user-2000.slice/user@2000.service/init.scope",
        ),
        ("13", "session-3.scope"),
    ):
        proc.add(pid, 2001, "1\t1\t1\t1")
        (proc.folder / pid / "cgroup").write_text(f"3:cpu:{root}\n0::{slice_}/{group}\n")
    assert processes.of(2000) == []
    proc.owner = dict.fromkeys(proc.owner, 0)  # run by sudo
    assert processes.of(2000) == []
    assert processes.of(2001) == [11, 12, 13]


def test_a_system_in_a_container_of_roots_has_no_slices_of_ours(proc: Proc) -> None:
    proc.add("11", 0, "0\t0\t0\t0")
    inside = "0::/machine.slice/libpod-0123.scope/container/user.slice/user-2000.slice/s.scope\n"
    (proc.folder / "11" / "cgroup").write_text(inside)
    assert processes.of(2000) == []


@pytest.mark.parametrize("end", ["\r", "\f", "\x1c"])
def test_no_name_of_a_control_group_is_taken_for_another_line(proc: Proc, end: str) -> None:
    proc.add("11", 2001, "1\t1\t1\t1")
    name = f"/user.slice/user-2001.slice/a{end}b"
    (proc.folder / "11" / "cgroup").write_bytes(f"0::{name}\n".encode())
    assert processes.control_groups() == {name}


def test_settings_take_the_uids_that_the_host_counts_as_users() -> None:
    """workbench/ knows nothing of the host's programs, so it spells the range again."""
    at_least, at_most = processes.USER_UIDS.start, processes.USER_UIDS.stop - 1
    for uid, is_right in ((at_least - 1, False), (at_least, True), (at_most, True), (at_most + 1, False)):
        with contextlib.nullcontext() if is_right else pytest.raises(ValidationError):
            User.model_validate({"name": "ada", "uid": uid})
