"""Whether the data volume's filesystem is sound: what e2fsck says of it, and what is made of that."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.host.volume_file import ID, MIB, NEEDED, write
from workbench_host.volume import content
from workbench_host.volume import program as volume

pytestmark = NEEDED


def test_a_damaged_filesystem_is_left_to_a_person(device: str) -> None:
    volume.make(device, ID)
    subprocess.run(["debugfs", "-w", "-R", "clri <2>", device], check=True, capture_output=True)
    with pytest.raises(
        content.Refusal, match=r"is damaged .*status 4: .*Root inode.*; take a snapshot, then run"
    ):
        volume.check(device, "-f", "-p")


def test_a_filesystem_that_e2fsck_repaired_by_itself_is_fine(device: str) -> None:
    volume.make(device, ID)
    subprocess.run(
        ["debugfs", "-w", "-R", "ssv free_blocks_count 3", device], check=True, capture_output=True
    )
    volume.check(device, "-f", "-p")
    assert subprocess.run(["e2fsck", "-f", "-n", device], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "No such file or directory"),
        (lambda path: write(str(path), 0, bytes(32 * MIB)), "Bad magic number"),
        (lambda path: write(str(path), 1100, b"\xff"), "checksum does not match"),
    ],
)
def test_a_filesystem_that_e2fsck_could_not_look_at_is_called_no_more_than_that(
    device: str, spoil: Callable[[Path], None], said: str
) -> None:
    volume.make(device, ID)
    spoil(Path(device))
    with pytest.raises(
        content.Refusal, match=rf"could not be checked.*status 8: .*{said}.*snapshot"
    ) as refusal:
        volume.check(device, "-p")
    assert "damaged" not in str(refusal.value)


@pytest.mark.parametrize(
    ("ending", "verdict"),
    [
        *((f"exit {status}", "fine") for status in (0, 1)),
        *((f"exit {status}", "repaired while the server used it") for status in (2, 3)),
        *((f"exit {status}", "damaged") for status in (4, 5, 6, 7)),
        *((f"exit {status}", "could not be checked") for status in (8, 9, 12, 16, 32, 36, 64, 128, 132, 255)),
        *((f"kill -{signal} $$", "could not be checked") for signal in ("KILL", "TERM")),
    ],
)
def test_every_status_of_e2fsck_is_judged_by_whether_it_could_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, verdict: str
) -> None:
    """A script stands in for e2fsck. Signals that a background job may be started to ignore (INT, HUP) are left out."""
    (tmp_path / "e2fsck").write_text(f'#!/bin/sh\necho "said of $2"\n{ending}\n')
    (tmp_path / "e2fsck").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    try:
        volume.check("/dev/volume", "-p")
        judged = "fine"
    except content.Refusal as refusal:
        judged = str(refusal)
        assert "said of /dev/volume" in judged
    assert verdict in judged
    assert ("damaged" in judged) == (verdict == "damaged")
