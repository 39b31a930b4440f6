"""Disk quota by user on the data volume, counted by the owner of each file, wherever on the volume it lies.

The volume's filesystem keeps the count since before it was mounted (workbench_host/volume/quota.py). Limits are
set here; the kernel enforces them. Who may have a share of the volume's bytes may have the same share of its inodes,
of which ext4 makes one for each 16 KiB (mke2fs.conf(5), inode_ratio) and never more: empty files cost no bytes, but
without inodes nobody can make a file, the hub's database included.
"""

import csv
import os
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from workbench_host.tools import DATA_VOLUME as VOLUME
from workbench_host.tools import FailureError, run

EXT4 = "/proc/fs/ext4"
KIB_PER_GIB = 1024**2
MOST_INODES = 0.95  # of all: of bytes ext4 keeps 1 % for root (mkfs.ext4 -m 1), of inodes it keeps none


@dataclass(frozen=True)
class Limit:
    """The hard limits of a user, 0 is none: KiB, and inodes, which are files, folders and links."""

    kib: int = 0
    inodes: int = 0


@dataclass(frozen=True)
class Share:
    """What a user has on the volume: KiB that are used, and the limits."""

    used: int
    limit: Limit


def shares() -> dict[int, Share] | None:
    """The Share of each uid that has files or a limit; None where the kernel counts and enforces nothing."""
    if not is_enforced():
        return None
    # --verbose: also those who have a limit and no file, or it would be set again each time
    return parse(run("repquota", "--verbose", "--user", "--no-names", "--output=csv", VOLUME))


def is_enforced() -> bool:
    """Whether the kernel enforces limits on the volume.

    Of ext4's options /proc/mounts leaves out those that are the superblock's own, as ours is (seen with Linux 6.1);
    /proc/fs/ext4 has all of them, a line each.
    """
    device = os.path.realpath(run("findmnt", "-rn", "-o", "SOURCE", VOLUME).strip())
    try:
        return "usrquota" in Path(f"{EXT4}/{os.path.basename(device)}/options").read_text().splitlines()
    except OSError:
        return False


def parse(report: str) -> dict[int, Share]:
    """Shares from what `repquota --no-names --output=csv` prints: users as #UID, sizes in KiB."""
    rows = csv.DictReader(report.splitlines())
    return {
        int(row["User"].lstrip("#")): Share(
            int(row["BlockUsed"]), Limit(int(row["BlockHardLimit"]), int(row["FileHardLimit"]))
        )
        for row in rows
    }


def limit_of(disk_gib: int) -> Limit:
    """So many GiB, and as large a share of the volume's inodes as that is of its bytes."""
    volume = os.statvfs(VOLUME)
    share = disk_gib * KIB_PER_GIB * 1024 / (volume.f_blocks * volume.f_frsize)
    return Limit(disk_gib * KIB_PER_GIB, int(min(share, MOST_INODES) * volume.f_files))


def wrong(disk_gib: int | None, uids: Collection[int]) -> dict[int, Limit]:
    """The limit to set for each uid that has another one. Raises FailureError where one is wanted and cannot be had.

    A container has its machine's kernel, about which nothing can be done here: there a limit is left out.
    """
    there = shares()
    if there is None:
        if disk_gib is None or is_container():
            return {}
        raise FailureError(
            f"limits.diskGib is {disk_gib}, but the data volume was mounted without quota; `workbench destroy` and "
            "`workbench up` (data stays) prepare it where the kernel has CONFIG_QFMT_V2; or leave limits.diskGib out"
        )
    limit = limit_of(disk_gib) if disk_gib else Limit()
    return {uid: limit for uid in uids if there.get(uid, Share(0, Limit())).limit != limit}


def is_container() -> bool:
    return subprocess.run(["systemd-detect-virt", "--container", "--quiet"], check=False).returncode == 0


def apply(due: dict[int, Limit]) -> None:
    """Sets limits, in one call however many."""
    if due:
        lines = "".join(f"{uid} 0 {due[uid].kib} 0 {due[uid].inodes}\n" for uid in sorted(due))
        run("setquota", "--user", "--batch", VOLUME, given=lines)
        print(f"quota of {len(due)} users")
