"""Temporary folders and what is cleared out of them, on folders of the test's."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.host.data_service import needs_root
from workbench_host import container_users, leftovers
from workbench_host.accounts import homes, scratch
from workbench_host.tools import FailureError

DAYS = 2 * leftovers.DAY_SECONDS


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(scratch, "SCRATCH", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def test_a_temporary_folder_is_its_users_alone_and_its_name_is_roots(place: Path) -> None:
    me = os.geteuid()
    assert scratch.wrong({"ana": me}) == {"ana": me}
    scratch.apply({"ana": me})
    assert scratch.wrong({"ana": me}) == {}
    assert [path.stat().st_mode & 0o777 for path in (place, place / "ana")] == [0o711, 0o700]
    assert scratch.wrong({"ana": me + 1}) == {"ana": me + 1}


@pytest.mark.parametrize("mode", [0o000, 0o500, 0o750, 0o2770, 0o777])
def test_to_whom_users_open_their_temporary_folder_is_theirs_to_say(place: Path, mode: int) -> None:
    me = os.geteuid()
    scratch.apply({"ana": me})
    (place / "ana").chmod(mode)
    assert scratch.wrong({"ana": me}) == {}
    scratch.apply({"ana": me})
    assert (place / "ana").stat().st_mode & 0o7777 == mode


def test_what_is_in_the_place_of_a_temporary_folder_is_not_given_away(place: Path, tmp_path: Path) -> None:
    place.mkdir()
    (tmp_path / "other").mkdir()
    (place / "ana").symlink_to(tmp_path / "other")
    with pytest.raises(FailureError, match="move it away"):
        scratch.apply({"ana": 2000})
    assert (tmp_path / "other").stat().st_uid == os.geteuid()


def test_only_what_is_a_day_old_goes_and_links_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    folder = tmp_path / "tmp"
    (folder / "old" / "inner").mkdir(parents=True)
    (folder / "old" / "link").symlink_to(tmp_path / "kept")
    (folder / "link").symlink_to(tmp_path / "kept")
    os.mkfifo(folder / "fifo")
    monkeypatch.setattr(leftovers, "DAY_SECONDS", 0.2)
    time.sleep(0.3)
    (folder / "new").mkdir()
    os.utime(folder / "new", (1.0, 1.0))  # out of an archive that keeps times
    leftovers.clear_folder(folder, os.geteuid())
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert (tmp_path / "kept" / "file").exists()


def test_a_folder_of_many_names_is_emptied_in_little_memory(tmp_path: Path) -> None:
    one, folder = tmp_path / "one", tmp_path / "tmp"
    one.touch()
    folder.mkdir()
    for number in range(10_000):  # a kilobyte each, once they are looked at
        os.link(one, folder / f"{number:05}")
    code = (
        "import resource, sys; from pathlib import Path; from workbench_host import leftovers; "
        "leftovers.DAY_SECONDS = -1; "
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize(); "
        "resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 20),) * 2); leftovers.clear_folder(Path(sys.argv[1]), 0)"
    )
    host = Path(leftovers.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=host, check=True, timeout=60)
    assert list(folder.iterdir()) == []


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder as /dev/shm is, which other users reach too."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o1777)
        yield Path(folder)


@pytest.fixture
def shared(everybodys: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """It stands for /dev/shm; what is in it is old at once."""
    monkeypatch.setattr(leftovers, "FOLDERS", (everybodys,))
    monkeypatch.setattr(leftovers, "KINDS", {})
    monkeypatch.setattr(leftovers, "SCRATCH", "/nowhere")
    monkeypatch.setattr(leftovers, "HOUR_SECONDS", -1)
    monkeypatch.setattr(leftovers, "CHILD_BYTES", 8 << 30)  # the tests' own size is not ours to say
    return everybodys


def give(path: Path, uid: int, mode: int = 0o700) -> None:
    os.chown(path, uid, uid, follow_symlinks=False)
    path.chmod(mode)
    os.utime(path, (time.time() + DAYS,) * 2)


@needs_root
def test_shared_memory_goes_whatever_year_its_user_gives_it_and_in_folders_too(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what belongs to an id that a user has for containers, in a folder that this id alone may enter."""
    inside = container_users.start(4001) + 5
    for name, uid in {"future": 4001, "of-containers": inside, "of-another": 4002}.items():
        (shared / name / "closed").mkdir(parents=True)
        (shared / name / "closed" / "much").touch()
        for path, owner in (("closed/much", uid), ("closed", uid), (".", uid)):
            give(shared / name / path, owner)
    for path in ("closed/much", "closed"):
        give(shared / "future" / path, inside)
    assert leftovers.owners() == {4001, 4002}
    for busy, left in [([4001, 4002], 3), ([4002, inside], 3), ([4002, 0], 1)]:
        monkeypatch.setattr(leftovers, "at_work", lambda busy=busy: Counter(busy))
        assert leftovers.main([]) == 0
        assert len(list(shared.iterdir())) == left, busy
    assert (shared / "of-another" / "closed" / "much").exists()


@needs_root
def test_a_folder_with_anything_of_others_stays_and_links_lead_nowhere(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "at_work", Counter)
    (shared / "team" / "deep").mkdir(parents=True)
    (shared / "team" / "deep" / "of-grace").touch()
    give(shared / "team" / "deep" / "of-grace", 4002)
    for path in ("team/deep", "team"):
        give(shared / path, 4001, 0o777)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as elsewhere:
        Path(elsewhere, "kept").touch()
        (shared / "links").mkdir()
        for link in (shared / "links" / "inner", shared / "link"):
            link.symlink_to(elsewhere)
            os.chown(link, 4001, 4001, follow_symlinks=False)
        give(shared / "links", 4001)
        assert leftovers.main([]) == 0
        assert Path(elsewhere, "kept").exists()
    assert [path.name for path in shared.iterdir()] == ["team"]
    assert (shared / "team" / "deep" / "of-grace").exists()


@needs_root
def test_who_has_the_clearing_hang_keeps_it_from_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = os.open(tmp_path / "limits", os.O_WRONLY | os.O_CREAT)

    def clear(uid: int, _: str | None) -> None:
        if uid == 4001:
            os.kill(os.getpid(), signal.SIGSTOP)  # as its user may do
        os.write(limits, f"{uid} {resource.getrlimit(resource.RLIMIT_AS)[1]}".encode())

    monkeypatch.setattr(leftovers, "clear", clear)
    monkeypatch.setattr(leftovers, "CHILD_SECONDS", 0.2)
    monkeypatch.setattr(leftovers, "CHILD_BYTES", 8 << 30)  # the tests' own size is not ours to say
    monkeypatch.setattr(leftovers, "owners", lambda: {4001, 4002})
    monkeypatch.setattr(leftovers, "at_work", Counter)
    assert leftovers.main([]) == 1
    os.close(limits)
    assert (tmp_path / "limits").read_text() == f"4002 {8 << 30}"
    assert capsys.readouterr().err == "What the user 4001 left behind could not be cleared away.\n"


def test_a_home_is_given_away_from_the_inside_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its user could put a link where root is still to give something away."""
    (tmp_path / "skel" / "folder").mkdir(parents=True)
    (tmp_path / "skel" / "folder" / "file").touch()
    (tmp_path / "skel" / "link").symlink_to("/nowhere")
    (tmp_path / "home").mkdir()
    monkeypatch.setattr(homes, "SKELETON", str(tmp_path / "skel"))
    monkeypatch.setattr(homes, "HOMES", str(tmp_path / "home"))
    given: list[str] = []
    monkeypatch.setattr(os, "lchown", lambda path, uid, gid: given.append(str(path).rpartition(".new")[2]))
    homes.make_home("ana", 2000)
    assert given == ["/folder/file", "/folder", "/link", ""]
