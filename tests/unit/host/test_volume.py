"""When the data volume gets a filesystem and when it is used as it is or refused, on a file in its place."""

import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.host.volume_file import ID, MIB, NEEDED, decide, mkfs, write
from workbench_host.volume import content
from workbench_host.volume import program as volume

pytestmark = NEEDED


def test_a_blank_volume_gets_a_filesystem_with_the_label(device: str) -> None:
    Path(volume.MARKER).parent.rmdir()  # the first note of a fresh server
    assert decide(device) == "make"
    volume.make(device, ID)
    found = content.look(device)
    assert (found.ext4, found.label, found.mounts) == (True, "workbench-data", 0)
    assert volume.begun() is None
    assert decide(device) == "use"


def test_the_filesystem_that_is_there_is_used_as_it_is(device: str) -> None:
    volume.make(device, ID)
    before = Path(device).read_bytes()
    assert decide(device) == "use"
    assert Path(device).read_bytes() == before


@pytest.mark.parametrize("options", [(), ("-L", "their-data")])
def test_a_filesystem_of_somebody_else_is_refused(device: str, options: tuple[str, ...]) -> None:
    mkfs(device, *options)
    before = Path(device).read_bytes()
    with pytest.raises(content.Refusal, match=f"{ID} is not blank: it holds ext4") as refusal:
        decide(device)
    assert ("'their-data'" in str(refusal.value)) == bool(options)
    assert Path(device).read_bytes() == before


def test_a_partition_table_is_refused_by_its_name(device: str) -> None:
    entry = struct.pack("<8BII", 0, 0, 0, 0, 0x83, 0, 0, 0, 2048, 4096)  # one Linux partition of an MBR
    write(device, 446, entry + bytes(48) + b"\x55\xaa")
    with pytest.raises(content.Refusal, match="holds dos"):
        decide(device)


def test_swap_space_is_refused_by_its_name(device: str) -> None:
    subprocess.run(["mkswap", "-q", device], check=True)
    with pytest.raises(content.Refusal, match="swap"):
        decide(device)


@pytest.mark.parametrize("offset", [0, 4096, MIB - 1, 32 * MIB, 64 * MIB - MIB, 64 * MIB - 1])
def test_data_of_no_known_kind_is_refused(device: str, offset: int) -> None:
    write(device, offset, b"\x01")
    with pytest.raises(content.Refusal, match="data of no known kind"):
        decide(device)


def test_a_signature_that_only_wipefs_knows_is_refused() -> None:
    found = content.Found(signatures=("some_raid_member",), zeros=True)
    with pytest.raises(content.Refusal, match="some_raid_member"):
        content.decide(found, ID, None)


@pytest.mark.parametrize("killed_at", range(4))
def test_a_filesystem_whose_making_was_killed_is_made_in_the_end(
    device: str, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    """Killed before mkfs, before its sync, before the label, and before the label's sync."""
    left = killed_at

    def run(*command: str, **options: Any) -> str:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        return str(content.run(*command, **options))

    monkeypatch.setattr(volume, "run", run)
    with pytest.raises(KeyboardInterrupt):
        volume.make(device, ID)
    monkeypatch.undo()
    monkeypatch.setattr(volume, "MARKER", str(Path(device).parent / "lib" / "formatting.json"))
    assert volume.begun() == ID
    if decide(device) == "make":
        volume.make(device, ID)
    assert decide(device) == "use"


@pytest.mark.parametrize("kept", [0, 2 * MIB, 40 * MIB])
def test_what_a_killed_mkfs_left_half_written_is_made_anew_where_we_began_it_and_nowhere_else(
    device: str, tmp_path: Path, kept: int
) -> None:
    """mkfs writes its superblock last: before, there are tables without one."""
    mkfs(device)
    write(device, 0, bytes(128 * 1024))
    write(device, kept, bytes(64 * MIB - kept) if kept else b"")
    with pytest.raises(content.Refusal):
        decide(device)
    volume.write(volume.MARKER, json.dumps({"volume": "vol-0another"}))
    with pytest.raises(content.Refusal):
        decide(device)
    volume.write(volume.MARKER, json.dumps({"volume": ID}))
    assert decide(device) == "make"


def test_a_filesystem_that_was_mounted_is_never_made_again_whatever_the_marker_says(device: str) -> None:
    mkfs(device)
    subprocess.run(["tune2fs", "-C", "1", device], check=True, capture_output=True)
    volume.write(volume.MARKER, json.dumps({"volume": ID}))
    with pytest.raises(content.Refusal):
        decide(device)


def test_another_kind_of_filesystem_is_refused_whatever_the_marker_says(device: str) -> None:
    subprocess.run(["mkswap", "-q", device], check=True)
    volume.write(volume.MARKER, json.dumps({"volume": ID}))
    with pytest.raises(content.Refusal, match="swap"):
        decide(device)


def test_two_volumes_with_the_label_are_refused_by_their_ids() -> None:
    found = content.Found(ext4=True, label="workbench-data", others=("vol-0b",))
    with pytest.raises(content.Refusal, match=f"{ID} and vol-0b"):
        content.decide(found, ID, None)
