"""freeze SECONDS: the data volume's filesystem stands still while a snapshot of it is taken, for so long at most.

Says `{"frozen": true}` once it does, and goes on when something, or the end, comes on standard input, or when the time
is up; then `{"seconds": 0.4, "asked": true}`, where `asked` is false if the time was up. Where no data volume is
mounted there is nothing to freeze: `{"frozen": false}`.

Whatever happens, it goes on. The freezing process is a unit of systemd's of its own, which no end of a session takes
along, and which systemd, that never writes to the data volume, thaws after (ExecStopPost) however it ended: killed, or
hung in the kernel, as freezing can (`freeze --thaw` waits for that). Never the filesystem of /: what would have to thaw
it may have to write there first.
"""

import fcntl
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence

from workbench_host.tools import DATA_VOLUME, FailureError, reason, run

FIFREEZE, FITHAW = 0xC0045877, 0xC0045878  # linux/fs.h: _IOWR('X', 119, int), _IOWR('X', 120, int)
UNIT = "workbench-freeze"
FREEZER = "/run/workbench-freeze"  # the process that freezes, for as long as it may do
LONGEST = 60
THAW_SECONDS = 60.0
SLACK = 10  # seconds for the process to end by itself before systemd ends it


def ask(request: int) -> None:
    """Has the kernel freeze or thaw the data volume. Raises OSError."""
    folder = os.open(DATA_VOLUME, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(folder, request, 0)
    finally:
        os.close(folder)


def is_mounted() -> bool:
    """Whether a filesystem other than that of / is there."""
    return os.path.ismount(DATA_VOLUME) and os.stat(DATA_VOLUME).st_dev != os.stat("/").st_dev


def tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


def hold(seconds: float) -> None:
    """Freezes, waits for a word or the time, and thaws. All in the unit."""
    run("sync", "--file-system", DATA_VOLUME)  # else those who write would wait for it
    with open(FREEZER, "w") as file:
        file.write(str(os.getpid()))
    began = time.monotonic()
    try:
        ask(FIFREEZE)
        tell(frozen=True)
        asked = bool(select.select([sys.stdin], [], [], seconds)[0])
    finally:
        thaw(alone=True)
    tell(seconds=round(time.monotonic() - began, 2), asked=asked)


def thaw(alone: bool = False) -> None:
    """Thaws the data volume, if it is frozen; `alone`: nobody else is about to freeze it.

    A process that hangs while it freezes may be through with it after the first attempt to thaw: as long as it lives,
    again.
    """
    deadline = time.monotonic() + THAW_SECONDS
    while True:
        try:
            ask(FITHAW)
        except OSError:  # it is not frozen (EINVAL), or there is none
            if alone or not freezes() or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        else:
            break
    if os.path.exists(FREEZER):
        os.unlink(FREEZER)


def freezes() -> bool:
    """Whether the process that was to freeze is still there."""
    try:
        with open(FREEZER) as file:
            return os.path.exists(f"/proc/{int(file.read())}")
    except (FileNotFoundError, ValueError):
        return False


def in_a_unit(seconds: float) -> int:
    """Runs `hold` as a unit of its own, with this standard input and output; its exit status."""
    program = os.path.abspath(sys.argv[0])
    properties = {
        "RuntimeMaxSec": f"{seconds + SLACK:.0f}",
        "TimeoutStopSec": f"{THAW_SECONDS + SLACK:.0f}",
        "ExecStopPost": f"{program} --thaw",
    }
    options = [option for name, value in properties.items() for option in ("--property", f"{name}={value}")]
    command = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--unit={UNIT}", *options]
    return subprocess.run([*command, program, "--hold", f"{seconds:g}"], check=False).returncode


def main(arguments: Sequence[str]) -> int:
    try:
        if "--thaw" in arguments:
            thaw()
            return 0
        seconds = float(arguments[-1])
        if not 0 < seconds <= LONGEST:
            raise FailureError(f"{arguments[-1]} is not a time of 1 to {LONGEST} seconds")
        if not is_mounted():
            tell(frozen=False)
        elif "--hold" in arguments:
            hold(seconds)
        else:
            return in_a_unit(seconds)
    except (FailureError, OSError) as failure:
        print(f"{DATA_VOLUME} could not be frozen: {reason(failure)}.", file=sys.stderr)
        return 1
    return 0
