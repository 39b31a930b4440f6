"""Which container runtime boots systemd on this machine: found by trying, remembered, tried again after a change."""

import json
import os
import platform
import re
import resource
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.image import Progress
from lab.shell import CommandFailed, attempt, run
from workbench.errors import WorkbenchError

BOOT_TIMEOUT = 30
OLDEST = (4, 3)
# Files open (soft, hard) as Debian gives them; processes: enough, and below what pid_max leads podman to cap.
FILES, FILES_HARD, PROCESSES = 1024, 524288, 16384


@dataclass(frozen=True)
class Runtime:
    """How to call podman here; empty means podman's own choice."""

    runtime: str = ""
    cgroup_manager: str = ""
    limits_memory: bool = False
    """Whether the kernel enforces a container's memory limit (cgroup v2)."""
    found_on: str = ""
    """Versions of podman and kernel with which this was found."""

    def argv(self, *arguments: str) -> list[str]:
        chosen = ["--runtime", self.runtime] if self.runtime else []
        manager = ["--cgroup-manager", self.cgroup_manager] if self.cgroup_manager else []
        return ["podman", *chosen, *manager, *arguments]

    def podman(self, *arguments: str, timeout: float = 180) -> str:
        """Run podman; gives what it printed, raises CommandFailed.

        A busy machine takes more than a minute to remove a container.
        """
        return run(self.argv(*arguments), timeout=timeout)

    def __str__(self) -> str:
        return " with ".join(filter(None, (self.runtime or "podman's runtime", self.cgroup_manager)))


def machine_flags() -> list[str]:
    """The flags of `podman create` that make a container a machine."""
    hard_files = _limit(resource.RLIMIT_NOFILE, FILES_HARD)
    processes = _limit(resource.RLIMIT_NPROC, PROCESSES)
    return [
        "--systemd=always", "--privileged", "--tty", "--no-hosts", "--stop-signal=SIGRTMIN+3",
        # podman's defaults can be above what this process may give.
        f"--ulimit=nofile={min(FILES, hard_files)}:{hard_files}", f"--ulimit=nproc={processes}:{processes}",
        "--log-driver=k8s-file", "--log-opt=max-size=4mb",
    ]  # fmt: skip


def _limit(which: int, wanted: int) -> int:
    hard = resource.getrlimit(which)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)


def find(memory: Path, image: str, prefix: str, progress: Progress) -> Runtime:
    """The remembered runtime, or the first that boots the image; raises WorkbenchError if none does."""
    here = found_on()
    check_version(here)
    if memory.exists():
        known = Runtime(**json.loads(memory.read_text()))
        if known.found_on == here:
            return known
    progress("looking for a container runtime that boots systemd here")
    reasons = []
    for candidate in candidates(here):
        try:
            boot(candidate, image, f"{prefix}-probe")
        except CommandFailed as failure:
            reasons.append(f"{candidate}: {failure}")
            continue
        progress(f"  found: {candidate}")
        memory.write_text(json.dumps(asdict(candidate)))
        return candidate
    raise WorkbenchError(
        "no container runtime on this machine boots systemd, which the lab's machines need (a root shell with "
        f"podman and crun or runc is enough on an ordinary one); tried: {'; '.join(reasons)}"
    )


def check_version(here: str) -> None:
    """podman can do what the lab asks of it; raises WorkbenchError if it is too old."""
    found = re.search(r"podman version (\d+)\.(\d+)", here)
    if found and (int(found[1]), int(found[2])) < OLDEST:
        raise WorkbenchError(
            f"the lab needs podman {OLDEST[0]}.{OLDEST[1]} or newer (Debian 12, Ubuntu 24.04), "
            f"and this machine has {found[1]}.{found[2]}"
        )


def found_on() -> str:
    return f"{run(['podman', '--version']).strip()}, Linux {platform.release()}"


def candidates(here: str) -> Iterator[Runtime]:
    """podman's own choice first, then each runtime there is with each way to manage cgroups."""
    limits = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    yield Runtime("", "", limits, here)
    managers = (["systemd"] if Path("/run/systemd/system").exists() else []) + ["cgroupfs"]
    for runtime in ("crun", "runc"):
        if shutil.which(runtime):
            for manager in managers:
                yield Runtime(runtime, manager, limits, here)


def boot(runtime: Runtime, image: str, name: str) -> None:
    """Boot a machine and take it away again; raises CommandFailed with the reason if systemd does not come up."""
    try:
        runtime.podman("rm", "--force", "--time=0", "--ignore", name)
        runtime.podman("create", "--name", name, "--network=none", *machine_flags(), image, "/sbin/init")
        runtime.podman("start", name)
        _wait_for_systemd(runtime.argv("exec", name, "systemctl", "is-system-running", "--wait"))
    finally:
        attempt(runtime.argv("rm", "--force", "--time=0", "--ignore", name))


def _wait_for_systemd(asked: list[str]) -> None:
    """Ask until systemd answers that it is up (in its first moments it cannot be asked); raises CommandFailed."""
    end = time.monotonic() + BOOT_TIMEOUT
    while True:
        answer = attempt(asked, timeout=BOOT_TIMEOUT)
        if answer.stdout.strip() in ("running", "degraded"):
            return
        if time.monotonic() > end:
            raise CommandFailed(
                asked, answer.returncode, answer.stderr or f"systemd is {answer.stdout.strip()!r}"
            )
        time.sleep(0.2)


def cpus() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0))
