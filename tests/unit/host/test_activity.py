"""Who is at work: from a /proc made up, and from this machine's own where processors are used."""

import json
import os
import pwd
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from workbench_host import activity, processes
from workbench_host.activity import Person

SERVER = "/user.slice/user-{}.slice/jupyter-x-singleuser.service"
SESSION = "/user.slice/user-{}.slice/session-3.scope"
NOBODY: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
Make = Callable[..., None]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a process in a /proc of the test's own; uids are the present one's, so slices say whose it is."""
    monkeypatch.setattr(processes, "PROCESSES", tmp_path)
    monkeypatch.setattr(activity, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(activity, "logins", Counter)
    monkeypatch.setattr(activity, "told", lambda: NOBODY)

    def made(
        pid: int,
        group: str,
        command: str = "x",
        session: int = 1,
        tty: int = 0,
        parent: int = 1,
    ) -> None:
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cgroup").write_text(f"4:cpu:{group}\n1:name=systemd:{group}\n")
        os.mkfifo(tmp_path / str(pid) / "cmdline")  # who reads it waits for ever
        (tmp_path / str(pid) / "stat").write_text(
            f"{pid} ({command}) S {parent} {pid} {session} {tty} -1 {'0 ' * 44}"
        )

    return made


def test_kernels_terminals_and_r_sessions_are_counted_by_whose_slice_they_are_in(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "told", lambda: (Counter({2000: 2}), Counter[int]()))
    make(1, "/system.slice/jupyterhub.service")
    make(10, SERVER.format(2000), "jupyterhub-sing", session=10)
    make(12, SERVER.format(2000), "sh) S 1 (")
    make(14, SERVER.format(2000), "bash", session=14, tty=34816)
    make(15, SERVER.format(2000), "vim", session=14, tty=34816)
    make(20, SESSION.format(2001), "grep")
    make(21, "/user.slice/user-2001.slice/workbench-session-2001-21.scope", "rsession")
    make(23, "/user.slice/user-2001.slice/workbench-session-2001-21.scope", "rsession", parent=21)
    make(22, "/user.slice/user-2001.slice/user@2001.service/init.scope", "systemd")
    make(30, SERVER.format(1000), "python")  # the administrator's
    make(31, SERVER.format(2002))  # a server at which nobody is
    assert activity.look().people == [Person("2000", 1, 2, 0, False), Person("2001", 0, 0, 1, False)]


def test_logins_are_logind_s_by_name(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = [{"user": "ada", "class": "user"}, {"user": "ada", "class": "manager"}, {"user": "grace"}]
    monkeypatch.undo()
    monkeypatch.setattr(activity, "run", lambda *_, **__: json.dumps(sessions))
    assert activity.logins() == {"ada": 1, "grace": 1}


def test_a_twentieth_of_a_processor_is_computing_also_by_what_began_or_ended_meanwhile(make: Make) -> None:
    make(10, SERVER.format(2000))
    [(which, process)] = activity.processes()
    little = int(activity.BUSY_SHARE * activity.LOOK_SECONDS * activity.TICKS_PER_SECOND)
    before = {which: replace(process, stat=replace(process.stat, ticks=1000))}
    for more, computes in ((little, set()), (little + 1, {2000})):
        after = {which: replace(process, stat=replace(process.stat, ticks=1000 + more))}
        assert activity.busy(before, after) == computes
    began = replace(process, stat=replace(process.stat, ticks=little + 1))
    assert activity.busy({}, {(11, 5): began}) == {2000}
    assert activity.busy(before, {}) == set()
    # a number that another process has by now
    assert activity.busy(before, {(10, which[1] + 1): began}) == {2000}


@pytest.fixture
def burning() -> Iterator[None]:
    with subprocess.Popen(["sh", "-c", "while :; do :; done"]) as child:
        yield
        child.kill()


def test_a_process_that_computes_is_seen(burning: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "USER_UIDS", {os.getuid()})
    monkeypatch.setattr(activity, "logins", Counter)
    monkeypatch.setattr(activity, "told", lambda: NOBODY)
    found = {one.user: one.computing for one in activity.look().people}
    assert found[pwd.getpwuid(os.getuid()).pw_name]


@pytest.mark.parametrize(
    ("said", "kernels", "at_it"),
    [
        ("Slice=user-2000.slice\nStatusText=1 of 2 kernels busy\n", {2000: 2}, {2000: 1}),
        (
            "StatusText=0 of 2 kernels busy\nSlice=user-2000.slice\n\nSlice=user-2001.slice\nStatusText=\n",
            {2000: 2},
            {2000: 0},
        ),
        (
            "Slice=user-2000.slice\nStatusText=3 of 3 kernels busy\n\nSlice=user-2001.slice\nStatusText=9 of",
            {2000: 3},
            {2000: 3},
        ),
        ("Slice=user-2000.slice\nStatusText=x\\n1 of 1 kernels busy\n", {}, {}),
        # more digits than Python makes a number of
        (f"Slice=user-2000.slice\nStatusText={'9' * 5000} of 1 kernels busy\n", {}, {}),
        ("", {}, {}),
    ],
)
def test_a_server_says_how_many_kernels_it_has_and_how_many_are_busy(
    said: str, kernels: dict[int, int], at_it: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "run", lambda *_, **__: said)
    assert activity.told() == (kernels, at_it)


def test_it_is_told_to_root_alone(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 2000)
    assert activity.main(["--json"]) == 1
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    make(21, SESSION.format(2001), "rsession")
    assert activity.main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out)["people"] == [
        {"user": "2001", "logins": 0, "kernels": 0, "rstudio": 1, "computing": False}
    ]


def test_what_runs_by_a_schedule_computes_also_while_it_waits_and_an_idle_manager_does_not(
    make: Make,
) -> None:
    manager = "/user.slice/user-{}.slice/user@{}.service"
    scheduled = r"app.slice/app-workbench\x2dschedule.slice/workbench-schedule@report.service"
    make(10, f"{manager.format(2000, 2000)}/{scheduled}", "sleep")
    make(20, f"{manager.format(2001, 2001)}/init.scope", "systemd")
    make(30, f"{manager.format(2002, 2002)}/app.slice/other.service", "sleep")
    make(40, "/user.slice/user-2003.slice/session-1.scope/workbench-schedule@report.service", "sleep")
    assert activity.look().people == [Person("2000", 0, 0, 0, True)]
