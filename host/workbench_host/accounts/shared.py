"""What users have together: a folder for everybody and one for each group, where what one makes all may change.

Each is mounted once more on itself. link(2) and rename(2) refuse to go from one mount to another (EXDEV), whatever is
mounted: so nobody has a second name of a file of the group's, in the folder for temporary files, another group's or
everybody's, by which its owner could still write to it after leaving the group.
"""

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


def joined() -> list[str]:
    """The folders that are no mounts of their own, also those that somebody made beside ours, as only root can.

    os.path.ismount does not see mounts of the filesystem that is around them.
    """
    folders = (
        sorted(entry.path for entry in os.scandir(SHARED) if entry.is_dir()) if os.path.isdir(SHARED) else []
    )
    return [path for path in folders if mount_of(path) == mount_of(SHARED)]


def mount_of(path: str) -> str:
    """The number of the mount that a folder is in (proc(5), /proc/PID/fdinfo)."""
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY)
    try:
        with open(f"/proc/self/fdinfo/{descriptor}") as file:
            return dict(line.split(":", 1) for line in file)["mnt_id"].strip()
    finally:
        os.close(descriptor)


def apply(wanted: Mapping[str, int]) -> None:
    """Makes or mends the folders. Nobody can enter one before it is complete: its mode comes last."""
    for path, gid in wanted.items():
        if not is_right(path, gid):
            os.makedirs(SHARED, mode=0o755, exist_ok=True)
            if os.path.lexists(path) and not os.path.isdir(path):
                raise FailureError(f"{path} is in the place of a shared folder; move it away")
            os.makedirs(path, mode=0o700, exist_ok=True)
            set_apart()
            os.chown(path, 0, gid)
            run("setfacl", "--modify", DEFAULT_ACL, path)
            os.chmod(path, MODE)
            print(f"shared folder {path}")
    set_apart()


def set_apart() -> None:
    """Mounts the folders on themselves, where they are not; what is open in them goes on as it was."""
    for path in joined():
        run("mount", "--bind", path, path)
