"""Homes: made whole, and moved whole into an archive. A home goes only after its archive was compared with it."""

import itertools
import os
import shutil
import stat
import subprocess
import tarfile
import time
from collections.abc import Iterator

from workbench_host.accounts.system import GONE, HOMES, LEAVING
from workbench_host.tools import DATA_VOLUME as VOLUME
from workbench_host.tools import LONGEST_FOLDER, FailureError, remove_tree, run, sync_folder

SKELETON = "/etc/skel"
ARCHIVES = f"{VOLUME}/archive"
TAR = ("tar", "--acls", "--xattrs", "--numeric-owner", f"--directory={LEAVING}")


def make_home(name: str, uid: int) -> None:
    """Made beside and renamed, so that a home is whole whenever it exists.

    A folder becomes the user's after all that is in it: what is still to be done in it nobody can put a link for.
    """
    beside = f"{HOMES}/.{name}.new"
    remove_tree(beside)
    shutil.copytree(SKELETON, beside, symlinks=True)
    for folder, folders, files in os.walk(beside, topdown=False):
        links = [inner for inner in folders if os.path.islink(os.path.join(folder, inner))]
        for inner in (*files, *links):
            os.lchown(os.path.join(folder, inner), uid, uid)
        if folder == beside:
            os.chmod(beside, 0o700)
        os.lchown(folder, uid, uid)
    if os.path.islink(f"{HOMES}/{name}"):  # from when somebody else had this name (renaming.py)
        os.unlink(f"{HOMES}/{name}")
    os.rename(beside, f"{HOMES}/{name}")


def archive_home(name: str, _: object) -> None:
    """Moves the home of a closed account into /srv/workbench/archive/NAME-TIME.tar.zst (root only) and says so.

    First it goes where its user cannot write any more, whatever still runs. The archive is written under another name,
    compared by tar, its list compared as well, and on the disk before it gets its own; only then the home is deleted.
    Killed anywhere in between, the home is whole or the archive is, and the next run goes on.
    """
    os.makedirs(ARCHIVES, mode=0o700, exist_ok=True)
    os.makedirs(LEAVING, mode=0o700, exist_ok=True)
    home = f"{LEAVING}/{name}"
    if not os.path.lexists(home):
        os.rename(f"{VOLUME}/home/{name}", home)
    members = inventory(name)
    need_room(name)
    beside = f"{ARCHIVES}/.{name}.new"
    path = f"{ARCHIVES}/{name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar.zst"
    os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    run(*TAR, "--create", "--zstd", "--sparse", "--warning=no-file-ignored", f"--file={beside}", name)
    run(*TAR, "--compare", "--zstd", f"--file={beside}")
    if listed(beside) != members:
        raise FailureError(f"the archive {beside} lacks files of {home}; both were left as they are")
    run("sync", beside)
    os.rename(beside, path)
    sync_folder(ARCHIVES)
    os.makedirs(GONE, mode=0o700, exist_ok=True)
    os.rename(home, f"{GONE}/{name}")
    print(f"the home of {name} is now in {path}")
    drop_archived(name, None)


def return_home(name: str, _: object) -> None:
    """Brings back the home of a user who is not to be removed after all, whose archive was not finished.

    What lay too deep for an archive (`raised`) stays at its top.
    """
    os.rename(f"{LEAVING}/{name}", f"{VOLUME}/home/{name}")


def drop_archived(name: str, _: object) -> None:
    """Deletes a home that is in its archive."""
    if not remove_tree(f"{GONE}/{name}"):
        raise FailureError(
            f"{GONE}/{name} cannot be removed; what is in it is in the archive of the home of {name}"
        )


def inventory(name: str) -> set[str]:
    """Paths of all that tar keeps of a leaving home, which begin with its name: everything but sockets.

    All are short enough for tar afterwards: what lies deeper is moved to the top of the home.

    Raises FailureError where something else is mounted in it, which would be archived and then be in the way.
    """
    found, pending, numbers = set(), [name], itertools.count(1)
    device = os.lstat(f"{LEAVING}/{name}").st_dev
    while pending:
        path = pending.pop()
        found.add(path)
        if len(os.fsencode(path)) > LONGEST_FOLDER:
            path = raised(name, path, numbers)
            found.add(path)
        for entry in os.scandir(f"{LEAVING}/{path}"):
            inner = f"{path}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if entry.stat(follow_symlinks=False).st_dev != device:
                    raise FailureError(
                        f"something is mounted on {LEAVING}/{inner}; unmount it, then deploy again"
                    )
                pending.append(inner)
            elif not stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode):
                found.add(inner)
    return found


def raised(name: str, path: str, numbers: Iterator[int]) -> str:
    """Moves a folder of a leaving home to the home's top; gives back its path there, which a link in its place names.

    It follows no link on the way, which a process of the user's that still stands in the home could put there.
    """
    top = f"{LEAVING}/{name}"
    free = next(one for one in map("too-deep-{}".format, numbers) if not os.path.lexists(f"{top}/{one}"))
    *parents, last = path.split("/")
    folder = os.open(LEAVING, os.O_PATH)
    try:
        for parent in parents:
            inner = os.open(parent, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        os.rename(last, f"{top}/{free}", src_dir_fd=folder)
        os.symlink(free, last, dir_fd=folder)
    finally:
        os.close(folder)
    return f"{name}/{free}"


def listed(path: str) -> set[str]:
    """The paths in an archive."""
    with (
        subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE) as unpacked,
        tarfile.open(fileobj=unpacked.stdout, mode="r|", errors="surrogateescape") as archive,
    ):
        return {member.name for member in archive}


def need_room(name: str) -> None:
    """Raises FailureError unless the volume can take the home a second time, which it needs at the worst."""
    used = int(run("du", "--summarize", "--block-size=1", f"{LEAVING}/{name}").split()[0])
    found = os.statvfs(ARCHIVES)
    free = found.f_bavail * found.f_frsize
    if free < used:
        gib = 1024**3
        raise FailureError(
            f"the home of {name} has {used / gib:.1f} GiB, and only {free / gib:.1f} GiB are free on the data volume "
            "for its archive; grow dataVolumeGib, then deploy again"
        )
