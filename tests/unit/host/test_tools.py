"""What the host's programs share: nothing half-written, no secret on a command line, every failure said."""

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from workbench_host import environments, python_versions, tools


def test_what_is_written_is_whole_and_of_its_mode_whatever_was_there(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    path.write_text("old")
    path.chmod(0o644)
    (tmp_path / ".registry.json.new").write_text("left by one that was killed")
    tools.write(path, "new", 0o600)
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    tools.write(str(path), b"\xff")
    assert path.read_bytes() == b"\xff"
    assert path.stat().st_mode & 0o777 == 0o644


def test_no_failure_tells_a_password_of_an_address_whatever_is_in_it() -> None:
    said = "from https://me:p@ss@mirror.example/x (http://proxy.example:8/a@b); http://token@other.example"
    expected = "from https://...@mirror.example/x (http://proxy.example:8/a@b); http://...@other.example"
    assert tools.without_password(said) == expected
    assert str(tools.FailureError(said)) == expected


def test_a_write_that_is_killed_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "registry.json"
    path.write_text("old")
    for moment in ("fsync", "replace"):
        monkeypatch.setattr(os, moment, killed)
        with pytest.raises(KeyboardInterrupt):
            tools.write(path, "new")
        assert path.read_text() == "old"


def test_a_command_gets_its_input_and_a_failure_says_what_the_command_said() -> None:
    assert tools.run("cat", given="secret") == "secret"
    assert tools.run("sh", "-c", "echo no; exit 3", okay=(0, 3)) == "no\n"
    with pytest.raises(tools.FailureError, match=r"`sh -c .*` failed with status 4: why$") as caught:
        tools.run("sh", "-c", "echo why >&2; exit 4", given="secret")
    assert "secret" not in str(caught.value)


def test_what_root_builds_keeps_its_files_where_only_root_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environments and versions of Python are built with the same."""
    given: list[dict[str, str]] = []

    def run(command: list[str], *, env: dict[str, str], **_: object) -> subprocess.CompletedProcess[str]:
        given.append(env)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setattr(python_versions, "CACHE", tmp_path / ".cache")
    environments.run("true")
    python_versions.uv("--version")
    for env in given:
        assert env.items() >= tools.apart(tmp_path / ".cache").items()
        assert (env["TMPDIR"], env["NODE_DISABLE_COMPILE_CACHE"]) == (str(tmp_path / ".cache" / "tmp"), "1")
    assert len(given) == 2
    assert (tmp_path / ".cache" / "tmp").stat().st_mode & 0o777 == 0o700


def test_a_lock_is_for_its_owner_alone_whatever_mode_it_was_left_with(tmp_path: Path) -> None:
    """Who can open it for reading can hold it for ever."""
    new, old = tmp_path / "new.lock", tmp_path / "old.lock"
    old.touch(0o644)
    before = os.umask(0)
    try:
        for path in (new, old):
            with tools.alone(path):
                assert path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_a_lock_that_somebody_holds_is_waited_for_to_an_end_and_its_holder_named(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    held = subprocess.Popen(["flock", "--no-fork", path, "sh", "-c", "echo; read x"], stdin=-1, stdout=-1)
    try:
        assert held.stdout
        held.stdout.readline()
        said = rf"^process {held.pid} \(sh\) has held {path} for 0 s; try again once it is through$"
        with pytest.raises(tools.FailureError, match=said), tools.alone(path, seconds=0.2):
            pass
    finally:
        held.communicate(b"go\n")
    with tools.alone(path, seconds=5), path.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with tools.alone(path, seconds=0):
        pass
