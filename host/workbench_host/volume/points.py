"""The folders that the data volume is mounted on: below the mount nobody writes, root included.

Modes keep users out and not root, so that a program of root's would fill the system's disk where the volume is missing,
and what it wrote would be hidden once that is there. An immutable folder (chattr(1)) takes no file from anybody; being
mounted on does not touch it. Where the system's filesystem knows no such attribute, the modes are all there is.
"""

import os
import subprocess

MODE = 0o555  # for all to read, for nobody to write
# The system's disk without what is mounted on it, as this command alone sees it.
BARE = 'mount --bind / "$0" && for path; do {}; done'
CLOSE = 'chmod 555 "$0$path" && { chattr +i "$0$path" 2>/dev/null || true; }'
TELL = 'stat -c %a "$0$path"; lsattr -d "$0$path" 2>/dev/null || echo -----'
PLACE = "/run/workbench-bare"


def make(path: str) -> None:
    """Makes the folder, where it is not there, and closes it; nothing is mounted on it."""
    os.makedirs(path, exist_ok=True)
    if not is_closed(path):
        below(CLOSE, path)


def close(*paths: str) -> None:
    """Closes the folders, whatever is mounted on them."""
    below(CLOSE, *paths)


def is_closed(*paths: str) -> bool:
    """Whether all are closed, as far as their filesystem can have it."""
    told = below(TELL, *paths).splitlines()
    modes, attributes = told[::2], told[1::2]
    can = [words.split()[0] for words in attributes]
    return len(modes) == len(paths) and all(
        mode == f"{MODE:o}" and ("i" in flags or flags == "-----")
        for mode, flags in zip(modes, can, strict=True)
    )


def below(script: str, *paths: str) -> str:
    """What a line of shell says of each path on the system's own disk; empty where it fails."""
    os.makedirs(PLACE, mode=0o700, exist_ok=True)
    line = ["unshare", "--mount", "--propagation", "private", "sh", "-c", BARE.format(script), PLACE, *paths]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""
