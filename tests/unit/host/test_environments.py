"""The program that installs locked environments, killed between any two of its steps, on temporary folders."""

import subprocess
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy import uv
from workbench_host import environments as program
from workbench_host import processes, tools

DIGEST, OLDER, OLDEST = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"

WITH_UV = program.install_with_uv


class Killed(BaseException):
    """As sudden as SIGKILL: no `except Exception` of the program sees it."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """/opt/workbench, /etc/workbench/locks, /proc and the lock file as temporary ones; installing makes one file."""
    monkeypatch.setattr(program, "ROOT", tmp_path / "opt")
    monkeypatch.setattr(program, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(processes, "PROCESSES", tmp_path / "proc")
    monkeypatch.setattr(program, "RUNNING", tmp_path / "lock")
    monkeypatch.setattr(program, "install_with_uv", lambda folder, lock, options: install(folder))
    (tmp_path / "locks" / "some").mkdir(parents=True)
    (tmp_path / "proc").mkdir()
    return tmp_path / "opt"


def install(folder: Path) -> None:
    folder.mkdir(parents=True)  # fails on a folder that was left half made
    (folder / "whole").touch()


def call(monkeypatch: pytest.MonkeyPatch, digest: str = DIGEST, *flags: str) -> int:
    return program.main(["some", digest, *flags])


def is_current(root: Path, monkeypatch: pytest.MonkeyPatch, digest: str = DIGEST) -> bool:
    """What the deploy finds out before it runs the program."""
    monkeypatch.setattr(uv, "ROOT", str(root))
    fact = uv.Current()
    done = subprocess.run(
        ["sh", "-c", fact.command("some", digest)], capture_output=True, text=True, check=True
    )
    return fact.process(done.stdout.splitlines())


def test_the_deploy_sees_whether_an_environment_is_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_current(root, monkeypatch)
    assert call(monkeypatch) == 0
    assert is_current(root, monkeypatch)
    assert not is_current(root, monkeypatch, OLDER)
    (root / "some" / uv.MARKER).unlink()
    assert not is_current(root, monkeypatch), "a folder counts only with its marker"


@pytest.mark.parametrize(
    "step", ["rmtree", "install_with_uv", "sync_file_system", "switch", "symlink_to", "rename"]
)
def test_a_run_killed_at_any_step_leaves_the_old_one_in_use_and_the_next_goes_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    call(monkeypatch, OLDER)

    def killed(*arguments: object, **named: object) -> None:
        raise Killed

    def half(folder: Path, *rest: object) -> None:
        folder.mkdir()
        raise Killed

    with monkeypatch.context() as patch:
        if step in ("symlink_to", "rename"):
            patch.setattr(Path, step, killed)
        elif step == "rmtree":
            patch.setattr(program.shutil, step, killed)
        else:
            patch.setattr(program, step, half if step == "install_with_uv" else killed)
        with pytest.raises(Killed):
            call(patch)
    assert (root / "some").readlink().name == f"some-{OLDER}"
    assert (root / "some" / "whole").exists()
    assert not is_current(root, monkeypatch)
    assert call(monkeypatch) == 0
    assert (root / "some").readlink().name == f"some-{DIGEST}"
    assert (root / "some" / "whole").exists()
    assert not (root / ".some.new").is_symlink()


def test_an_install_that_fails_is_told_in_a_sentence_and_leaves_the_old_one_in_use(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, OLDER)

    def fails(folder: Path, *rest: object) -> None:
        raise subprocess.CalledProcessError(2, ["/opt/workbench/uv/bin/uv", "pip", "sync", "--quiet"])

    monkeypatch.setattr(program, "install_with_uv", fails)
    assert call(monkeypatch) == 1
    assert capsys.readouterr().err == "The environment some could not be installed: uv pip sync failed.\n"
    assert (root / "some").readlink().name == f"some-{OLDER}"


@pytest.mark.parametrize("at", ["install_with_uv", "switch"])
def test_a_full_disk_is_told_in_a_sentence_and_leaves_the_old_one_in_use(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], at: str
) -> None:
    call(monkeypatch, OLDER)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(program, at, full)
    assert call(monkeypatch) == 1
    assert (
        capsys.readouterr().err == "The environment some could not be installed: No space left on device.\n"
    )
    assert (root / "some").readlink().name == f"some-{OLDER}"


def test_a_missing_installer_is_told_in_a_sentence(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "install_with_uv", WITH_UV)
    assert call(monkeypatch) == 1
    assert capsys.readouterr().err == (
        f"The environment some could not be installed: No such file or directory: {root}/uv/bin/uv.\n"
    )


def test_the_one_before_is_kept_and_older_ones_go_when_nothing_runs_from_them(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for digest in (OLDEST, OLDER, DIGEST):
        call(monkeypatch, digest)
    assert sorted(path.name for path in root.glob("some-*")) == [f"some-{DIGEST}", f"some-{OLDER}"]


def test_of_the_environment_for_people_two_former_ones_are_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "KEPT", {"some": program.KEPT["python"]})
    for digest in (OLDEST, OLDER, DIGEST, OLDEST, "dddddddddddd"):
        call(monkeypatch, digest)
        time.sleep(0.02)  # longer than a tick of the file system's clock
    kept = {path.name[-12:] for path in root.glob("some-*")}
    assert kept == {"dddddddddddd", OLDEST, DIGEST}, "one that was gone back to was in use last"


def test_an_environment_that_a_kernel_still_runs_from_is_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(monkeypatch, OLDEST)
    kernel = processes.PROCESSES / "4711"
    kernel.mkdir()
    (kernel / "cmdline").write_bytes(f"{root}/some-{OLDEST}/bin/python\0-m\0ipykernel_launcher\0".encode())
    for digest in (OLDER, DIGEST):
        call(monkeypatch, digest)
    assert (root / f"some-{OLDEST}").exists()
    (kernel / "cmdline").unlink()
    call(monkeypatch, "dddddddddddd")
    assert not (root / f"some-{OLDEST}").exists()


def test_environments_whose_names_begin_alike_do_not_touch_each_other(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / f"some-other-{OLDEST}").mkdir(parents=True)
    for digest in (OLDEST, OLDER, DIGEST):
        call(monkeypatch, digest)
    assert (root / f"some-other-{OLDEST}").exists()


@pytest.mark.parametrize(("flag", "key"), [("--index", "pypi"), ("--npm", "npm")])
def test_a_mirror_that_answers_404_is_named_by_its_key(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    flag: str,
    key: str,
) -> None:
    def refused(*_: Any) -> None:
        raise subprocess.CalledProcessError(2, ["/opt/workbench/uv/bin/uv", "pip", "sync"])

    class Empty(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *_: Any) -> None: ...

    monkeypatch.setattr(program, "install_with_uv", refused)
    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mirror = f"http://127.0.0.1:{server.server_port}"
        assert call(monkeypatch, DIGEST, flag, mirror) == 1
        server.shutdown()
    said = capsys.readouterr().err
    assert f"could not be installed: workbench:mirrors.{key} is {mirror}, which answers 404" in said
    assert not (root / "some").exists()


def test_a_run_that_hangs_is_not_waited_for_for_ever_and_nobody_else_can_hold_the_lock(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = root.parent / "lock"
    monkeypatch.setattr(program, "WAIT_SECONDS", 0.0)
    with tools.alone(lock):
        assert lock.stat().st_mode & 0o777 == 0o600
        assert call(monkeypatch) == 1
    assert "could not be installed: process" in capsys.readouterr().err
    assert call(monkeypatch) == 0


def test_what_uv_locks_while_it_installs_is_roots_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """uv itself makes its locks for everybody, who could hold them and so the install."""
    modes: list[tuple[int, int]] = []

    def uv_runs(command: list[str], **_: Any) -> None:
        folder = root / f"some-{DIGEST}"
        if command[1] == "venv":
            folder.mkdir()
        else:
            paths = (folder / ".lock", root / ".cache")
            modes.append((paths[0].stat().st_mode & 0o777, paths[1].stat().st_mode & 0o777))

    monkeypatch.undo()
    for name, at in (("ROOT", root), ("LOCKS", root.parent / "locks"), ("RUNNING", root.parent / "lock")):
        monkeypatch.setattr(program, name, at)
    monkeypatch.setattr(processes, "PROCESSES", root.parent / "proc")
    monkeypatch.setattr(subprocess, "run", uv_runs)
    monkeypatch.setattr(program, "sync_file_system", lambda _: None)
    assert call(monkeypatch) == 0
    assert modes == [(0o600, 0o700)]
    assert not (root / f"some-{DIGEST}" / ".lock").exists()
