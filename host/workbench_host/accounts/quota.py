"""Disk quota by user on the data volume, counted by the owner of each file, wherever on the volume it lies.

The volume's filesystem keeps the count since before it was mounted (workbench_host/volume/quota.py). Limits are
set here; the kernel enforces them.
"""

import csv
import subprocess
from collections.abc import Collection
from dataclasses import dataclass

from workbench_host.tools import DATA_VOLUME as VOLUME
from workbench_host.tools import FailureError, run

KIB_PER_GIB = 1024**2


@dataclass(frozen=True)
class Share:
    """What a user has on the volume, in KiB: used, and the hard limit (0 is none)."""

    used: int
    limit: int


def shares() -> dict[int, Share] | None:
    """The Share of each uid that has files or a limit; None where the kernel counts and enforces nothing."""
    if "usrquota" not in run("findmnt", "-rn", "-o", "OPTIONS", VOLUME).strip().split(","):
        return None
    return parse(run("repquota", "--user", "--no-names", "--output=csv", VOLUME))


def parse(report: str) -> dict[int, Share]:
    """Shares from what `repquota --no-names --output=csv` prints: users as #UID, sizes in KiB."""
    rows = csv.DictReader(report.splitlines())
    return {
        int(row["User"].lstrip("#")): Share(int(row["BlockUsed"]), int(row["BlockHardLimit"])) for row in rows
    }


def wrong(disk_gib: int | None, uids: Collection[int]) -> dict[int, int]:
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
    kib = (disk_gib or 0) * KIB_PER_GIB
    return {uid: kib for uid in uids if there.get(uid, Share(0, 0)).limit != kib}


def is_container() -> bool:
    return subprocess.run(["systemd-detect-virt", "--container", "--quiet"], check=False).returncode == 0


def apply(due: dict[int, int]) -> None:
    """Sets limits, in one call however many."""
    if due:
        lines = "".join(f"{uid} 0 {kib} 0 0\n" for uid, kib in sorted(due.items()))
        run("setquota", "--user", "--batch", VOLUME, given=lines)
        print(f"quota of {len(due)} users")
