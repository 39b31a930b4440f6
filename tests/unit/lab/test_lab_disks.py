"""Volumes and snapshots as files: sparse, of their size, copied whole, never lost."""

from pathlib import Path

import pytest

from lab import disks as module
from lab.records import Plan, Snapshot, Volume
from tests.unit.lab.cloud import FileDisks

GIB = 1024**3


@pytest.fixture
def disks(tmp_path: Path) -> FileDisks:
    return FileDisks(tmp_path)


def plan(*volumes: Volume, snapshots: tuple[Snapshot, ...] = (), doomed: tuple[str, ...] = ()) -> Plan:
    return Plan(
        volumes={volume.id: volume for volume in volumes},
        snapshots={snapshot.id: snapshot for snapshot in snapshots},
        doomed=frozenset(doomed),
    )


def test_a_volume_is_a_sparse_file_of_its_size_for_its_owner_alone(disks: FileDisks) -> None:
    disks.reconcile(plan(Volume("vol-1", 50)))
    told = disks.file("vol-1").stat()
    assert told.st_size == 50 * GIB
    assert told.st_blocks * 512 < 1024**2
    assert told.st_mode & 0o777 == 0o600


def test_a_volume_grows_and_keeps_what_is_in_it(disks: FileDisks) -> None:
    disks.reconcile(plan(Volume("vol-1", 1)))
    with disks.file("vol-1").open("r+b") as file:
        file.write(b"precious")
    disks.reconcile(plan(Volume("vol-1", 3)))
    assert disks.file("vol-1").stat().st_size == 3 * GIB
    assert disks.file("vol-1").read_bytes()[:8] == b"precious"


def test_a_volume_made_from_a_snapshot_holds_it_and_may_be_bigger(disks: FileDisks) -> None:
    disks.reconcile(plan(Volume("vol-1", 1)))
    with disks.file("vol-1").open("r+b") as file:
        file.seek(1000_000)
        file.write(b"precious")
    snapshot = Snapshot("snap-1", "vol-1")
    disks.reconcile(plan(Volume("vol-1", 1), snapshots=(snapshot,)))
    with disks.file("vol-1").open("r+b") as file:
        file.seek(1000_000)
        file.write(b"changed!")
    disks.reconcile(plan(Volume("vol-1", 1), Volume("vol-2", 2, "snap-1"), snapshots=(snapshot,)))
    with disks.file("vol-2").open("rb") as file:
        file.seek(1000_000)
        assert file.read(8) == b"precious"
    assert disks.file("vol-2").stat().st_size == 2 * GIB
    assert disks.file("vol-2").stat().st_blocks * 512 < 4 * 1024**2


def test_a_snapshot_cut_off_is_taken_before_its_volume_goes(disks: FileDisks) -> None:
    disks.reconcile(plan(Volume("vol-1", 1)))
    disks.reconcile(plan(snapshots=(Snapshot("snap-1", "vol-1"),), doomed=("vol-1",)))
    assert disks.snapshot_file("snap-1").exists()
    assert not disks.file("vol-1").exists()


def test_a_copied_snapshot_holds_what_the_other_holds(disks: FileDisks) -> None:
    first, second = Snapshot("snap-1", "vol-1"), Snapshot("snap-2", "snap-1")
    disks.reconcile(plan(Volume("vol-1", 1), snapshots=(first,)))
    disks.reconcile(plan(Volume("vol-1", 1), snapshots=(first, second)))
    assert disks.snapshot_file("snap-2").stat().st_size == GIB


def test_only_what_was_deleted_is_removed(disks: FileDisks) -> None:
    disks.reconcile(plan(Volume("vol-1", 1), Volume("vol-2", 1)))
    disks.reconcile(plan(doomed=("vol-1",)))
    assert not disks.file("vol-1").exists()
    assert disks.file("vol-2").exists(), "unknown, but nobody deleted it"


def test_half_a_copy_is_no_volume_and_is_cleared(disks: FileDisks) -> None:
    half = disks.file("vol-1").with_name("vol-1.img.partial")
    half.write_bytes(b"half")
    disks.reconcile(plan(Volume("vol-1", 1)))
    assert not half.exists()
    assert disks.file("vol-1").read_bytes()[:4] == b"\0\0\0\0"


def test_a_disk_that_is_written_to_while_it_is_copied_is_copied_again(
    disks: FileDisks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the copy would have one block of before a write and another of after it, as no disk ever had."""
    disks.reconcile(plan(Volume("vol-1", 1)))
    said = iter(["1", "2", "2", "2"])  # written to during the first copy, and not during the second
    loop = module.Loop("/dev/loop0", disks.file("vol-1"))
    monkeypatch.setattr(module.Loop, "writes", lambda self: (next(said),))
    monkeypatch.setattr(disks, "loops", lambda: [loop])
    monkeypatch.setattr(module, "run", lambda *_, **__: "")
    copies: list[Path] = []

    def copy(source: Path, target: Path) -> None:
        copies.append(source)
        target.write_bytes(f"copy {len(copies)}".encode())

    monkeypatch.setattr(module, "_copy", copy)
    disks.reconcile(plan(Volume("vol-1", 1), snapshots=(Snapshot("snap-1", "vol-1"),)))
    assert disks.snapshot_file("snap-1").read_bytes() == b"copy 2"
