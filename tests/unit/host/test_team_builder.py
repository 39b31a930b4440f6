"""A build of one of the team's environments that fails, is killed or attacks; the build itself makes one file."""

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.host.team_folders import FORMER, GEO, NOW, RENV, STATS, build, digest, have, in_use, kernel
from workbench_host import kernels
from workbench_host.team import builder, places, program, pythons, rs
from workbench_host.tools import FailureError

BUILD = rs.build


class Killed(BaseException):
    """As sudden as SIGKILL."""


def test_one_that_cannot_be_built_stays_as_it_was_and_the_others_are_seen_to(
    opt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    have((GEO, FORMER))

    def fail(wanted: places.Wanted, config: dict[str, Any]) -> places.Marker:
        build(wanted, config)
        raise FailureError("the disk is full: rootVolumeGib makes it larger")

    monkeypatch.setattr(pythons, "build", fail)
    assert have((GEO, NOW), (STATS, RENV)) == 1
    assert capsys.readouterr().err == (
        "workbench:environments[0]: the environment geo could not be built: the disk is full: rootVolumeGib makes it "
        "larger; the one before stays in use.\n"
    )
    assert in_use(opt) == f"geo-{digest(FORMER)}"
    assert kernel()["argv"][0] == f"{opt}/geo-{digest(FORMER)}/bin/python"
    assert not (opt / f"geo-{digest(NOW)}").exists(), "a full disk has its room back"
    assert in_use(opt, "stats").startswith("stats-")
    assert have((GEO, NOW), (STATS, RENV), check=True) == 3


@pytest.mark.parametrize("step", ["build", "hand_over", "mark", "symlink_to", "rename", "kernel"])
def test_a_run_killed_at_any_step_leaves_the_old_one_in_use_and_the_next_goes_on(
    opt: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    have((GEO, FORMER))

    def killed(*_: object, **__: object) -> None:
        raise Killed

    def half(wanted: places.Wanted, config: dict[str, Any]) -> places.Marker:
        build(wanted, config)
        raise Killed

    with monkeypatch.context() as patch:
        for target, name, what in (
            (pythons, "build", half),
            (builder, "hand_over", killed),
            (places, "mark", killed),
            (Path, "symlink_to", killed),
            (Path, "rename", killed),
            (kernels, "add", killed),
        ):
            if name == step or (step == "kernel" and name == "add"):
                patch.setattr(target, name, what)
        with pytest.raises(Killed):
            have((GEO, NOW))
    expected = NOW if step == "kernel" else FORMER
    assert (opt / "geo" / "whole").exists()
    assert in_use(opt) == f"geo-{digest(expected)}"
    assert kernel()["argv"][0] == f"{opt}/geo-{digest(FORMER)}/bin/python"
    assert have((GEO, NOW), check=True) == 3
    left = opt / f"geo-{digest(NOW)}"
    if left.exists() and places.marker(left) is None:
        builder.prepare(left)  # as each build begins
        left.rmdir()
    assert have((GEO, NOW)) == 0
    assert in_use(opt) == f"geo-{digest(NOW)}"


def test_folders_nested_deeper_than_python_goes_keep_no_later_build_from_its_name(
    opt: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    # Where this fails, pytest could not remove them either.
    request.addfinalizer(lambda: subprocess.run(["rm", "-rf", str(opt)], check=True))

    def nest(wanted: places.Wanted, config: dict[str, Any]) -> places.Marker:
        builder.prepare(wanted.folder)
        for top in (wanted.folder, builder.CACHE):
            here = os.open(top, os.O_PATH)
            for _ in range(3000):
                os.mkdir("d", dir_fd=here)
                deeper = os.open("d", os.O_PATH, dir_fd=here)
                os.close(here)
                here = deeper
            os.close(here)
        raise FailureError("enough")

    monkeypatch.setattr(pythons, "build", nest)
    for _ in range(2):
        assert have((GEO, NOW)) == 1
        assert capsys.readouterr().err.endswith("could not be built: enough.\n")
    assert have() == 0
    assert list(opt.iterdir()) == []


def test_what_of_an_earlier_build_cannot_be_removed_is_a_sentence(
    opt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder.prepare(opt / "geo-0123456789ab")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    with pytest.raises(FailureError, match="discarded cannot be removed: it has what an earlier build left"):
        builder.prepare(opt / "geo-0123456789ab")


@pytest.mark.parametrize("of_r", ["{}", '{"Repositories": []}', "[]", '{"Repositories": [{"URL": 4}]}'])
def test_a_lock_that_cannot_be_understood_stops_no_other_environment(
    opt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], of_r: str
) -> None:
    monkeypatch.setattr(rs, "build", BUILD)
    monkeypatch.setattr(rs, "program", lambda version: Path("/usr/bin/R"))
    assert have((STATS, f'{{"R": {of_r}, "Packages": {{}}}}'), (GEO, NOW)) == 1
    said = capsys.readouterr().err
    assert "the environment stats could not be built: its lock is none that `workbench lock` makes (" in said
    assert len(said.splitlines()) == 1
    assert (opt / "geo" / "whole").exists()


def test_of_what_a_build_says_the_end_is_kept_and_no_more() -> None:
    program_ = (
        "import sys\nfor _ in range(2**20): print('https://me:secret@pypi.example/' + 'x' * 30)\nsys.stdout.flush()\n"
        "print('the reason', file=sys.stderr)\nsys.exit(3)"
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, said = builder.listen([sys.executable, "-c", program_])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024, "KiB"
    assert status == 3
    assert said.endswith("x\nthe reason\n")
    assert said.startswith("https://me:secret@")
    assert builder.KEPT_BYTES - 100 < len(said) <= builder.KEPT_BYTES


def test_a_marker_that_the_build_itself_wrote_does_not_count(
    opt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    have((GEO, NOW))
    folder = opt / f"geo-{digest(NOW)}"
    assert places.marker(folder) is not None
    owner = opt.stat().st_uid
    real = Path.lstat

    class Other:
        st_uid = owner + 1

    monkeypatch.setattr(Path, "lstat", lambda path: Other() if path.name == places.MARKER else real(path))
    assert places.marker(folder) is None


def test_a_run_waits_for_another_longer_than_a_build_may_take() -> None:
    assert program.WAIT_SECONDS > builder.HOURS * 3600
