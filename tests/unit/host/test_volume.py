"""The data volume's program on files in the place of devices: blkid, wipefs, mkfs and dumpe2fs take either."""

import json
import os
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.needs import needs
from workbench_host.volume import content
from workbench_host.volume import program as volume

ID = "vol-0123456789abcdef0"
MIB = 1024 * 1024

pytestmark = needs("blkid", "wipefs", "mkfs.ext4", "dumpe2fs")


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A blank volume of 64 MiB, and a system's disk of its own for the marker."""
    path = tmp_path / "device"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    (tmp_path / "lib").mkdir()
    monkeypatch.setattr(volume, "MARKER", str(tmp_path / "lib" / "formatting.json"))
    monkeypatch.setattr(content, "EBS_DEVICES", f"{tmp_path}/by-id/*")
    return str(path)


def decide(device: str) -> str:
    decision: str = content.decide(content.look(device), ID, volume.begun())
    return decision


def write(device: str, offset: int, data: bytes) -> None:
    with open(device, "r+b") as file:  # noqa: PTH123
        file.seek(offset)
        file.write(data)


def mkfs(device: str, *options: str) -> None:
    subprocess.run(["mkfs.ext4", "-q", "-F", *options, device], check=True)


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


def test_growth_is_seen_from_a_quarter_of_a_percent_on_and_ends(device: str) -> None:
    volume.make(device, ID)
    assert not volume.can_grow(device)
    with open(device, "r+b") as file:  # noqa: PTH123
        file.truncate(192 * MIB)
    assert volume.can_grow(device)
    volume.check(device, "-f", "-p")
    volume.grow(device)
    assert not volume.can_grow(device)
    assert decide(device) == "use"


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


@pytest.mark.parametrize("in_use", [True, False])
def test_it_grows_in_use_where_the_kernel_lets_it_and_else_before_it_is_mounted(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_use: bool
) -> None:
    """On files mounting is only noted."""
    volume.make(device, ID)
    with open(device, "r+b") as file:  # noqa: PTH123
        file.truncate(192 * MIB)
    done = []

    def run(*command: str, **options: Any) -> str:
        done.append(command[0])
        return "" if command[0] == "mount" else str(content.run(*command, **options))

    monkeypatch.setattr(volume, "run", run)
    monkeypatch.setattr(volume, "may_grow_mounted", lambda: in_use)
    for name, path in (("MOUNT", "srv"), ("HOMES", "srv/home"), ("HOME", "home")):
        monkeypatch.setattr(volume, name, str(tmp_path / path))
    volume.mount(device)
    assert done == [*([] if in_use else ["resize2fs"]), "mount", "mount"]
    assert volume.can_grow(device) is in_use


DENIED = "`resize2fs /dev/volume` failed with status 1: resize2fs 1.47.2\nresize2fs: Permission denied"


@pytest.mark.parametrize(
    ("mounted", "capable", "judged"),
    [
        (
            True,
            False,
            r"let its filesystem grow in use \(resize2fs: Permission denied\): .* CAP_SYS_RESOURCE",
        ),
        (True, True, "^`resize2fs"),
        (False, False, "^`resize2fs"),
    ],
)
def test_growth_that_the_kernel_refuses_in_use_interrupts_nobody_and_says_what_would(
    device: str, monkeypatch: pytest.MonkeyPatch, mounted: bool, capable: bool, judged: str
) -> None:
    """What else resize2fs fails with is told as it is."""

    def run(*command: str) -> str:
        assert command[0] == "resize2fs", "nothing but the attempt"
        raise content.FailureError(DENIED)

    monkeypatch.setattr(volume, "run", run)
    monkeypatch.setattr(volume, "may_grow_mounted", lambda: capable)
    monkeypatch.setattr(volume, "MOUNT", "/" if mounted else "/nothing")
    with pytest.raises(content.FailureError, match=judged) as refusal:
        volume.grow(device)
    assert "damaged" not in str(refusal.value)
    assert (volume.FREE in str(refusal.value)) == (mounted and not capable)


def test_a_volume_that_does_not_appear_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume, "WAIT_SECONDS", 0)
    with pytest.raises(content.Refusal, match=rf"{ID} did not appear within 0 s as /dev/nothing; attach it"):
        volume.wait_for("/dev/nothing", ID)


def test_fstab_keeps_what_it_had_and_has_our_lines_once() -> None:
    before = "# by hand\nUUID=1 / ext4 defaults 0 1\n\ntmpfs /tmp tmpfs defaults 0 0\n"
    text = volume.fstab_text(before)
    assert text.startswith(before)
    assert volume.fstab_text(text) == text
    changed = text.replace("nodev,", "")
    assert volume.fstab_text(changed) == text


def test_what_fstab_says_of_the_volume_is_valid_and_lets_a_boot_go_on_without_it(tmp_path: Path) -> None:
    path = tmp_path / "fstab"
    path.write_text(volume.fstab_text(""))
    lines = [line.split() for line in path.read_text().splitlines()]
    assert [line[:2] for line in lines] == [
        ["LABEL=workbench-data", "/srv/workbench"],
        ["LABEL=workbench-data", "/home"],
    ]
    for line in lines:
        assert len(line) == 6
        assert {"nofail", "nodev", "nosuid"} <= set(line[3].split(","))
    assert "X-mount.subdir=home" in lines[1][3].split(",")
    done = subprocess.run(
        ["findmnt", "--verify", "--tab-file", str(path)], capture_output=True, text=True, check=False
    )
    assert "0 parse errors" in done.stdout + done.stderr


def test_a_rival_for_the_homes_in_fstab_is_refused() -> None:
    with pytest.raises(content.Refusal, match="mounts /dev/sdb on /home"):
        volume.fstab_text("/dev/sdb /home ext4 defaults 0 2\n")


def test_the_count_of_disk_by_user_comes_and_goes_with_the_kernels_support(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench_host.volume import quota

    volume.make(device, ID)
    for supported, has in ((False, False), (True, True), (True, True), (False, False)):
        monkeypatch.setattr(quota, "supported", lambda answer=supported: answer)
        quota.prepare(device)
        fields = content.superblock(device)
        assert ("quota" in fields["Filesystem features"].split()) is has
        assert (fields.get("Mount options") == "usrquota") is has
        volume.check(device, "-f", "-p")


@pytest.mark.parametrize(
    ("config", "module", "is_supported"),
    [
        ("CONFIG_QFMT_V2=y\n", False, True),
        ("CONFIG_QFMT_V2=m\n", True, True),
        ("CONFIG_QFMT_V2=m\n", False, False),
        ("# CONFIG_QFMT_V2 is not set\n", True, False),
        (None, True, False),
    ],
)
def test_a_kernel_keeps_quotas_when_it_says_so_and_has_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str | None, module: bool, is_supported: bool
) -> None:
    from workbench_host.volume import quota

    monkeypatch.setattr(quota, "CONFIG", str(tmp_path / "config"))
    monkeypatch.setattr(quota, "MODULES", str(tmp_path / "quota_v2.ko*"))
    if config is not None:
        (tmp_path / "config").write_text(config)
    if module:
        (tmp_path / "quota_v2.ko.xz").touch()
    assert quota.supported() is is_supported
