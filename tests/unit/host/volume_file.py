"""A file in the place of the data volume: blkid, wipefs, mkfs and dumpe2fs take either."""

import subprocess

from tests.needs import needs
from workbench_host.volume import content
from workbench_host.volume import program as volume

ID = "vol-0123456789abcdef0"
MIB = 1024 * 1024
NEEDED = needs("blkid", "wipefs", "mkfs.ext4", "dumpe2fs")


def decide(device: str) -> str:
    decision: str = content.decide(content.look(device), ID, volume.begun())
    return decision


def write(device: str, offset: int, data: bytes) -> None:
    with open(device, "r+b") as file:  # noqa: PTH123
        file.seek(offset)
        file.write(data)


def mkfs(device: str, *options: str) -> None:
    subprocess.run(["mkfs.ext4", "-q", "-F", *options, device], check=True)
