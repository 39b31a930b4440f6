"""Temporary folders and what is cleared out of them, on folders of the test's."""

import os
import time
from pathlib import Path

import pytest

from workbench_host import leftovers
from workbench_host.accounts import homes, scratch
from workbench_host.tools import FailureError

OLD = time.time() - 2 * leftovers.DAY_SECONDS


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


def test_only_what_is_a_day_old_goes_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    folder = tmp_path / "tmp"
    (folder / "old" / "inner").mkdir(parents=True)
    (folder / "old" / "link").symlink_to(tmp_path / "kept")
    (folder / "link").symlink_to(tmp_path / "kept")
    os.mkfifo(folder / "fifo")
    (folder / "new").mkdir()
    for name in ("old", "link", "fifo"):
        os.utime(folder / name, (OLD, OLD), follow_symlinks=False)
    leftovers.clear_folder(folder)
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert (tmp_path / "kept" / "file").exists()


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
