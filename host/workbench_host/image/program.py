"""image update | clean | search

update  installs pending security fixes, as the host does every day, and takes the mark of an image away.

clean   makes this host, a builder, into what an image is made of: stops what writes, lets go of the data volume, and
        takes away all that is this server's own or its administrator's. Nobody can log in afterwards. Then it searches.
search  looks for what an image must not have, and changes nothing.

Each prints a line for what there is, by kind and place, never its content, and exits with 3 where there is anything.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from workbench_host.image import BAKED
from workbench_host.image.leftovers import Leftover, found, remove
from workbench_host.packages import APT_ENVIRONMENT, APT_GET
from workbench_host.tools import CLEAN, DATA_VOLUME, WOULD_CHANGE, FailureError, run

# Stopped by pattern: what is not there is none of systemctl's errors. The firewall and what hides processes stay.
_OURS = ("caddy.service", "fail2ban.service", "jupyterhub*.service", "jupyter-*", "rstudio-server.service",
         "workbench-[!fp]*", "unattended-upgrades.service")  # fmt: skip
_TIMERS = ("apt-daily*.timer", "dpkg-db-backup.timer", "logrotate.timer", "systemd-tmpfiles-clean.timer",
           "workbench-*.timer", "workbench-*.path", "workbench-*.socket")  # fmt: skip
# It writes its seed when it is stopped, and at no other time. Swap is made anew at the next boot.
_AT_THE_END = ("swapfile.swap", "workbench-swapfile.service", "systemd-random-seed.service")
_MOUNTS = ("home.mount", "srv-workbench.mount")
_TRIES = 3  # a service that ends may write its last word


def stop() -> None:
    """Stops what writes to the disk, and lets go of the data volume. Raises FailureError where that is in use."""
    for units in (_TIMERS, _OURS, _AT_THE_END):
        subprocess.run(["systemctl", "stop", *units], check=False, capture_output=True)
    run("systemctl", "stop", *_MOUNTS)
    for mounted in ("/home", DATA_VOLUME):
        if Path(mounted).is_mount():
            raise FailureError(f"{mounted} is in use still; `fuser -vm {mounted}` says by whom")
    # From here on the journal is in memory: what it is told at the shutdown is not written down.
    run("journalctl", "--relinquish-var")


def cleaned() -> list[Leftover]:
    """What is left once all that may go is gone, and the mark of an image is there."""
    stop()
    left: list[Leftover] = []
    for _ in range(_TRIES):
        remove()
        left = found()
        if not left:
            break
    Path(BAKED).touch()
    run("sync")
    return left


def updated() -> list[Leftover]:
    """Debian's own program, by the host's own configuration of it: security fixes alone."""
    os.environ.update(APT_ENVIRONMENT)
    run(*APT_GET, "update")
    run("unattended-upgrade")
    Path(BAKED).unlink(missing_ok=True)
    return []


def main(arguments: Sequence[str]) -> int:
    verbs = {"update": updated, "clean": cleaned, "search": found}
    if len(arguments) != 1 or arguments[0] not in verbs:
        print("image takes update, clean or search", file=sys.stderr)
        return 2
    try:
        left = verbs[arguments[0]]()
    except FailureError as failure:
        print(failure, file=sys.stderr)
        return 1
    for one in left:
        with contextlib.suppress(BrokenPipeError):
            print(one)
    return WOULD_CHANGE if left else CLEAN
