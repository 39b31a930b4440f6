"""What processes run from is read from their memory, which their users can have wait, or look as large as they like."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from workbench_host import in_use, processes

LARGE_BYTES = 300 * 1024**2


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of processes, for the test's own."""
    folder = tmp_path / "proc"
    folder.mkdir()
    monkeypatch.setattr(processes, "PROCESSES", folder)
    return folder


def add(proc: Path, pid: int, **texts: str) -> Path:
    process = proc / str(pid)
    process.mkdir()
    for source in in_use.SOURCES:
        (process / source).write_text(texts.get(source, ""))
    return process


def test_what_was_started_from_a_folder_or_has_a_file_of_it_mapped_runs_from_it(
    tmp_path: Path, proc: Path
) -> None:
    program = tmp_path / "bin" / "sleep"
    program.parent.mkdir()
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    started = [
        subprocess.Popen([program, "60"]),
        subprocess.Popen(["sleep", "60"], executable=program),
        subprocess.Popen(["/bin/sh", "-c", "read x", f"{tmp_path}/bin/x"], stdin=subprocess.PIPE),
        subprocess.Popen(["/bin/sleep", "60"], env={"R_LIBS": f"{tmp_path}/bin/library"}),
        subprocess.Popen(["/bin/sleep", "60"], env={"R_LIBS": f"{tmp_path}/binary"}),
    ]
    for child in started:
        (proc / str(child.pid)).symlink_to(f"/proc/{child.pid}")
    try:
        asked = [tmp_path / "bin", tmp_path / "bi", Path("/nothing")]
        found = {folder: sorted(pids) for folder, pids in in_use.holders(asked).items()}
        assert found == {asked[0]: sorted(child.pid for child in started[:4]), asked[1]: [], asked[2]: []}
        assert in_use.run_from(asked[0])
        assert not in_use.run_from(asked[1])
    finally:
        for child in started:
            child.kill()
            child.communicate()
    assert not in_use.run_from(asked[0]), "they have ended"


@pytest.mark.parametrize("source", in_use.SOURCES)
def test_a_path_counts_wherever_it_stands(proc: Path, source: str) -> None:
    """On the border of two pieces that are read, too."""
    process, path = add(proc, 11), b"/opt/python/3.12/"
    for before in (0, in_use.PIECE_BYTES - 5, 3 * in_use.PIECE_BYTES - len(path) + 1):
        (process / source).write_bytes(b"x" * before + path + b"lib" * 99)
        there, not_there = Path("/opt/python/3.12"), Path("/opt/python/3.1")
        assert in_use.holders([there, not_there]) == {there: [11], not_there: []}, before
        # A shell keeps the variables of the R that it was started from, and runs nothing of it.
        assert in_use.run_from(there) == (source != "environ"), before


@pytest.mark.parametrize("source", in_use.SOURCES)
def test_who_shows_more_than_can_be_started_holds_all_and_hides_nobody(proc: Path, source: str) -> None:
    os.truncate(add(proc, 11) / source, LARGE_BYTES)
    os.truncate(add(proc, 12) / source, in_use.SOURCES[source])
    add(proc, 13, maps="7f r-xp 08:01 1 /opt/r/4.5/lib/libR.so\n")
    found = in_use.holders([Path("/opt/r/4.5"), Path("/opt/r/4.4")])
    assert {folder: sorted(pids) for folder, pids in found.items()} == {
        Path("/opt/r/4.5"): [11, 13],
        Path("/opt/r/4.4"): [11],
    }


@pytest.mark.parametrize("source", in_use.SOURCES)
def test_of_what_a_process_shows_a_piece_is_in_memory_at_a_time(proc: Path, source: str) -> None:
    process = add(proc, 11)
    os.truncate(process / source, in_use.STARTED_BYTES)
    tracemalloc.start()
    try:
        assert in_use.held(process, in_use.SOURCES, {b"/opt/r/4.5/": None}) == set()
        assert tracemalloc.get_traced_memory()[1] < 8 * in_use.PIECE_BYTES
    finally:
        tracemalloc.stop()


def test_one_that_cannot_be_read_holds_all(proc: Path) -> None:
    process = add(proc, 11)
    (process / "maps").unlink()
    assert not in_use.run_from(Path("/opt/r/4.5")), "it has just ended"
    (process / "maps").mkdir()
    assert in_use.holders([Path("/opt/r/4.5")]) == {Path("/opt/r/4.5"): [11]}


def test_one_that_cannot_be_read_in_time_may_run_from_all(
    proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = add(proc, 11)
    (process / "cmdline").unlink()
    os.mkfifo(process / "cmdline")
    monkeypatch.setattr(in_use, "SECONDS", 0.2)
    assert in_use.run_from(Path("/opt/r/4.5"))
    with pytest.raises(in_use.UnknownError, match="within 0 s"):
        in_use.holders([Path("/opt/r/4.5")])


@pytest.mark.parametrize("program", ["/bin/false", "/bin/true", "/bin/echo", "/no/such/python"])
def test_whatever_keeps_the_child_from_its_answer_nothing_counts_as_free(
    proc: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    assert in_use.run_from(Path("/opt/r/4.5"))
    with pytest.raises(in_use.UnknownError):
        in_use.holders([Path("/opt/r/4.5")])


def test_a_thousand_folders_are_looked_for_at_once(proc: Path) -> None:
    """More than a command line would take."""
    folders = [Path(f"/opt/{'x' * 200}/{number}") for number in range(1000)]
    add(proc, 11, environ=f"A={folders[-1]}/")
    assert {folder for folder, pids in in_use.holders(folders).items() if pids} == {folders[-1]}
