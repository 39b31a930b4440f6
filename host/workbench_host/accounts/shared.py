"""What users have together: a folder for everybody and one for each group, where what one makes all may change."""

import os
from collections.abc import Mapping

from workbench_host.accounts.records import EVERYBODY
from workbench_host.tools import DATA_VOLUME, FailureError, run

SHARED = f"{DATA_VOLUME}/shared"
LINK = "/etc/skel/shared"  # so that every new home has ~/shared
MODE = 0o2770  # setgid: what is made inside belongs to the group
DEFAULT_ACL = (
    "default:user::rwx,default:group::rwx,default:other::---"  # ... who may write it, whatever the umask
)
ACL = "system.posix_acl_default"


def link() -> None:
    """The way to the shared folders from new homes."""
    if not os.path.islink(LINK):
        os.symlink(SHARED, LINK)


def folders(gids: Mapping[str, int], system_gids: Mapping[str, int]) -> dict[str, int]:
    """The shared folders and their groups' numbers: "everybody", and every group that is or was declared."""
    names = {"everybody": system_gids.get(EVERYBODY, -1), **gids}
    return {f"{SHARED}/{name}": gid for name, gid in names.items()}


def is_right(path: str, gid: int) -> bool:
    """Whether a folder is there with its group. What root has added to its ACL stays."""
    if not os.path.isdir(path):
        return False
    found = os.stat(path)
    return found.st_gid == gid and found.st_mode & MODE == MODE and ACL in os.listxattr(path)


def apply(wanted: Mapping[str, int]) -> None:
    """Makes or mends the folders. Nobody can enter one before it is complete: its mode comes last."""
    for path, gid in wanted.items():
        if not is_right(path, gid):
            os.makedirs(SHARED, mode=0o755, exist_ok=True)
            if os.path.lexists(path) and not os.path.isdir(path):
                raise FailureError(f"{path} is in the place of a shared folder; move it away")
            os.makedirs(path, mode=0o700, exist_ok=True)
            os.chown(path, 0, gid)
            run("setfacl", "--modify", DEFAULT_ACL, path)
            os.chmod(path, MODE)
            print(f"shared folder {path}")
