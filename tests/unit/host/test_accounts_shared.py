"""Shared folders are mounts of their own: in a mount namespace of the test's own, with folders in memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import needs
from workbench_host import tools
from workbench_host.accounts import program, shared
from workbench_host.checkup import mounts

HOST = Path(shared.__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")


class Nothing:
    """A plan in which nothing is to be done."""

    steps = ()


def apart(folder: Path, script: str) -> list[str]:
    """What Python says where SHARED is `folder`/shared, beside `folder`/tmp, on a file system of its own."""
    begin = f"from workbench_host.accounts import shared; shared.SHARED = {str(folder / 'shared')!r}\n"
    prepare = (
        f"mount -t tmpfs memory {folder} && cd {folder} && mkdir -p shared/lab shared/everybody tmp && "
        'echo 1 > shared/lab/file && exec "$0" -c "$1"'
    )
    unshare = ["unshare", "--mount", "sh", "-ec", prepare, sys.executable, begin + script]
    environment = {**os.environ, "PYTHONPATH": str(HOST)}
    done = subprocess.run(unshare, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@as_root
@needs("unshare", "mount")
def test_of_a_file_in_a_groups_folder_nobody_makes_a_second_name_elsewhere(tmp_path: Path) -> None:
    said = apart(
        tmp_path,
        """
import errno, os
def tried(target):
    try:
        os.link("shared/lab/file", target)
        return "linked"
    except OSError as error:
        return errno.errorcode[error.errno]
targets = ("tmp/1", "shared/everybody/1", "shared/lab/1")
print(*map(tried, targets))
os.unlink("tmp/1"), os.unlink("shared/everybody/1"), os.unlink("shared/lab/1")
shared.set_apart()
print(*map(tried, targets))
""",
    )
    assert said == ["linked linked linked", "EXDEV EXDEV linked"]


@as_root
@needs("unshare", "mount")
def test_a_folder_is_mounted_once_and_what_is_open_in_it_goes_on(tmp_path: Path) -> None:
    said = apart(
        tmp_path,
        """
from pathlib import Path
file = open("shared/lab/file", "a")
print(*shared.joined())
for _ in range(2):
    shared.set_apart()
    print(*shared.joined(), "none")
file.write("2\\n"), file.close()
print(Path("shared/lab/file").read_text().split(), Path("/proc/self/mountinfo").read_text().count("shared/lab "))
""",
    )
    # In mountinfo the folder is twice in the one line: as what is mounted, and as where.
    folders = " ".join(f"{tmp_path}/shared/{name}" for name in ("everybody", "lab"))
    assert said == [folders, "none", "none", "['1', '2'] 2"]


def test_a_folder_that_is_no_mount_is_found_by_the_checkup_and_by_the_next_deploy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    (tmp_path / "README").touch()
    monkeypatch.setattr(shared, "SHARED", str(tmp_path))
    assert mounts.report()["joined"] == shared.joined() == [str(folder)]
    assert program.Due(Nothing, {}, {}, {}, {}).words()[-1] == f"mount the shared folder {folder} on itself"
    monkeypatch.setattr(shared, "mount_of", lambda path: path)
    assert mounts.report()["joined"] == []
    monkeypatch.setattr(shared, "SHARED", str(tmp_path / "missing"))
    assert mounts.report()["joined"] == []


def test_a_boot_mounts_them_before_there_are_homes_and_not_without_the_volume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[tuple[str, ...]] = []
    (tmp_path / "lab").mkdir()
    monkeypatch.setattr(shared, "SHARED", str(tmp_path))
    monkeypatch.setattr(shared, "run", lambda *command: ran.append(command))
    monkeypatch.setattr(program, "LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr("os.path.ismount", lambda path: False)
    assert program.main(["--shared"]) == 1
    assert f"not mounted on {tools.DATA_VOLUME};" in capsys.readouterr().err
    assert ran == []
    monkeypatch.setattr("os.path.ismount", lambda path: path == tools.DATA_VOLUME)
    assert program.main(["--shared"]) == 0
    assert ran == [("mount", "--bind", f"{tmp_path}/lab", f"{tmp_path}/lab")]
    assert program.main(["--check"]) == 1, "all else needs the homes, too"
    assert "and /home;" in capsys.readouterr().err


@pytest.mark.parametrize(("flags", "found"), [(0, ["/tmp", "/var/tmp"]), (os.ST_NOSUID | os.ST_RDONLY, [])])
def test_a_place_for_temporary_files_where_programs_change_whom_they_run_as_is_found(
    monkeypatch: pytest.MonkeyPatch, flags: int, found: list[str]
) -> None:
    class Said:
        f_flag = flags

    monkeypatch.setattr(os, "statvfs", lambda path: Said)
    assert mounts.report()["setuid"] == found
