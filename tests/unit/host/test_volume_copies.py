"""A copy of the data volume is looked into: real filesystems in files, and folders in the place of what is mounted."""

import json
import os
import sqlite3
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.needs import needs
from workbench_host.tools import FailureError
from workbench_host.volume import copies


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`data`, the volume that people work on, and `copy`, what is mounted of the snapshot; ada has a home on both."""
    data, copy = tmp_path / "data", tmp_path / "copy"
    for one in (data, copy):
        (one / "home" / "ada").mkdir(parents=True)
    monkeypatch.setattr(copies, "DATA_VOLUME", str(data))
    monkeypatch.setattr(copies, "STAGE", str(data / "restoring"))
    monkeypatch.setattr(copies, "POINT", str(copy))
    monkeypatch.setattr(copies, "mount", lambda device: None)
    return SimpleNamespace(data=data, copy=copy, living=data / "home/ada", then=copy / "home/ada")


def bring(*arguments: str) -> str:
    return str(copies.bring("/dev/none", *arguments)["path"])


def test_a_home_is_laid_beside_the_living_one_with_all_that_is_in_it(volume: Any) -> None:
    (volume.then / "a").write_text("then")
    os.link(volume.then / "a", volume.then / "same")
    (volume.then / "leads away").symlink_to("/etc/shadow")
    (volume.then / "odd\nname").write_bytes(b"x")
    with (volume.then / "sparse").open("wb") as file:
        file.truncate(50_000_000)
    (volume.then / "script").write_text("#!/bin/sh\n")
    (volume.then / "script").chmod(0o751)
    (volume.living / "a").write_text("now")
    assert bring("ada", "restored-1") == "/home/ada/restored-1"
    there = volume.living / "restored-1"
    assert ((there / "a").read_text(), (volume.living / "a").read_text()) == ("then", "now")
    assert (there / "a").stat().st_ino == (there / "same").stat().st_ino
    assert (there / "leads away").readlink() == Path("/etc/shadow")
    assert (there / "odd\nname").read_bytes() == b"x"
    assert (there / "sparse").stat().st_blocks < 1000
    assert (there / "script").stat().st_mode & 0o777 == 0o751
    assert not (volume.data / "restoring").exists()


def test_one_file_of_it_comes_in_a_folder_of_the_users(volume: Any) -> None:
    (volume.then / "work").mkdir()
    (volume.then / "work" / "x.ipynb").write_text("then")
    assert bring("ada", "restored-1", "work/x.ipynb") == "/home/ada/restored-1"
    assert [item.name for item in (volume.living / "restored-1").iterdir()] == ["x.ipynb"]
    told = (volume.living / "restored-1").stat()
    assert (told.st_mode & 0o777, told.st_uid) == (0o700, volume.living.stat().st_uid)


def test_what_has_the_name_already_stays_also_where_it_leads_away(volume: Any, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (volume.living / "restored-1").symlink_to(outside)
    (volume.then / "a").write_text("then")
    assert bring("ada", "restored-1") == "/home/ada/restored-1-2"
    assert list(outside.iterdir()) == []


def test_names_that_are_taken_are_looked_up_once(volume: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2, 1000):
        (volume.living / f"restored-1-{number}").touch()
    (volume.living / "restored-1").touch()
    plain, looked = os.listdir, []
    monkeypatch.setattr(copies.os, "listdir", lambda folder: looked.append(folder) or plain(folder))
    assert bring("ada", "restored-1") == "/home/ada/restored-1-1000"
    assert len(looked) == 1


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("link/shadow", "link is a link in the snapshot"),
        ("work/up/shadow", "work/up is a link in the snapshot"),
        ("../grace/secret", "has no ../grace/secret"),
        ("nothing", "has no nothing in the home of ada"),
        ("a/b", "has no a/b"),
    ],
)
def test_a_path_that_leads_out_of_the_home_is_refused(volume: Any, path: str, sentence: str) -> None:
    (volume.then / "work").mkdir()
    (volume.then / "link").symlink_to("/etc")
    (volume.then / "work/up").symlink_to("/etc")
    (volume.then / "a").write_text("a file")
    (volume.copy / "home/grace").mkdir()
    (volume.copy / "home/grace/secret").write_text("grace's")
    with pytest.raises(FailureError, match=sentence):
        bring("ada", "restored-1", path)
    assert list(volume.living.iterdir()) == []


@pytest.mark.parametrize("user", ["", ".", "..", "ada/..", "/", "../home/ada"])
def test_what_is_no_name_of_one_user_brings_nobodys_home(volume: Any, user: str) -> None:
    (volume.then / "secret").write_text("ada's")
    with pytest.raises(FailureError, match="is no name of a user"):
        bring(user, "restored-1")
    assert not list(volume.data.rglob("restored-1*"))


def test_a_link_itself_comes_as_a_link(volume: Any) -> None:
    (volume.then / "link").symlink_to("/etc/shadow")
    bring("ada", "restored-1", "link")
    assert (volume.living / "restored-1/link").readlink() == Path("/etc/shadow")


def test_a_home_that_is_a_link_is_none(volume: Any) -> None:
    (volume.copy / "home/eve").symlink_to("/root")
    (volume.data / "home/eve").mkdir()
    with pytest.raises(FailureError, match="the snapshot has no home of eve; it has ada"):
        bring("eve", "restored-1")
    (volume.copy / "home/bob").mkdir()
    (volume.data / "home/bob").symlink_to("/root")
    with pytest.raises(FailureError, match="bob has no home on this workbench"):
        bring("bob", "restored-1")


def test_what_would_fill_the_volume_is_refused_and_what_a_killed_run_left_goes(
    volume: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (volume.data / "restoring" / "left").mkdir(parents=True)
    space = os.statvfs(volume.data)
    monkeypatch.setattr(
        copies.os, "statvfs", lambda _: SimpleNamespace(f_bavail=1, f_frsize=4096, f_blocks=space.f_blocks)
    )
    (volume.then / "big").write_bytes(os.urandom(100_000))
    with pytest.raises(FailureError, match=r"and the data volume has 0\.0 GiB to spare"):
        bring("ada", "restored-1")
    assert not (volume.data / "restoring").exists()


def test_a_copy_that_fails_half_way_leaves_nothing(volume: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = copies.run

    def run(*command: str, **more: Any) -> str:
        if command[0] == "cp":
            Path(command[-1]).mkdir(exist_ok=True)
            raise FailureError("`cp` failed with status 1: No space left on device")
        return plain(*command, **more)

    monkeypatch.setattr(copies, "run", run)
    with pytest.raises(FailureError, match="No space left"):
        bring("ada", "restored-1")
    assert list(volume.living.iterdir()) == []
    assert not (volume.data / "restoring").exists()


# Proving a snapshot.


def disk(path: Path, label: str = "workbench-data") -> str:
    with path.open("wb") as file:
        file.truncate(32 * 1024**2)
    subprocess.run(["mkfs.ext4", "-q", "-L", label, str(path)], check=True)
    return str(path)


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are no devices."""
    monkeypatch.setattr(copies, "require_copy", lambda device: None)


@needs("mkfs.ext4")
def test_a_copy_loses_the_label_that_the_homes_are_mounted_by(tmp_path: Path, foreign: None) -> None:
    device = disk(tmp_path / "disk")
    assert copies.take("vol-1", device, "1") == {"label": "workbench-data", "replayed": False}
    assert copies.superblock(device)["Filesystem volume name"] == copies.COPY_LABEL


@needs("mkfs.ext4")
def test_a_copy_that_does_not_appear_is_told_by_its_id(tmp_path: Path) -> None:
    with pytest.raises(FailureError, match=r"vol-1 did not appear within 0.1 s"):
        copies.take("vol-1", str(tmp_path / "none"), "0.1")


def test_the_data_volume_itself_is_never_taken_for_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    same = SimpleNamespace(st_rdev=7, st_dev=7)
    monkeypatch.setattr(copies.os, "stat", lambda _: same)
    for ask in (
        lambda: copies.mount("/dev/x"),
        lambda: copies.look("/dev/x"),
        lambda: copies.require_copy("/dev/x"),
    ):
        with pytest.raises(FailureError, match="is the data volume itself"):
            ask()


@needs("mkfs.ext4")
def test_a_look_counts_homes_and_accounts_and_asks_the_database(
    volume: Any, tmp_path: Path, foreign: None
) -> None:
    (volume.copy / "users").mkdir()
    (volume.copy / "users/registry.json").write_text(json.dumps({"users": {"ada": {}, "grace": {}}}))
    (volume.copy / "home/.half.new").mkdir()
    (volume.copy / "jupyterhub").mkdir()
    with sqlite3.connect(volume.copy / "jupyterhub/jupyterhub.sqlite") as database:
        database.execute("create table users (name text)")
    found = copies.look(disk(tmp_path / "disk"))
    assert (found["wrong"], found["homes"], found["accounts"], found["hub"]) == ("", 1, 2, "ok")


@needs("mkfs.ext4")
def test_a_filesystem_that_is_not_whole_is_told(volume: Any, tmp_path: Path, foreign: None) -> None:
    device = disk(tmp_path / "disk")
    subprocess.run(["debugfs", "-w", "-R", "clri <2>", device], check=True, capture_output=True)
    assert "e2fsck ended with status" in copies.look(device)["wrong"]


def test_a_damaged_database_is_told_and_nothing_is_written_beside_it(volume: Any) -> None:
    (volume.copy / "jupyterhub").mkdir()
    (volume.copy / "jupyterhub/jupyterhub.sqlite").write_bytes(b"SQLite format 3\0" + b"\1" * 5000)
    assert copies.hub() not in ("ok", "none")
    assert [item.name for item in (volume.copy / "jupyterhub").iterdir()] == ["jupyterhub.sqlite"]


def test_failures_are_one_sentence_without_a_traceback(
    volume: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert copies.main(["bring", "/dev/none", "nobody", "restored-1"]) == 1
    assert capsys.readouterr().err == "nobody has no home on this workbench that it could be put into.\n"


def test_a_home_of_before_a_rename_comes_by_its_old_name_into_the_one_of_today(volume: Any) -> None:
    volume.living.rename(volume.data / "home/anna")
    volume.living.symlink_to("anna")  # as workbench_host/accounts/renaming.py leaves it
    (volume.then / "a").write_text("then")
    assert bring("ada", "restored-1") == "/home/ada/restored-1"
    assert (volume.data / "home/anna/restored-1/a").read_text() == "then"
    with pytest.raises(FailureError, match="the snapshot has no home of anna; it has ada"):
        bring("anna", "restored-1")
