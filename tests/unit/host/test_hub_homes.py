"""Homes in which a server cannot write, and those in which it can."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from workbench_hub import homes


def not_a_folder(home: Path) -> None:
    (home / ".jupyter").touch()


def read_only(home: Path) -> None:
    (home / ".local").mkdir(mode=0o500)


def somebody_elses(home: Path) -> None:
    (home / ".local" / "share").mkdir(parents=True)
    os.chown(home / ".local" / "share", 4711, 4711)


def a_link(home: Path) -> None:
    (home / ".jupyter").symlink_to("/etc")


def as_it_should_be(home: Path) -> None:
    (home / ".local" / "share" / "jupyter").mkdir(parents=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders away")
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (as_it_should_be, None),
        (a_link, None),
        (not_a_folder, ".jupyter"),
        (read_only, ".local"),
        (somebody_elses, ".local/share"),
    ],
)
def test_what_a_server_cannot_write_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], found: str | None
) -> None:
    account = SimpleNamespace(pw_uid=0, pw_dir=str(tmp_path))
    monkeypatch.setattr("pwd.getpwnam", lambda name: account)
    change(tmp_path)
    assert homes.unwritable("ada") == (found and f"{tmp_path}/{found}")


def test_a_home_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = SimpleNamespace(pw_uid=0, pw_dir=f"{tmp_path}/ada")
    monkeypatch.setattr("pwd.getpwnam", lambda name: account)
    assert homes.unwritable("ada") == f"{tmp_path}/ada"
