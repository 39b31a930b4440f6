"""Users who get another name: what the steps do to folders, killed at any call."""

import os
from pathlib import Path
from typing import Any

import pytest

from workbench_host.accounts import homes, renaming, system
from workbench_host.tools import FailureError


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Homes of this user's own; ana has one, with a file in it, and a folder for temporary files."""
    folder = tmp_path / "home"
    (folder / "ana").mkdir(parents=True)
    (folder / "ana" / "work").write_text("x")
    (tmp_path / "scratch" / "ana").mkdir(parents=True)
    for module in (renaming, homes, system):
        monkeypatch.setattr(module, "HOMES", str(folder))
    monkeypatch.setattr(renaming, "SCRATCH", str(tmp_path / "scratch"))
    return folder


ME = os.geteuid()


@pytest.mark.parametrize("there", [{"ana": "old"}, {"ana": "old", "anna": "new"}, {"anna": "new"}, {}])
def test_keys_go_with_the_name_but_where_it_has_some(
    there: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renaming, "KEYS", str(tmp_path))
    monkeypatch.setattr(renaming, "LINGERING", tmp_path / "linger")
    monkeypatch.setattr(renaming, "fields", lambda _: iter(()))  # the account has the new name already
    for name, key in there.items():
        (tmp_path / name).write_text(key)
    renaming.rename_account("anna", ("ana", ME), lambda *_: None)
    keys = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert keys == ({"anna": there.get("anna", "old")} if there else {})


def test_the_home_moves_and_the_old_path_leads_there(place: Path) -> None:
    for _ in range(2):
        renaming.rename_home("anna", ("ana", ME))
        assert sorted(path.name for path in place.iterdir()) == ["ana", "anna"]
        assert (place / "ana").readlink() == Path("anna")
        assert (place / "ana" / "work").read_text() == "x"
        assert [path.name for path in (place.parent / "scratch").iterdir()] == ["anna"]


def test_killed_at_any_call_the_home_is_whole_and_the_next_run_goes_on(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    number = 0
    while True:
        calls = iter(range(1000))

        def dying(real: Any, at: int = number, calls: Any = calls) -> Any:
            def call(*arguments: Any, **how: Any) -> Any:
                if next(calls) == at:
                    raise Killed
                return real(*arguments, **how)

            return call

        with monkeypatch.context() as patch:
            for name in ("rename", "symlink", "unlink"):
                patch.setattr(renaming.os, name, dying(getattr(os, name)))
            try:
                renaming.rename_home("anna", ("ana", ME))
            except Killed:
                killed = True
            else:
                killed = False
        renaming.rename_home("anna", ("ana", ME))
        assert (place / "anna" / "work").read_text() == "x", number
        assert (place / "ana").readlink() == Path("anna")
        assert not (place / "anna").is_symlink()
        renaming.rename_home("ana", ("anna", ME))  # and back, over the link
        assert (place / "ana" / "work").read_text() == "x", number
        assert (place / "anna").readlink() == Path("ana")
        if not killed:
            break
        number += 1
    assert number >= 4


def test_links_of_earlier_names_follow(place: Path) -> None:
    renaming.rename_home("anna", ("ana", ME))
    renaming.rename_home("annette", ("anna", ME))
    assert {str((place / name).readlink()) for name in ("ana", "anna")} == {"annette"}


def test_who_gets_the_old_name_later_gets_a_home_of_their_own(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renaming.rename_home("anna", ("ana", ME))
    skeleton = place.parent / "skel"
    skeleton.mkdir()
    monkeypatch.setattr(homes, "SKELETON", str(skeleton))
    homes.make_home("ana", ME)
    assert not (place / "ana").is_symlink()
    assert list((place / "ana").iterdir()) == []
    assert (place / "anna" / "work").read_text() == "x"
    renaming.rename_home("anna", ("ana", ME + 1))  # another's home is not touched
    assert (place / "anna" / "work").read_text() == "x"


def test_a_folder_in_the_place_of_the_new_home_is_left_alone(place: Path) -> None:
    (place / "anna").mkdir()
    with pytest.raises(FailureError, match="/anna is there already; move it away"):
        renaming.rename_home("anna", ("ana", ME))
    assert (place / "ana" / "work").read_text() == "x"


def test_links_among_the_homes_are_nobodys_home(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renaming.rename_home("anna", ("ana", ME))
    monkeypatch.setattr(system, "read_accounts", lambda groups: {})
    assert system.read_system(()).homes == {"anna": ME}
