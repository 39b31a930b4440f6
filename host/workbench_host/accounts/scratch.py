"""A folder for each user's temporary files (TMPDIR), on the data volume, where the user's quota holds for it too."""

import os
import stat
from collections.abc import Mapping

from workbench_host.tools import DATA_VOLUME, FailureError

SCRATCH = f"{DATA_VOLUME}/tmp"  # noqa: S108 - root's, so that nobody can put something else in the place of a folder


def wrong(uids: Mapping[str, int]) -> dict[str, int]:
    """Those of the users (uids by name) whose folder is not there, or not theirs."""
    return {name: uid for name, uid in uids.items() if not is_right(name, uid)}


def is_right(name: str, uid: int) -> bool:
    """Whether it is a folder of the user's. It is made for the user alone; to whom its owner opens it is theirs to say.

    No user can make one that is not: the folder above is root's.
    """
    try:
        found = os.lstat(f"{SCRATCH}/{name}")
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid


def apply(uids: Mapping[str, int]) -> None:
    """Makes the folders. The user gets it last, so that nothing in it can be the user's before it is complete."""
    for name, uid in wrong(uids).items():
        path = f"{SCRATCH}/{name}"
        os.makedirs(SCRATCH, mode=0o755, exist_ok=True)
        os.chmod(SCRATCH, 0o711)  # noqa: S103 - to be passed through, not listed
        if os.path.lexists(path) and not stat.S_ISDIR(os.lstat(path).st_mode):
            raise FailureError(f"{path} is in the place of a user's temporary folder; move it away")
        os.makedirs(path, mode=0o700, exist_ok=True)
        os.chmod(path, 0o700)
        os.chown(path, uid, uid)
        print(f"temporary folder of {name}")
