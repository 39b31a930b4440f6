"""What runs in a folder that others may write to: the files that Python, IPython and git are given, as they are."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.files import TEMPLATES, render
from tests.needs import needs

FOLDER = TEMPLATES / "trust"
HOOKED = f"import sys; sys.path.append({str(FOLDER)!r}); import workbench_trust; workbench_trust.install(); "


@pytest.fixture
def trust() -> dict[str, Any]:
    return runpy.run_path(str(FOLDER / "workbench_trust.py"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("mode", "own"), [(0o700, True), (0o755, True), (0o775, True), (0o757, False), (0o1777, False)]
)
def test_a_folder_is_ones_own_where_nobody_else_may_write(
    tmp_path: Path, trust: dict[str, Any], mode: int, own: bool
) -> None:
    """The group is the user's own here."""
    tmp_path.chmod(mode)
    assert trust["is_own"](tmp_path) is own


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders away")
def test_a_folder_of_somebody_else_or_of_a_team_is_not_ones_own(
    tmp_path: Path, trust: dict[str, Any]
) -> None:
    theirs, teams = tmp_path / "theirs", tmp_path / "teams"
    theirs.mkdir(mode=0o755)
    teams.mkdir()
    os.chown(theirs, 2001, 2001)
    os.chown(teams, 0, 20000)
    teams.chmod(0o2770)
    assert (trust["is_own"](theirs), trust["is_own"](teams)) == (False, False)


def test_a_trusted_folder_counts_with_all_that_is_in_it_and_nothing_beside_it(
    home: Path, trust: dict[str, Any]
) -> None:
    for name in ("team/project", "team2"):
        (home / name).mkdir(parents=True, mode=0o777)
        (home / name).chmod(0o777)
    (home / "team").chmod(0o777)
    listed = home / ".config" / "workbench" / "trusted"
    listed.parent.mkdir(parents=True)
    listed.write_text(f"{home}/team\nrelative\n\n")
    assert [trust["is_trusted"](home / name) for name in ("team", "team/project", "team2")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(("mode", "found"), [(0o700, "here"), (0o777, "not here")])
def test_python_imports_from_the_working_directory_only_where_it_is_trusted(
    home: Path, mode: int, found: str
) -> None:
    place = home / "place"
    place.mkdir()
    place.chmod(mode)
    (place / "beside.py").write_text("")
    code = HOOKED + "\ntry:\n    import beside\n    print('here')\nexcept ImportError:\n    print('not here')"
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == found


def test_a_script_imports_what_is_beside_it_wherever_that_is(home: Path) -> None:
    home.chmod(0o777)
    (home / "beside.py").write_text("")
    (home / "script.py").write_text(HOOKED + "import beside; print('here')")
    done = subprocess.run([sys.executable, "script.py"], cwd=home, capture_output=True, text=True, check=True)
    assert done.stdout == "here\n"


@pytest.fixture
def git(home: Path) -> Path:
    """What stands before git, for shared folders below `home`/shared; git itself only says that it was called."""
    real, wrapper = home / "real", home / "git"
    real.write_text("#!/bin/sh\necho called\n")
    wrapper.write_text(render("trust/git.j2", shared=home / "shared").replace("/usr/bin/git", str(real)))
    for program in (real, wrapper):
        program.chmod(0o755)
    for repository in ("shared/team/project/.git", "own/.git", "shared/team/free"):
        (home / repository).mkdir(parents=True)
    (home / "link").symlink_to(home / "shared")
    return wrapper


@needs("git")
@pytest.mark.parametrize(
    ("place", "arguments", "called"),
    [
        ("own", ["status"], True),
        ("shared/team/free", ["init"], True),
        ("shared/team/project", ["status"], False),
        ("shared/team/project/.git", ["log"], False),
        ("link/team/project", ["-c", "core.x=y", "status"], False),
        ("own", ["-C", "../shared/team/project", "status"], False),
        ("own", ["-C", "../shared", "-C", "team/project", "status"], False),
        ("own", ["--git-dir=../shared/team/project/.git", "log"], False),
        ("own", ["--git-dir", "../shared/team/project/.git", "log"], False),
        ("own", ["--no-pager", "log", "-C"], True),
    ],
)
def test_git_uses_no_repository_in_a_shared_folder_that_is_not_trusted(
    home: Path, git: Path, place: str, arguments: list[str], called: bool
) -> None:
    done = subprocess.run([git, *arguments], cwd=home / place, capture_output=True, text=True, check=False)
    assert (done.stdout == "called\n") is called, done.stderr
    assert called or (done.returncode == 128 and "trust-folder" in done.stderr)
    listed = home / ".config" / "workbench" / "trusted"
    listed.parent.mkdir(parents=True)
    listed.write_text(f"{home}/shared/team\n")
    done = subprocess.run([git, *arguments], cwd=home / place, capture_output=True, text=True, check=True)
    assert done.stdout == "called\n"
