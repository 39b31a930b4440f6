"""volume-presence came | gone

What follows when the data volume shows up, or vanishes, while the server runs. workbench-volume.service, which is
bound to the volume's device, calls it.

came  starts all that is to run: systemd tries what failed for want of the volume once, and never again by itself.
gone  ends what users run, since nothing else would let go of the volume, and takes its mounts away, so that nobody
      goes on in a filesystem that is none any more; then the page that says so takes the proxy's place. It does nothing
      where the volume is still there, as at a shutdown.
"""

import contextlib
import glob
import os
import pwd
import subprocess
import sys
from collections.abc import Sequence

from workbench_host.processes import LINGERING, USER_UIDS
from workbench_host.tools import DATA_VOLUME
from workbench_host.volume.content import EBS_DEVICES

MOUNTS = ("/home", DATA_VOLUME)
PAGE_UNIT = "workbench-missing.service"
END_SECONDS = (
    45  # what users run gets 10 to end, then it is killed; what waits for the lost device may not obey
)
UNMOUNT_SECONDS = 20


def is_there() -> bool:
    """Whether what is mounted is on a volume that is attached."""
    try:
        mounted = os.stat(DATA_VOLUME).st_dev
    except OSError:  # the filesystem has lost its device
        return False
    for link in glob.glob(EBS_DEVICES):
        with contextlib.suppress(OSError):
            if os.stat(link).st_rdev == mounted:
                return True
    return False


def slices() -> list[str]:
    """The slices of users whose homes are on the volume; the administrator's is not."""
    told = _said(
        "systemctl", "list-units", "--plain", "--no-legend", "--full", "--type=slice", "user-*.slice"
    )
    names = [line.split()[0] for line in told.splitlines() if line.strip()]
    uids = {name: name.removeprefix("user-").removesuffix(".slice") for name in names}
    return [name for name, uid in uids.items() if uid.isdecimal() and int(uid) in USER_UIDS]


def came() -> int:
    # What runs from boot on of users did not begin without their homes (templates/timers/user.conf).
    if lasting := managers():
        _tried(UNMOUNT_SECONDS, "systemctl", "start", "--no-block", *lasting)
    return subprocess.run(["systemctl", "start", "--no-block", "multi-user.target"], check=False).returncode


def managers() -> list[str]:
    """The units of users' own systemd of those that have one from boot on."""
    names = os.listdir(LINGERING) if LINGERING.is_dir() else []
    accounts = {one.pw_name: one.pw_uid for one in pwd.getpwall()}
    return [f"user@{accounts[name]}.service" for name in sorted(names) if accounts.get(name) in USER_UIDS]


def gone() -> int:
    if is_there():
        return 0
    print("The data volume is gone: ending what users run, until it is back.", file=sys.stderr)
    if found := slices():
        _tried(END_SECONDS, "systemctl", "stop", *found)
    # By systemd, outside of this program's sandbox, whose mounts are its own; lazily, since what still uses it would
    # hold it for ever.
    outside = ("systemd-run", "--quiet", "--wait", "--collect")
    for path in MOUNTS:
        _tried(UNMOUNT_SECONDS, *outside, "sh", "-c", f"! mountpoint -q {path} || umount -l {path}")
    _tried(UNMOUNT_SECONDS, "systemctl", "start", "--no-block", PAGE_UNIT)
    return 0


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _tried(seconds: float, *command: str) -> None:
    """Runs a command, without which the next is tried as well."""
    try:
        subprocess.run(command, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        print(f"`{' '.join(command)}` did not end within {seconds} s.", file=sys.stderr)


def main(arguments: Sequence[str]) -> int:
    if list(arguments) not in (["came"], ["gone"]):
        print("volume-presence takes came or gone.", file=sys.stderr)
        return 2
    return came() if arguments[0] == "came" else gone()
