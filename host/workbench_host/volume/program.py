"""volume [--check] VOLUME_ID DEVICE: the data volume has a filesystem, is mounted with the homes, and is used whole.

A filesystem is made on a blank device only; whatever else is found there is refused. Because this program can be
killed while it makes one, it first notes so on the system's disk (MARKER), and gives the filesystem its label last: so
one with the label is whole, and one without that this server began may be made again, for nobody can have mounted it.

With --check nothing is changed: 0 says that all is as it should be, 3 that something would change.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from workbench_host.tools import CLEAN, WOULD_CHANGE, FailureError, run, sync_folder, write
from workbench_host.tools import DATA_VOLUME as MOUNT
from workbench_host.volume import points, quota
from workbench_host.volume.content import (
    LABEL,
    MIB,
    Found,
    Refusal,
    decide,
    look,
    namesakes,
    size_of,
    superblock,
)

HOMES = f"{MOUNT}/home"
HOME = "/home"
FSTAB = "/etc/fstab"
MARKER = "/var/lib/workbench/formatting.json"

OPTIONS = "defaults,nodev,nosuid"
# A bind mount of HOMES would be made by systemd even where nothing is mounted on MOUNT, out of the system's disk.
HOME_OPTIONS = f"{OPTIONS},X-mount.subdir=home"
WAIT_SECONDS = 120  # a volume that is being attached shows within seconds; a busy instance may take longer
BOOT_SECONDS = 10  # an attached one is there at once, and nobody can log in while systemd waits for /home
GROWTH = 16 * MIB  # EBS grows by whole GiB; less than this is what ext4 leaves over at the end of a device

REPAIRED, RESTART, DAMAGED = 1, 2, 4  # of what e2fsck's status is the sum
# Ends all that uses the volume and unmounts it, as a unit of its own: the session that asks for it ends, too.
FREE = "sudo systemd-run sh -c 'systemctl stop user.slice; systemctl stop home.mount srv-workbench.mount'"

FSTAB_LINES = (
    f"LABEL={LABEL} {MOUNT} ext4 {OPTIONS},nofail,x-systemd.device-timeout={BOOT_SECONDS}s 0 2",
    f"LABEL={LABEL} {HOME} ext4 {HOME_OPTIONS},nofail,x-systemd.device-timeout={BOOT_SECONDS}s 0 2",
)


def fstab_text(text: str) -> str:
    """The text of fstab with our lines in it, once, and all others as they were. Raises Refusal for rival lines."""
    targets = {line.split()[1]: line for line in FSTAB_LINES}
    kept = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and not line.lstrip().startswith("#") and words[1] in targets:
            if words[0] != targets[words[1]].split()[0]:
                raise Refusal(
                    f"{FSTAB} mounts {words[0]} on {words[1]}, which the data volume needs; remove that line"
                )
            continue
        kept.append(line)
    return "".join(f"{line}\n" for line in [*kept, *FSTAB_LINES])


def read(path: str) -> str:
    with contextlib.suppress(FileNotFoundError), open(path) as file:
        return file.read()
    return ""


def begun() -> str | None:
    """The volume on which this server began to make a filesystem and did not finish."""
    text = read(MARKER)
    return json.loads(text)["volume"] if text else None


def wait_for(device: str, volume: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not os.path.exists(device):
        if time.monotonic() > deadline:
            raise Refusal(
                f"the data volume {volume} did not appear within {WAIT_SECONDS} s as {device}; attach it to this "
                "server (`pulumi up` does), then deploy again"
            )
        time.sleep(0.5)


def make(device: str, volume: str) -> None:
    """Makes the filesystem: marker first, label last. 1 % stays for root, so that full homes stop no service."""
    os.makedirs(os.path.dirname(MARKER), exist_ok=True)
    write(MARKER, json.dumps({"volume": volume}))
    run("mkfs.ext4", "-q", "-F", "-m", "1", device)
    run("sync", device)
    run("tune2fs", "-L", LABEL, device)
    run("sync", device)
    os.unlink(MARKER)
    sync_folder(os.path.dirname(MARKER))
    with contextlib.suppress(FailureError, FileNotFoundError):  # where udev lags, nothing here needs it
        run("udevadm", "settle", "--timeout=60")
    print(f"made a filesystem on {volume}")


def mounted_right(device: str) -> bool:
    """Whether the device is mounted. Raises Refusal where another one is in its place."""
    if not os.path.ismount(MOUNT):
        return False
    if os.stat(MOUNT).st_dev != os.stat(device).st_rdev:
        source = run("findmnt", "-rn", "-o", "SOURCE", MOUNT).split()[-1]
        raise Refusal(
            f"{source} is mounted on {MOUNT} where the data volume belongs; unmount it, then deploy again"
        )
    return True


def homes_right() -> bool:
    """Whether the homes of the data volume are what one sees in /home."""
    return os.path.ismount(HOME) and os.path.isdir(HOMES) and os.path.samefile(HOME, HOMES)


def mount(device: str) -> None:
    """Mounts device and homes; below them, the system's disk is closed to users.

    The device is named, since its label may not be known to the system yet; from the next boot on fstab's label counts.
    """
    if not mounted_right(device):
        check(device, "-p")
        if can_grow(device) and not may_grow_mounted():
            check(device, "-f", "-p")
            grow(device)
        quota.prepare(device)
        points.make(MOUNT)
        run("mount", "-t", "ext4", "-o", OPTIONS, device, MOUNT)
        with contextlib.suppress(FailureError, FileNotFoundError):  # that of a boot, which is of the past now
            run("systemctl", "reset-failed", "systemd-fsck@*.service")
    os.makedirs(HOMES, mode=0o755, exist_ok=True)
    if not homes_right():
        if os.path.ismount(HOME):
            raise Refusal(
                f"something else is mounted on {HOME}, where the homes of the data volume belong; unmount it"
            )
        points.make(HOME)
        run("mount", "-t", "ext4", "-o", HOME_OPTIONS, device, HOME)


def check(device: str, *options: str) -> None:
    """Has e2fsck repair what it safely can. Raises Refusal where the filesystem is not known to be whole afterwards.

    Its status is a sum (e2fsck(8)). Whatever is beyond 1, 2 and 4, or a signal's negative number, says that it did not
    look at all or not to the end (the device in use or unreadable, e2fsck stopped): then 4 is no verdict either.
    """
    done = subprocess.run(["e2fsck", *options, device], capture_output=True, text=True, check=False)
    told = f"e2fsck ended with status {done.returncode}: {' '.join((done.stdout + done.stderr).split())}"
    if done.returncode & ~(REPAIRED | RESTART | DAMAGED):
        raise Refusal(
            f"the filesystem on the data volume could not be checked, which says nothing of what is on it ({told}); "
            "where the device is in use, restart the server (`sudo reboot`), whatever else it is, take a snapshot "
            "before you try anything; then deploy again"
        )
    if done.returncode & DAMAGED:
        raise Refusal(
            f"the filesystem on the data volume is damaged beyond what e2fsck repairs by itself ({told}); take a "
            f"snapshot, then run `e2fsck {device}`"
        )
    if done.returncode & RESTART:
        raise Refusal(
            f"the filesystem on the data volume was repaired while the server used it ({told}); restart the server "
            "(`sudo reboot`), then deploy again"
        )


def may_grow_mounted() -> bool:
    """Whether the kernel lets this server grow an ext4 in use: that needs CAP_SYS_RESOURCE (bit 24), which containers
    may lack. There it grows before it is mounted."""
    line = next(line for line in read("/proc/self/status").splitlines() if line.startswith("CapEff:"))
    return bool(int(line.split()[1], 16) & 1 << 24)


def grow(device: str) -> None:
    """Grows the filesystem to the device's size, in use where it is mounted. Raises Refusal where the kernel does not
    let it: only a person may decide to interrupt everybody for it."""
    try:
        run("resize2fs", device)
    except FailureError as failure:
        if not os.path.ismount(MOUNT) or may_grow_mounted():
            raise
        raise Refusal(
            f"the data volume has {size_of(device) // MIB} MiB, but the kernel does not let its filesystem grow in use "
            f"({str(failure).splitlines()[-1]}): this server lacks CAP_SYS_RESOURCE; all goes on in the old size. "
            f"`{FREE}` ends everybody's sessions and kernels and unmounts it, and the next deploy grows it"
        ) from None
    print(f"grew the filesystem to {size_of(device) // MIB} MiB")


def systemd_knows() -> bool:
    """Whether systemd has read fstab as it is now."""
    shown = run(
        "systemctl", "show", "-p", "FragmentPath,NeedDaemonReload", "srv-workbench.mount", "home.mount"
    )
    return "NeedDaemonReload=yes" not in shown and shown.count("FragmentPath=/") == 2


def can_grow(device: str) -> bool:
    """Whether the device is bigger than the filesystem on it."""
    fields = superblock(device)
    return size_of(device) - int(fields["Block count"]) * int(fields["Block size"]) >= GROWTH


def is_right(device: str) -> bool:
    """Whether there is nothing to do."""
    return (
        os.path.exists(device)
        and begun() is None
        and mounted_right(device)
        and homes_right()
        and fstab_text(read(FSTAB)) == read(FSTAB)
        and systemd_knows()
        and points.is_closed(MOUNT, HOME)
        and not namesakes(device)
        and not can_grow(device)
    )


def reconcile(device: str, volume: str) -> None:
    """Everything that is to be done, each step only where it is due."""
    wait_for(device, volume)
    if not mounted_right(device):
        if decide(look(device), volume, begun()) == "make":
            make(device, volume)
        elif begun() is not None:
            os.unlink(MARKER)  # killed between the label and the removal of the marker
    elif namesakes(device):
        decide(Found(others=namesakes(device)), volume, None)
    text = fstab_text(read(FSTAB))
    if read(FSTAB) != text:
        write(FSTAB, text)
    if not systemd_knows():
        run("systemctl", "daemon-reload")
    mount(device)
    if not points.is_closed(MOUNT, HOME):
        points.close(MOUNT, HOME)  # an older version closed them to users only
    if can_grow(device):
        grow(device)


def main(arguments: Sequence[str]) -> int:
    check = "--check" in arguments
    volume, device = [argument for argument in arguments if argument != "--check"]
    try:
        if check:
            return CLEAN if is_right(device) else WOULD_CHANGE
        reconcile(device, volume)
    except FailureError as failure:
        print(f"Storage: {failure}.", file=sys.stderr)
        return 1
    return 0
