"""The image that the lab's machines boot: Debian 13 made from Debian's packages, with what its AWS image has.

Built once by mmdebstrap into the cache, under a name that is the digest of its recipe (packages, files), so
that a changed recipe builds anew and nothing else does; then imported into podman.
"""

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from lab.shell import CommandFailed
from workbench.errors import WorkbenchError

SUITE = "trixie"
PACKAGES = (
    "systemd", "systemd-sysv", "libpam-systemd", "dbus", "openssh-server", "sudo", "cloud-init",
    "python3", "ca-certificates", "openssl", "curl", "wget", "gpg", "xz-utils", "less",
    "iproute2", "iputils-ping", "netbase", "nftables", "kmod", "procps", "psmisc", "e2fsprogs", "fdisk",
    "util-linux-extra", "locales", "tzdata",
)  # fmt: skip
ROOTFS = Path(__file__).parent / "machine" / "rootfs"
EXECUTABLE = {"udevadm", "setup"}
SETUP = "/usr/lib/workbench-lab/setup"

Progress = Callable[[str], None]


def overlay() -> bytes:
    """The files of machine/rootfs as a tar: root's, with fixed modes, whatever the clone's are."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(ROOTFS.rglob("*")):
            if not path.is_file() or "__pycache__" in path.parts:
                continue
            entry = tarfile.TarInfo(str(path.relative_to(ROOTFS)))
            content = path.read_bytes()
            entry.size, entry.mode = len(content), 0o755 if path.name in EXECUTABLE else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def digest() -> str:
    """Twelve hex digits of everything that the image is made from."""
    recipe = hashlib.sha256(overlay())
    recipe.update(f"{SUITE} {PACKAGES}".encode())
    return recipe.hexdigest()[:12]


def build(cache: Path, progress: Progress) -> Path:
    """The image's tar in the cache, built first if it is not there; raises WorkbenchError with the reason."""
    folder = cache / "lab"
    tar = folder / f"debian13-{digest()}.tar"
    if tar.exists():
        return tar
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / f"{tar.stem}.overlay"
    partial = folder / f"{tar.stem}.partial.tar"
    files.write_bytes(overlay())
    progress("building the image of the lab's machines from Debian's packages (once, about a minute)")
    try:
        _mmdebstrap(partial, files, progress)
        partial.replace(tar)
    finally:
        files.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
    for old in folder.glob("debian13-*.tar"):
        if old != tar:
            old.unlink()
    return tar


def _mmdebstrap(target: Path, files: Path, progress: Progress) -> None:
    argv = [
        "mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}",
        f"--customize-hook=tar-in '{files}' /", f'--customize-hook=chroot "$1" {SETUP}',
        SUITE, str(target),
    ]  # fmt: skip
    said: list[str] = []
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line.rstrip())
            if line.startswith("I: ") and "pass --" not in line:
                progress("  " + line[3:].strip())
    if process.returncode != 0:
        reason = next(
            (line for line in reversed(said) if line.startswith("E: ")), said[-1] if said else "no output"
        )
        raise WorkbenchError(
            f"the image of the lab's machines could not be built by mmdebstrap: {reason.removeprefix('E: ')}"
        )


def name(lab_id: str) -> str:
    """The image's name in podman: this lab's own, so that a purge takes nobody else's."""
    return f"localhost/workbench-{lab_id}:{digest()}"


def ensure(lab_id: str, cache: Path, podman: Callable[..., str], progress: Progress) -> str:
    """Build and import what is missing; gives the image's name."""
    wanted = name(lab_id)
    present = podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    if wanted not in present:
        tar = build(cache, progress)
        progress("importing the image into podman")
        try:
            podman("import", "--change", f"LABEL workbench.lab={lab_id}", str(tar), wanted, timeout=300)
        except CommandFailed as failure:
            # A tar that podman cannot read is of no use to the next start either.
            tar.unlink(missing_ok=True)
            raise WorkbenchError(
                f"podman could not import the image of the lab's machines: {failure}"
            ) from None
    return wanted
