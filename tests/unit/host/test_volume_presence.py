"""What follows when the volume comes and goes; on a host, in tests/deploy/test_storage_missing.py."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workbench_host.volume import points, presence


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The commands that were run, none of them really."""
    commands: list[tuple[str, ...]] = []

    def run(command: Any, **_: Any) -> Any:
        commands.append(tuple(command))
        slices = (
            "user-1000.slice loaded\nuser-2001.slice loaded\nuser-2002.slice loaded\nuser-0.slice loaded\n"
        )
        return SimpleNamespace(returncode=0, stdout=slices if "list-units" in command else "")

    monkeypatch.setattr(subprocess, "run", run)
    return commands


@pytest.fixture
def attached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Says which device is mounted, and which are attached."""
    real = os.stat

    def set_(mounted: int, *devices: int) -> None:
        links = {str(tmp_path / f"vol{number}"): number for number in devices}
        monkeypatch.setattr("glob.glob", lambda _: list(links))

        def stat(path: Any, **options: Any) -> Any:
            if path == presence.DATA_VOLUME:
                return SimpleNamespace(st_dev=mounted)
            return SimpleNamespace(st_rdev=links[path]) if path in links else real(path, **options)

        monkeypatch.setattr(os, "stat", stat)

    return set_


def test_a_volume_that_came_starts_all_that_is_to_run(asked: list[tuple[str, ...]]) -> None:
    assert presence.main(["came"]) == 0
    assert asked == [("systemctl", "start", "--no-block", "multi-user.target")]


def test_users_who_have_a_systemd_from_boot_on_have_it_once_their_homes_are_there(
    asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uids = {"admin": 1000, "ada": 2001, "grace": 2002}
    accounts = [SimpleNamespace(pw_name=name, pw_uid=uid) for name, uid in uids.items()]
    monkeypatch.setattr("pwd.getpwall", lambda: accounts)
    monkeypatch.setattr(presence, "LINGERING", tmp_path)
    for name in ("admin", "ada", "somebody-of-before"):
        (tmp_path / name).touch()
    assert presence.main(["came"]) == 0
    assert asked[0] == ("systemctl", "start", "--no-block", "user@2001.service")


def test_at_a_shutdown_nothing_is_done_about_a_volume_that_is_there(
    asked: list[tuple[str, ...]], attached: Any
) -> None:
    attached(7, 5, 7)
    assert presence.main(["gone"]) == 0
    assert asked == []


@pytest.mark.parametrize("others", [(), (5,)])
def test_one_that_is_gone_ends_what_users_run_and_not_the_administrators_session(
    asked: list[tuple[str, ...]], attached: Any, others: tuple[int, ...]
) -> None:
    attached(7, *others)
    assert presence.main(["gone"]) == 0
    stopped = [command for command in asked if command[:2] == ("systemctl", "stop")]
    assert stopped == [("systemctl", "stop", "user-2001.slice", "user-2002.slice")]
    unmounted = [command[-1] for command in asked if command[0] == "systemd-run"]
    assert [line.rpartition(" ")[2] for line in unmounted] == ["/home", "/srv/workbench"]
    assert asked[-1] == ("systemctl", "start", "--no-block", "workbench-missing.service")


def test_what_does_not_end_in_time_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch, attached: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    attached(7)
    monkeypatch.setattr(presence, "slices", lambda: ["user-2001.slice"])
    tried = []

    def run(command: Any, timeout: float = 0, **_: Any) -> Any:
        tried.append(command)
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    assert presence.main(["gone"]) == 0
    assert len(tried) == 4
    assert "`systemctl stop user-2001.slice` did not end within 45 s." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("told", "closed"),
    [
        ("555\n----i---------e------- /x/home\n", True),
        ("555\n-----\n", True),  # a filesystem that knows no attributes
        ("555\n--------------e------- /x/home\n", False),
        ("755\n----i---------e------- /x/home\n", False),
        ("", False),
    ],
)
def test_a_mount_point_is_closed_when_nobody_can_write_below_it(
    monkeypatch: pytest.MonkeyPatch, told: str, closed: bool
) -> None:
    monkeypatch.setattr(points, "below", lambda script, *paths: told)
    assert points.is_closed("/home") is closed
