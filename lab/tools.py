"""What the lab needs of this machine: root, Debian's tools, room on the disk."""

import os
import shutil
from collections.abc import Mapping

from lab.disks import free_gib
from lab.image import Progress
from lab.paths import Layout, cache
from lab.shell import CommandFailed, attempt, run
from workbench.errors import WorkbenchError

# Command -> Debian package; runc and crun are alternatives, netavark has no command of its own on the PATH.
TOOLS = {
    "podman": "podman", "mmdebstrap": "mmdebstrap", "iptables": "iptables", "losetup": "mount",
    "nsenter": "util-linux", "mkfs.ext4": "e2fsprogs", "ssh": "openssh-client",
    "ip": "iproute2", "nft": "nftables",  # the latter for podman's networks on Debian 13
}  # fmt: skip
ALONGSIDE = {
    "podman": ["runc", "netavark", "ca-certificates"],
    "mmdebstrap": ["debian-archive-keyring"],  # which Ubuntu does not have by itself
}
NEEDED_GIB = 6


def ensure_tools(progress: Progress) -> None:
    """Install what is missing with apt; raises WorkbenchError where that cannot be."""
    missing = packages_missing(TOOLS)
    if os.geteuid() != 0:
        raise WorkbenchError(
            "the lab needs root: it boots machines in privileged containers and attaches loop devices; run it with sudo"
        )
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise WorkbenchError(
            f"the lab needs {', '.join(missing)}, and there is no apt-get here to install them with: "
            "install them with this machine's package manager"
        )
    progress(f"installing {', '.join(missing)} with apt-get")
    try:
        apt("update", "-qq")
        apt("install", "-y", "-qq", "--no-install-recommends", *missing)
    except CommandFailed as failure:
        raise WorkbenchError(
            f"the lab's tools ({', '.join(missing)}) could not be installed: {failure}"
        ) from None


def packages_missing(tools: Mapping[str, str]) -> list[str]:
    """The Debian packages of the commands that are not there, with what goes alongside."""
    found = []
    for command, package in tools.items():
        if shutil.which(command) is None:
            found += [package, *ALONGSIDE.get(package, [])]
    return found


def apt(*arguments: str) -> None:
    done = attempt(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *arguments], timeout=900)
    if done.returncode != 0:
        raise CommandFailed(["apt-get", *arguments], done.returncode, done.stderr or done.stdout)


def check_room(layout: Layout) -> None:
    """Room for the image, the containers and the volumes; raises WorkbenchError where there is not enough."""
    graph_root = run(["podman", "info", "--format", "{{.Store.GraphRoot}}"]).strip()
    for what, folder in (
        ("its volumes", layout.root),
        ("its image", cache()),
        ("its containers", graph_root),
    ):
        free = free_gib(type(layout.root)(folder))
        if free < NEEDED_GIB:
            raise WorkbenchError(
                f"the lab needs {NEEDED_GIB} GiB free for {what} in {folder}, and there are {free:.1f} GiB"
            )


def check_loops() -> None:
    """Loop devices can be made; raises WorkbenchError where the kernel has none."""
    try:
        run(["losetup", "--find"])
    except CommandFailed as failure:
        raise WorkbenchError(
            f"this machine gives the lab no loop device for its volumes: {failure}"
        ) from None
