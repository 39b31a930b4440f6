"""What is run to build an environment: as an account that owns nothing, in a unit that can write nowhere else.

A package's build is a program of whoever published it, be that setup.py or configure, and so is what R runs of a
package to see whether it loads. The unit ends with all that it started, so that nobody is left who could write to the
files once they are root's.
"""

import os
import pwd
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path

from workbench_host.team.places import ROOT
from workbench_host.tools import DATA_VOLUME, FailureError, remove_tree, sync_file_system

ACCOUNT = "workbench-build"
# Neither a service's nor a declared user's, and unused by systemd too ("Users, Groups, UIDs and GIDs on systemd
# systems"): the firewall lets services ask what users open on loopback (templates/base/firewall.nft.j2), not this one.
UID = 60600
CACHE = (
    ROOT / ".cache"
)  # beside the environments, on the same disk: what was downloaded is linked, not copied
UNIT = "workbench-environment-build"
HOURS = 2
KEPT_BYTES = 64 * 1024  # of what a build says: its reasons are at the end


def _properties(folder: Path) -> list[str]:
    return [
        f"User={ACCOUNT}",
        f"Group={ACCOUNT}",
        f"WorkingDirectory={CACHE}",
        f"ReadWritePaths={folder} {CACHE}",
        f"InaccessiblePaths=-{DATA_VOLUME}",
        f"RuntimeMaxSec={HOURS}h",
        "UMask=0022",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "PrivateIPC=yes",
        "ProtectProc=invisible",
        "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelLogs=yes",
        "ProtectControlGroups=yes",
        "ProtectClock=yes",
        "ProtectHostname=yes",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "RestrictSUIDSGID=yes",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "LockPersonality=yes",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        # Beside people who work: theirs comes first, and no build takes all memory.
        "CPUWeight=50",
        "IOWeight=50",
        "MemoryMax=75%",
        "TasksMax=1024",
    ]


def prepare(folder: Path) -> None:
    """An empty folder and an empty cache, which the account may write to; what an earlier run left of them goes.

    Raises FailureError where that cannot be removed.
    """
    stop()
    ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
    for place, mode in ((folder, 0o755), (CACHE, 0o700)):
        if not discard(place):
            raise FailureError(f"{_discarded(place)} cannot be removed: it has what an earlier build left")
        place.mkdir(mode=mode)
        give(place)


def discard(place: Path) -> bool:
    """Removes a tree that a build has made, and what is left of others; whether all is gone.

    Its name is free at once.
    """
    return remove_tree(_put_aside(place))


def _put_aside(place: Path) -> Path:
    """Moves it to what is to be removed; where that is."""
    trash = _discarded(place)
    if os.path.lexists(place):
        trash.mkdir(mode=0o700, exist_ok=True)
        os.rename(place, trash / secrets.token_hex(8))
    return trash


def _discarded(place: Path) -> Path:
    return place.with_name(".discarded")


def give(path: Path) -> None:
    """Makes a file or folder the account's. What the account could put in its place is not followed."""
    account = pwd.getpwnam(ACCOUNT)
    os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def write(path: Path, content: str) -> None:
    """A file of the cache, which is open to the account and to nobody else: an address in it may have a password."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    give(path)


def stop() -> None:
    """Ends a build that was left running by a run that died."""
    subprocess.run(["systemctl", "stop", f"{UNIT}.service"], capture_output=True, check=False)


def run(folder: Path, command: Sequence[str | Path], variables: dict[str, str]) -> None:
    """Runs a command to build what is in `folder`. None of it is secret: units can be looked at by all.

    Raises FailureError with what it said last; its own text is all that is in there.
    """
    properties = [part for one in _properties(folder) for part in ("-p", one)]
    given = [f"--setenv={name}={value}" for name, value in variables.items()]
    start = ("systemd-run", "--quiet", "--wait", "--pipe", "--collect", f"--unit={UNIT}", *properties, *given)
    status, said = listen([*start, "--", *map(str, command)])
    if status != 0:
        raise FailureError(said)


def listen(command: Sequence[str]) -> tuple[int, str]:
    """Exit status of a command and the last lines that it said: a build may say more than there is memory for."""
    last, is_cut = b"", False
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    ) as running:
        assert running.stdout is not None
        while chunk := running.stdout.read(KEPT_BYTES):
            last += chunk
            is_cut = is_cut or len(last) > KEPT_BYTES
            last = last[-KEPT_BYTES:]
    if is_cut:  # where a line was cut, so may an address have been, and its password would not be told as one
        last = last.partition(b"\n")[2]
    return running.returncode, last.decode(errors="replace")


def hand_over(folder: Path) -> None:
    """All that was built is root's from here on, and everybody's to read and run; nothing of it is setuid."""
    subprocess.run(["chown", "--recursive", "--no-dereference", "root:root", str(folder)], check=True)
    subprocess.run(["chmod", "--recursive", "u=rwX,go=rX,a-st", str(folder)], check=True)
    sync_file_system(folder)  # the marker promises that all of it is on the disk


def clear() -> None:
    """Nothing is kept for the next build: what one has run could have changed what another takes for downloaded.

    It has tens of thousands of files, whose removal takes a tenth of the time of the build: nobody waits for that. What
    is left of it where it is cut off, the next build removes.
    """
    trash = _put_aside(CACHE)
    later = ("systemd-run", "--quiet", "--collect", "--no-block", "-p", "CPUWeight=idle", "-p", "IOWeight=1")
    command = (*later, "rm", "-rf", "--one-file-system", "--", str(trash))
    if trash.exists() and subprocess.run(command, capture_output=True, check=False).returncode != 0:
        remove_tree(trash)
