"""What waits to be installed, and whether what was installed waits for a restart of the host."""

import os
import re
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workbench_host.processes import PROCESSES

SECONDS = 15
# `Inst NAME [OLD] (NEW ORIGIN, ORIGIN [ARCH])`: apt-get -s, as unattended-upgrades' Origins-Pattern has it
INSTALLED = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) (.*) \[\S+\]\)")
SECURITY = "Debian-Security:"
LISTS = Path("/var/lib/apt/lists")
# apt writes the first two at each update, the third after one of its timer's
FRESH = (LISTS, LISTS / "partial", Path("/var/lib/apt/periodic/update-stamp"))
REQUIRED = Path("/run/reboot-required")
BOOT = Path("/boot")


def security_fixes(said: str) -> list[str]:
    """`NAME VERSION` of each package that Debian's security archive has a fix of, in what `apt-get -s` says."""
    matches = (INSTALLED.match(line) for line in said.splitlines())
    return [f"{match[1]} {match[2]}" for match in matches if match and SECURITY in match[3]]


def pending() -> list[str]:
    command = ["apt-get", "-s", "-q", "-o", "Debug::NoLocking=1", "upgrade", "--with-new-pkgs"]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=SECONDS, env=environment
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise OSError(f"apt-get: {said[0] if said else done.returncode}")
    return security_fixes(done.stdout)


def lists_age(now: float) -> float | None:
    """Days since apt last asked the archives; None where it never did."""
    times = [path.stat().st_mtime for path in FRESH if path.exists()]
    has_lists = any(LISTS.glob("*Release"))
    return (now - max(times)) / 86400 if times and has_lists else None


def started(stat: str) -> float:
    """When the host was started, in what /proc/stat says, in seconds since the epoch."""
    return float(next(line.split()[1] for line in stat.splitlines() if line.startswith("btime ")))


def reboot_reason(booted: float, kernels: Iterable[Path]) -> str | None:
    """Why the host is to be started again, or None."""
    newer = [path.name.removeprefix("vmlinuz-") for path in kernels if path.stat().st_ctime > booted]
    if newer:
        return f"the kernel {newer[0]} was installed since the last start"
    return "an update asks for it" if REQUIRED.exists() else None


def report() -> dict[str, Any]:
    """{security [`NAME VERSION`, ...], lists_age_days (null: there are none), reboot (why, or null)}."""
    booted = started((PROCESSES / "stat").read_text())
    age = lists_age(time.time())
    return {
        "security": pending(),
        "lists_age_days": None if age is None else round(age, 1),
        "reboot": reboot_reason(booted, sorted(BOOT.glob("vmlinuz-*"))),
    }
