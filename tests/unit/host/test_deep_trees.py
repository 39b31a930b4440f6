"""Folders of users with more levels than a process has descriptors, or a longer path than Linux takes: in nobody's way.

Archived, deleted and brought back with the 1,024 descriptors that a program has on a host.
"""

import itertools
import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import needs
from workbench_host import leftovers
from workbench_host.accounts import homes, system
from workbench_host.tools import FailureError, remove_tree
from workbench_host.volume import copies

DEEP, DEEPER = 1500, 3000  # levels; the path of the latter has 6,000 bytes as well


@pytest.fixture
def place() -> Iterator[Path]:
    """In memory, where thousands of folders take no time."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    yield folder
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def nest(top: Path, levels: int, name: str = "d") -> Path:
    """Folders in each other, in the last of which is a file."""
    top.mkdir(parents=True, exist_ok=True)
    here = os.open(top, os.O_PATH)
    for _ in range(levels):
        os.mkdir(name, dir_fd=here)
        deeper = os.open(name, os.O_PATH, dir_fd=here)
        os.close(here)
        here = deeper
    file = os.open("last", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(file, b"the last one's")
    os.close(file)
    os.close(here)
    return top


def nest_long(top: Path) -> Path:
    """As `nest`, with 6,000 bytes of path in few folders."""
    return nest(top, 30, "d" * 200)


def lasts(top: Path) -> list[str]:
    """What is in all files `last` below a folder, however deep."""
    found = subprocess.run(
        ["find", str(top), "-name", "last", "-execdir", "cat", "{}", ";", "-printf", "\\n"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin"},  # find refuses -execdir with a relative folder in it
    )
    return found.stdout.splitlines()


def test_a_tree_of_any_depth_goes(place: Path) -> None:
    assert remove_tree(nest(place / "tree", DEEPER))
    assert list(place.iterdir()) == []
    assert remove_tree(place / "tree"), "nothing is there"


def test_a_tree_is_removed_and_what_its_links_lead_to_is_not(place: Path) -> None:
    (place / "kept").mkdir()
    (place / "kept" / "file").touch()
    (place / "tree").mkdir()
    (place / "tree" / "link").symlink_to(place / "kept")
    assert remove_tree(place / "tree")
    (place / "link").symlink_to(place / "kept")
    assert remove_tree(place / "link")
    assert [path.name for path in place.rglob("*")] == ["kept", "file"]


def test_what_a_user_left_in_the_temporary_folder_goes_after_a_day(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nest(place / "tree", DEEP)
    monkeypatch.setattr(leftovers, "DAY_SECONDS", -1)
    leftovers.clear_folder(place, os.geteuid())
    assert list(place.iterdir()) == []


# A removed user's home.


@pytest.fixture
def home(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(homes, "VOLUME", str(place))
    for name, path in {"ARCHIVES": "archive", "LEAVING": "archive/leaving", "GONE": "archive/gone"}.items():
        monkeypatch.setattr(homes, name, str(place / path))
    to_leaving = [part.replace(system.LEAVING, str(place / "archive/leaving")) for part in homes.TAR]
    monkeypatch.setattr(homes, "TAR", tuple(to_leaving))
    (place / "home" / "ana").mkdir(parents=True)
    return place / "home" / "ana"


def unpacked(place: Path) -> Path:
    """What plain tar makes of the archive, of which there is one."""
    [archive] = (place / "archive").glob("ana-*.tar.zst")
    (place / "back").mkdir()
    subprocess.run(["tar", "-x", "--zstd", "-f", archive, "-C", place / "back"], check=True)
    return place / "back" / "ana"


@needs("zstd")
@pytest.mark.parametrize("levels", [DEEP, DEEPER])
def test_a_home_of_any_depth_is_archived_so_that_tar_can_bring_it_back_and_deleted(
    place: Path, home: Path, levels: int
) -> None:
    nest(home / "d", levels)
    homes.archive_home("ana", None)
    assert [*(place / "archive" / "leaving").iterdir(), *(place / "archive" / "gone").iterdir()] == []
    back = unpacked(place)
    assert lasts(back) == ["the last one's"]
    assert (back / "too-deep-1").exists() == (levels == DEEPER)


@needs("zstd")
def test_what_lies_too_deep_takes_no_name_that_is_there_and_its_place_says_where_it_is(
    place: Path, home: Path
) -> None:
    nest_long(home / "d")
    (home / "too-deep-1").mkdir()
    (home / "too-deep-2").symlink_to("/nowhere")
    homes.archive_home("ana", None)
    back = unpacked(place)
    assert list((back / "too-deep-1").iterdir()) == []
    assert (back / "too-deep-2").readlink() == Path("/nowhere")
    assert lasts(back / "too-deep-3") == ["the last one's"]
    assert [str(path.readlink()) for path in (back / "d").rglob("*") if path.is_symlink()] == ["too-deep-3"]


def test_a_run_that_was_killed_after_a_move_goes_on(place: Path, home: Path) -> None:
    nest_long(home / "d")
    (place / "archive" / "leaving").mkdir(parents=True)
    home.rename(place / "archive" / "leaving" / "ana")
    first = homes.inventory("ana")
    assert homes.inventory("ana") == first
    assert max(map(len, first)) < 4000


def test_a_link_that_is_put_in_the_way_moves_nothing_of_anybody_elses(place: Path, home: Path) -> None:
    (place / "archive" / "leaving").mkdir(parents=True)
    home.rename(place / "archive" / "leaving" / "ana")
    (place / "home" / "ben" / "secret").mkdir(parents=True)
    (place / "archive" / "leaving" / "ana" / "d").symlink_to(place / "home" / "ben")
    with pytest.raises(NotADirectoryError):
        homes.raised("ana", "ana/d/secret", itertools.count(1))
    assert (place / "home" / "ben" / "secret").is_dir()


def test_an_archived_home_that_cannot_be_deleted_is_a_sentence(
    place: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "archive" / "gone" / "ana").mkdir(parents=True)
    monkeypatch.setattr(homes, "remove_tree", lambda path: False)
    with pytest.raises(FailureError, match="gone/ana cannot be removed; what is in it is in the archive"):
        homes.drop_archived("ana", None)


# A home out of a snapshot.


@pytest.fixture
def snapshot(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is mounted of it; ada and grace have a home in it and on the volume."""
    for user in ("ada", "grace"):
        (place / "data" / "home" / user).mkdir(parents=True)
        (place / "copy" / "home" / user / "work").mkdir(parents=True)
        (place / "copy" / "home" / user / "work" / "file").write_text("then")
    monkeypatch.setattr(copies, "DATA_VOLUME", str(place / "data"))
    monkeypatch.setattr(copies, "STAGE", str(place / "data" / "restoring"))
    monkeypatch.setattr(copies, "POINT", str(place / "copy"))
    monkeypatch.setattr(copies, "mount", lambda device: None)
    return place / "copy"


def bring(user: str, path: str = "") -> Path:
    found = str(copies.bring("/dev/none", user, "restored-1", path)["path"])
    return Path(copies.DATA_VOLUME, found.lstrip("/"))


def test_a_home_of_more_levels_than_descriptors_is_brought(snapshot: Path) -> None:
    nest(snapshot / "home/ada/d", DEEP)
    assert lasts(bring("ada")) == ["the last one's"]


def test_a_home_too_deep_to_be_copied_is_one_sentence_and_in_nobodys_way(
    snapshot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nest_long(snapshot / "home/ada/d")
    assert copies.main(["bring", "/dev/none", "ada", "restored-1"]) == 1
    assert capsys.readouterr().err == (
        f"folders lie too deep in 'ada/d/{'d' * 200}' in the snapshot to be copied (more than 3,500 bytes of path); "
        "name another file or folder of the home.\n"
    )
    assert not Path(copies.STAGE).exists()
    assert list(Path(copies.DATA_VOLUME, "home/ada").iterdir()) == []
    assert (bring("ada", "work") / "work" / "file").read_text() == "then"
    assert (bring("grace") / "work" / "file").read_text() == "then"


def test_what_a_killed_run_left_is_in_nobodys_way(snapshot: Path) -> None:
    nest_long(nest(Path(copies.STAGE), DEEP) / "more")
    assert (bring("grace") / "work" / "file").read_text() == "then"
    assert not Path(copies.STAGE).exists()


def test_what_cannot_be_removed_of_one_is_a_sentence(snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "remove_tree", lambda path: False)
    with pytest.raises(FailureError, match="restoring cannot be removed: it has what an earlier run left"):
        bring("grace")
