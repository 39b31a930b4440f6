"""Volumes and snapshots on this machine: sparse files, and loop devices while an instance uses them."""

import json
import logging
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.records import Plan, Snapshot, Volume
from lab.shell import attempt, run

log = logging.getLogger(__name__)

GIB = 1024**3
LOOP_MAJOR = 7
ATTEMPTS = 8  # to copy a disk that the kernel still writes to; its own last writes come within seconds
BLOCK = Path("/sys/block")


@dataclass(frozen=True)
class Loop:
    """A loop device of ours, and the file behind it."""

    device: str
    file: Path
    leaving: bool = False
    """Whether it was detached, and goes when its last user does."""

    @property
    def minor(self) -> int:
        return os.minor(Path(self.device).stat().st_rdev)

    def writes(self) -> tuple[str, ...]:
        """What changes with each write to the disk: counters of /sys/block/DEVICE/stat (Linux, block/stat.rst)."""
        fields = (BLOCK / Path(self.device).name / "stat").read_text().split()
        return (fields[4], fields[6], fields[8])  # writes done, sectors written, requests under way


class Disks:
    """The files of one lab's volumes and snapshots, and their loop devices."""

    def __init__(self, volumes: Path, snapshots: Path) -> None:
        self.volumes = volumes
        self.snapshots = snapshots

    def file(self, volume_id: str) -> Path:
        return self.volumes / f"{volume_id}.img"

    def snapshot_file(self, snapshot_id: str) -> Path:
        return self.snapshots / f"{snapshot_id}.img"

    def reconcile(self, plan: Plan) -> None:
        """Make every file that should be, at its size; take away those of what was deleted.

        Snapshots first: a snapshot whose call was cut off is taken now, before its volume may go. A volume's
        file is only ever removed by name (plan.doomed): a lost memory must not cost anybody a volume.
        """
        self._clear_partial()
        for snapshot in plan.snapshots.values():
            self._take(snapshot)
        for volume in plan.volumes.values():
            self._make(volume)
        for gone in plan.doomed:
            self._remove(gone)

    def untaken(self, plan: Plan) -> set[str]:
        """The volumes of which a snapshot is still to be taken."""
        return {
            snapshot.volume_id
            for snapshot in plan.snapshots.values()
            if not self.snapshot_file(snapshot.id).exists()
        }

    def _clear_partial(self) -> None:
        for folder in (self.volumes, self.snapshots):
            for left in folder.glob("*.partial"):
                left.unlink()

    def _take(self, snapshot: Snapshot) -> None:
        target = self.snapshot_file(snapshot.id)
        if target.exists():
            return
        source, loops = self.snapshot_file(snapshot.volume_id), []
        if snapshot.volume_id.startswith("vol-"):
            source = self.file(snapshot.volume_id)
            loops = [loop for loop in self.loops() if loop.file == source]
            for loop in loops:  # what the guest's file system has handed to its disk
                run(["blockdev", "--flushbufs", loop.device])
        if source.exists():
            _copy_one_moment(source, target, loops)

    def _make(self, volume: Volume) -> None:
        target, size = self.file(volume.id), volume.size_gib * GIB
        if not target.exists():
            partial = target.with_name(target.name + ".partial")
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            source = self.snapshot_file(volume.snapshot_id)
            if volume.snapshot_id and source.exists():
                _copy(source, partial)
            os.truncate(partial, size)
            partial.replace(target)
        elif target.stat().st_size < size:
            os.truncate(target, size)
            for loop in self.loops():
                if loop.file == target:
                    run(["losetup", "--set-capacity", loop.device])

    def _remove(self, resource_id: str) -> None:
        if resource_id.startswith("vol-"):
            self.detach(resource_id)
            self.file(resource_id).unlink(missing_ok=True)
        else:
            self.snapshot_file(resource_id).unlink(missing_ok=True)

    # Loop devices.

    def attach(self, volume_id: str) -> Loop:
        """The volume's loop device, made if there is none."""
        file = self.file(volume_id)
        for loop in self.loops():
            if loop.file == file and not loop.leaving:
                return loop
        return Loop(run(["losetup", "--find", "--show", str(file)]).strip(), file)

    def detach(self, volume_id: str) -> None:
        for loop in self.loops():
            if loop.file == self.file(volume_id):
                run(["losetup", "--detach", loop.device])

    def release_unused(self, used: set[str]) -> None:
        """Free every loop device of ours but those of these volumes; also of files that are gone."""
        keep = {self.file(volume_id) for volume_id in used}
        for loop in self.loops():
            if loop.file not in keep:
                # Busy is no failure: the kernel lets go of it when its last user does.
                attempt(["losetup", "--detach", loop.device])

    def loops(self) -> list[Loop]:
        """The loop devices of files in our folder.

        Told by the file itself (device and inode), not its path: a chroot's lab may have the same path. A
        file that was deleted under its device has only the path left to be told by.
        """
        listed = run(["losetup", "--json", "--list", "--output", "NAME,BACK-FILE,BACK-INO,AUTOCLEAR"]).strip()
        found = []
        for device in json.loads(listed or '{"loopdevices": []}')["loopdevices"]:
            name = str(device["back-file"] or "")
            file = Path(name.removesuffix(" (deleted)"))
            if file.parent != self.volumes:
                continue
            if name.endswith(" (deleted)") or _inode(file) == int(device["back-ino"]):
                found.append(Loop(device["name"], file, bool(device["autoclear"])))
        return found


def _inode(file: Path) -> int:
    return file.stat().st_ino if file.exists() else -1


def _copy_one_moment(source: Path, target: Path, loops: Sequence[Loop]) -> None:
    """Copy a disk as it is at one moment: again, where something was written to it meanwhile.

    So it is as AWS takes it, and as after a power cut. Whoever writes is held still (lab/world.py); what the kernel had
    to write for them already, it does within seconds.
    """
    for attempt_ in range(ATTEMPTS):
        before = [loop.writes() for loop in loops]
        _copy(source, target.with_name(target.name + ".partial"))
        if before == [loop.writes() for loop in loops]:
            break
        time.sleep(0.2 * attempt_)
    else:
        log.warning("%s was written to while it was copied: the copy is not of one moment", source.name)
    target.with_name(target.name + ".partial").replace(target)


def _copy(source: Path, target: Path) -> None:
    """Copy with its holes, beside and then into place; a snapshot half copied is none."""
    partial = target if target.name.endswith(".partial") else target.with_name(target.name + ".partial")
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    run(["cp", "--sparse=always", "--reflink=auto", str(source), str(partial)], timeout=1800)
    if partial != target:
        partial.replace(target)


def free_gib(folder: Path) -> float:
    """GiB free where the folder is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / GIB
