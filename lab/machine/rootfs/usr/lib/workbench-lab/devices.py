"""Stand-in for udev inside the lab's machines: keeps what udev would keep of the EBS volumes.

The lab makes the nodes /dev/nvme<N>n1 and their links in /dev/disk/by-id; this adds /dev/disk/by-label and
by-uuid, and an entry of udev's database (/run/udev, the format of systemd 257) from which systemd makes
its device units, so that mounts by LABEL= or UUID= wait for, find and follow their device as on a real one.
Run by the lab before systemd starts and after attaching or detaching, and by workbench-lab-devices.path when
something has written to a volume (mkfs, tune2fs).
"""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

DEV = Path("/dev")
DISK = DEV / "disk"
DATABASE = Path("/run/udev/data")
TAG = Path("/run/udev/tags/systemd")


def file_system(node: Path) -> dict[str, str]:
    """ID_FS_TYPE, ID_FS_LABEL_ENC, ... of what the device holds; empty for a blank one."""
    found = subprocess.run(
        ["/usr/sbin/blkid", "-p", "-o", "udev", str(node)], capture_output=True, text=True, check=False
    )
    return dict(line.split("=", 1) for line in found.stdout.splitlines() if "=" in line)


def links_of(node: Path, properties: dict[str, str]) -> list[Path]:
    """Every link under /dev/disk that is to name the node."""
    by_id = DISK / "by-id"
    links = [link for link in sorted(by_id.iterdir()) if link.readlink().name == node.name]
    for folder, key in (("by-label", "ID_FS_LABEL_ENC"), ("by-uuid", "ID_FS_UUID_ENC")):
        if properties.get(key):
            links.append(DISK / folder / properties[key])
    return links


def entry(node: Path, links: list[Path], properties: dict[str, str]) -> str:
    """The device's text in udev's database: S = link, I = initialised, E = property, G/Q = tag, V = version."""
    lines = [f"S:{path.relative_to(DEV)}" for path in [node, *links]]
    lines += ["I:1", *(f"E:{key}={value}" for key, value in sorted(properties.items()))]
    return "\n".join([*lines, "G:systemd", "Q:systemd", "V:1"]) + "\n"


def link(path: Path, node: Path) -> None:
    """Make or turn the link, without a moment in which it is missing."""
    target = os.path.relpath(node, path.parent)
    if path.is_symlink() and str(path.readlink()) == target:
        return
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(path)


def reconcile() -> bool:
    """Bring links and database up to date; True when systemd has to look again."""
    database: dict[str, str] = {}
    links: set[Path] = set()
    for node in sorted(DEV.glob("nvme*n1")):
        number = node.stat().st_rdev
        properties = file_system(node)
        names = links_of(node, properties)
        for name in names:
            link(name, node)
        links.update(names)
        database[f"b{os.major(number)}:{os.minor(number)}"] = entry(node, names, properties)
    for stale in [*(DISK / "by-label").iterdir(), *(DISK / "by-uuid").iterdir()]:
        if stale not in links:
            stale.unlink()
    return write(database)


def write(database: dict[str, str]) -> bool:
    """Make the files of the database exactly these; True when anything changed."""
    changed = False
    for gone in {path.name for path in DATABASE.iterdir()} - set(database):
        (DATABASE / gone).unlink()
        (TAG / gone).unlink(missing_ok=True)
        changed = True
    for name, text in database.items():
        if not (DATABASE / name).exists() or (DATABASE / name).read_text() != text:
            (DATABASE / name).write_text(text)
            (TAG / name).touch()
            changed = True
    return changed


def main() -> int:
    for folder in (DATABASE, TAG, DISK / "by-id", DISK / "by-label", DISK / "by-uuid"):
        folder.mkdir(parents=True, exist_ok=True)
    # Root's alone: a lock that everybody may open is one that everybody may hold.
    with os.fdopen(os.open("/run/workbench-lab-devices.lock", os.O_WRONLY | os.O_CREAT, 0o600), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if reconcile() and Path("/run/systemd/system").is_dir():
            # Without udev nobody tells systemd: a reload makes it read the database again. By its signal, since
            # early in a boot it answers no bus yet.
            os.kill(1, signal.SIGHUP)
    return 0


if __name__ == "__main__":
    sys.exit(main())
