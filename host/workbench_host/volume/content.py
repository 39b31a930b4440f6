"""What is on the data volume's device, and whether a filesystem may be made there. Nothing here writes."""

import glob
import os
from dataclasses import dataclass

from workbench_host.tools import FailureError, run

LABEL = "workbench-data"
EBS_DEVICES = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_*"
MIB = 1024 * 1024
SAMPLES = 256  # read of a device that may be blank


class Refusal(FailureError):  # noqa: N818 - it refuses, it has not erred
    """A state that needs a person; the text says what was found and what would be right."""


@dataclass(frozen=True)
class Found:
    """What is on a device: the signatures that blkid and wipefs see, whether it is zeros, and the ext4 on it."""

    signatures: tuple[str, ...] = ()
    zeros: bool = True
    ext4: bool = False
    label: str = ""
    mounts: int = 0  # how often it was mounted, by its superblock
    others: tuple[str, ...] = ()  # other attached volumes with our label


def decide(found: Found, volume: str, begun: str | None) -> str:
    """ "use" or "make" for a device where `found` is what there is, `begun` the volume that the marker names.

    Raises Refusal for everything that may be somebody's data.
    """
    if found.others:
        raise Refusal(
            f"two attached volumes have a filesystem labelled {LABEL}: {volume} and {', '.join(found.others)}; "
            "detach the one that is not this workbench's"
        )
    if found.ext4 and found.label == LABEL:
        return "use"
    if not found.signatures and found.zeros:
        return "make"
    half_made = found.mounts == 0 and found.label == "" and (found.ext4 or not found.signatures)
    if begun == volume and half_made:
        return "make"
    what = ", ".join(found.signatures) or "data of no known kind"
    name = f" labelled {found.label!r}" if found.label else ""
    raise Refusal(
        f"the data volume {volume} is not blank: it holds {what}{name}; nothing was written to it. It takes a blank "
        f"volume or one with an ext4 filesystem labelled {LABEL}: if what is on it may go, run `wipefs --all` and "
        "`blkdiscard --zeroout` on it, if it is the workbench's own, see docs/host.md"
    )


def size_of(device: str) -> int:
    """Size of a block device in bytes."""
    with open(device, "rb") as file:
        return file.seek(0, os.SEEK_END)


def look(device: str) -> Found:
    """What is on the device; reads only."""
    probed = run("blkid", "-p", "-o", "export", device, okay=(0, 2, 8))
    values = dict(line.split("=", 1) for line in probed.splitlines() if "=" in line)
    seen = [values[key] for key in ("TYPE", "PTTYPE") if key in values]
    listed = run("wipefs", "-n", "--noheadings", "-O", "TYPE", device).split()
    signatures = tuple(dict.fromkeys([*seen, *listed]))
    ext4 = values.get("TYPE") == "ext4"
    mounts = int(superblock(device).get("Mount count", "0")) if ext4 else 0
    return Found(signatures, is_zero(device), ext4, values.get("LABEL", ""), mounts, namesakes(device))


def is_zero(device: str) -> bool:
    """Whether the first and the last MiB are zeros, and samples from all over the device: data of no known kind shows
    there."""
    size = size_of(device)
    samples = [(size * part // SAMPLES, 64 * 1024) for part in range(1, SAMPLES)]
    with open(device, "rb") as file:
        for start, length in [(0, MIB), (max(0, size - MIB), MIB), *samples]:
            file.seek(start)
            if any(file.read(length)):
                return False
    return True


def superblock(device: str) -> dict[str, str]:
    """The fields of an ext4 superblock, by the names that dumpe2fs gives them."""
    lines = run("dumpe2fs", "-h", device).splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def namesakes(device: str) -> tuple[str, ...]:
    """Other attached EBS volumes, or partitions of them, whose filesystem has our label."""
    own = os.stat(device).st_rdev
    found: dict[int, str] = {}
    for link in sorted(glob.glob(EBS_DEVICES)):
        number = os.stat(link).st_rdev if os.path.exists(link) else own
        if (
            number != own
            and run("blkid", "-p", "-s", "LABEL", "-o", "value", link, okay=(0, 2, 8)).strip() == LABEL
        ):
            found.setdefault(number, os.path.basename(link).rpartition("_")[2].replace("vol", "vol-", 1))
    return tuple(found.values())
