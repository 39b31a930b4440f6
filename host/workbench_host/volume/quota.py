"""ext4's count of disk by user, which has to be there before the filesystem is mounted; limits are set by `accounts`.

ext4 keeps the count in itself (feature `quota`), and the mount option that has the kernel enforce limits stands in
its superblock, so that fstab is the same everywhere. A kernel without CONFIG_QFMT_V2 refuses to mount such a
filesystem: there the feature is taken out again. Source: Linux, fs/ext4/super.c; tune2fs(8).
"""

import glob
import os
import re

from workbench_host.tools import run
from workbench_host.volume.content import superblock

FEATURE = "quota"
RELEASE = os.uname().release
CONFIG = f"/boot/config-{RELEASE}"  # as Debian's kernels have it; a kernel that tells nothing counts as one without
MODULES = f"/lib/modules/{RELEASE}/kernel/fs/quota/quota_v2.ko*"


def supported() -> bool:
    """Whether this kernel can keep quotas in ext4."""
    if not os.path.exists(CONFIG):
        return False
    with open(CONFIG) as file:
        found = re.search(r"^CONFIG_QFMT_V2=([ym])$", file.read(), re.MULTILINE)
    return found is not None and (found[1] == "y" or bool(glob.glob(MODULES)))


def prepare(device: str) -> None:
    """Gives the unmounted, checked ext4 on `device` the count by user, or takes it away where the kernel has none."""
    has = FEATURE in superblock(device)["Filesystem features"].split()
    if supported() and not has:
        run("tune2fs", "-Q", "usrquota", "-E", "mount_opts=usrquota", device)
    elif has and not supported():
        run("tune2fs", "-O", "^quota", "-E", "mount_opts=", device)
