"""volume-copy ...: a copy of the data volume, made from a snapshot and attached as a second disk, is looked into.

    take VOLUME_ID DEVICE SECONDS   waits for it, and gives its filesystem another name
    look DEVICE                     checks its filesystem, and counts what a data volume has
    bring DEVICE USER NAME [PATH]   copies a home, or what is at PATH in it, into the living home as NAME

Each says what it did as JSON. `take` comes first, and is started before the copy is attached: a copy has the label that
the homes are mounted by, and the server could start again at any moment. The other two are run in a mount namespace of
their own (unshare --mount), so that nobody sees the copy, and it is free as soon as they have ended, however.
"""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from workbench_host.tools import DATA_VOLUME, LONGEST_FOLDER, FailureError, reason, remove_tree, run
from workbench_host.volume.content import superblock

COPY_LABEL = "workbench-copy"
POINT = "/run/workbench-copy"
OPTIONS = "ro,noload,nosuid,nodev,noexec"  # noload: the journal was replayed when it got its label
STAGE = f"{DATA_VOLUME}/restoring"  # root's: nobody can put a link in the way of what is copied
REGISTRY = "users/registry.json"
HUB = "jupyterhub/jupyterhub.sqlite"
ROOM = 0.02  # of the volume, that stays free


def require_copy(device: str) -> None:
    """Raises FailureError where the device is what people work on, however it came to be named here."""
    if os.stat(device).st_rdev == os.stat(DATA_VOLUME).st_dev:
        raise FailureError(f"{device} is the data volume itself, which is mounted on {DATA_VOLUME}")


def take(volume: str, device: str, seconds: str) -> dict[str, Any]:
    """The label that it had, and whether its journal had to be replayed, as after a power cut."""
    print(json.dumps({"waiting": volume}), flush=True)
    deadline = time.monotonic() + float(seconds)
    while not os.path.exists(device):
        if time.monotonic() > deadline:
            raise FailureError(f"the copy {volume} did not appear within {seconds} s as {device}")
        time.sleep(0.05)
    require_copy(device)
    fields = superblock(device)
    run("tune2fs", "-L", COPY_LABEL, device)  # which replays the journal first
    run("sync", device)
    label = fields.get("Filesystem volume name", "")
    return {"label": label, "replayed": "needs_recovery" in fields["Filesystem features"].split()}


def mount(device: str) -> None:
    require_copy(device)
    os.makedirs(POINT, mode=0o700, exist_ok=True)
    run("mount", "-t", "ext4", "-o", OPTIONS, device, POINT)


def look(device: str) -> dict[str, Any]:
    """What is wrong with the filesystem ("" if nothing), the homes and accounts that it has, the space that is used."""
    require_copy(device)
    # As at a start: files that were deleted while they were open are let go of. Then there is nothing left to mend.
    wrong = fsck(device, "-p", okay=(0, 1)) or fsck(device, "-f", "-n", okay=(0,))
    mount(device)
    space = os.statvfs(POINT)
    return {
        "wrong": wrong,
        "homes": len(homes()),
        "accounts": accounts(),
        "hub": hub(),
        "used_gib": round((space.f_blocks - space.f_bfree) * space.f_frsize / 1024**3, 2),
    }


def fsck(device: str, *options: str, okay: tuple[int, ...]) -> str:
    """What e2fsck says where it does not end with one of `okay` (e2fsck(8)), else ""."""
    done = subprocess.run(["e2fsck", *options, device], capture_output=True, text=True, check=False)
    said = " ".join((done.stdout + done.stderr).split())[-400:]
    return "" if done.returncode in okay else f"e2fsck ended with status {done.returncode}: {said}"


def homes() -> list[str]:
    """The names of the homes on the copy."""
    try:
        found = os.scandir(f"{POINT}/home")
    except FileNotFoundError:
        return []
    return sorted(
        entry.name for entry in found if entry.is_dir(follow_symlinks=False) and entry.name[0] != "."
    )


def accounts() -> int | None:
    """How many accounts its registry has; None where it has none that can be read."""
    try:
        return len(json.loads(Path(POINT, REGISTRY).read_text())["users"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def hub() -> str:
    """What SQLite says of the hub's database: "ok", or what is wrong; "none" where there is none.

    Of a copy of it, since a database that was cut off in a write puts itself in order first.
    """
    files = [file for file in Path(POINT, HUB).parent.glob(f"{Path(HUB).name}*") if file.is_file()]
    if not files:
        return "none"
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            shutil.copy(file, folder)
        try:
            database = sqlite3.connect(Path(folder) / Path(HUB).name)
            return str(database.execute("PRAGMA quick_check").fetchone()[0])
        except sqlite3.DatabaseError as error:
            return str(error)


def bring(device: str, user: str, name: str, path: str = "") -> dict[str, Any]:
    """Where it is now. Copied where only root can be, then moved into the home whole, in one step."""
    home = f"{DATA_VOLUME}/home/{user}"
    if user in ("", ".", "..") or "/" in user:  # or it were everybody's homes, or all that is on the volume
        raise FailureError(f"{user!r} is no name of a user")
    if stat.S_ISLNK(
        mode_of(home)
    ):  # a name that its user had before; only root can make one there (accounts/renaming.py)
        home = f"{DATA_VOLUME}/home/{os.path.basename(os.readlink(home))}"
    if not stat.S_ISDIR(mode_of(home)):
        raise FailureError(f"{user} has no home on this workbench that it could be put into")
    mount(device)
    source = inside(user, path)
    require_short_paths(source)
    if not remove_tree(STAGE):  # of a run that died
        raise FailureError(f"{STAGE} cannot be removed: it has what an earlier run left")
    os.makedirs(STAGE, mode=0o700)
    try:
        need_room(source)
        copied = f"{STAGE}/{name}"
        if path:
            owner = os.lstat(home)
            os.mkdir(copied, 0o700)
            run("cp", "--archive", "--", source, copied)
            os.chown(copied, owner.st_uid, owner.st_gid)
        else:
            run("cp", "--archive", "--no-target-directory", "--", source, copied)
        run("sync", "--file-system", STAGE)
        return {"path": f"/home/{user}/{moved(copied, home, name)}"}
    finally:
        remove_tree(STAGE)


def mode_of(path: str) -> int:
    """Its own, not that of where it leads to; 0 where there is nothing."""
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def inside(user: str, path: str) -> str:
    """What is at the path in the home on the copy. Raises FailureError where there is nothing, or a link on the way.

    A link that a user made would lead root out of the copy, to what is not the user's.
    """
    if not stat.S_ISDIR(mode_of(f"{POINT}/home/{user}")):
        raise FailureError(
            f"the snapshot has no home of {user}; it has {', '.join(homes()) or 'none at all'}"
        )
    found, parts = f"{POINT}/home/{user}", [part for part in path.split("/") if part not in ("", ".")]
    for number, part in enumerate(parts, 1):
        found = f"{found}/{part}"
        mode = mode_of(found)
        if part == ".." or not mode:
            raise FailureError(f"the snapshot has no {path} in the home of {user}")
        if stat.S_ISLNK(mode) and number < len(parts):
            raise FailureError(f"{'/'.join(parts[:number])} is a link in the snapshot; name what it leads to")
    return found


def require_short_paths(source: str) -> None:
    """Raises FailureError where folders lie deeper than cp(1) reads, before anything is copied."""
    pending = [source] if stat.S_ISDIR(mode_of(source)) else []
    while pending:
        folder = pending.pop()
        if len(os.fsencode(folder)) > LONGEST_FOLDER:
            top = "/".join(folder.removeprefix(f"{POINT}/home/").split("/")[:3])
            raise FailureError(
                f"folders lie too deep in {top!r} in the snapshot to be copied (more than {LONGEST_FOLDER:,} bytes of "
                "path); name another file or folder of the home"
            )
        pending += [entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]


def need_room(source: str) -> None:
    """Raises FailureError where the copy would fill the volume."""
    counted = run("du", "--summarize", "--block-size=1", "--", source)
    space = os.statvfs(DATA_VOLUME)
    free = space.f_bavail * space.f_frsize - space.f_blocks * space.f_frsize * ROOM
    needed = int(counted.split()[0])
    if needed > free:
        raise FailureError(
            f"it takes {needed / 1024**3:.1f} GiB, and the data volume has {max(0, free) / 1024**3:.1f} GiB to spare; "
            "raise dataVolumeGib, or name less than the whole home"
        )


def moved(copied: str, home: str, name: str) -> str:
    """Puts it into the home under its name, or with a number where that is taken; gives back which.

    By the home's own descriptor: nobody but root can replace the home itself, and a rename follows no link in it.
    """
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        number, wanted, taken = 1, name, set(os.listdir(folder))
        while wanted in taken:
            number += 1
            wanted = f"{name}-{number}"
        os.rename(copied, wanted, dst_dir_fd=folder)
    finally:
        os.close(folder)
    return wanted


def main(arguments: Sequence[str]) -> int:
    verbs: dict[str, Callable[..., dict[str, Any]]] = {"take": take, "look": look, "bring": bring}
    try:
        print(json.dumps(verbs[arguments[0]](*arguments[1:])), flush=True)
    except (FailureError, OSError) as failure:
        print(f"{reason(failure)}.", file=sys.stderr)
        return 1
    return 0
