"""python-versions [--check [--given]]

Has the versions of Python in /etc/workbench/python/versions.json on this host, and no others of ours: each is an
environment /opt/python/VERSION with what the lock `kernel` lists (ipykernel, pip), on one of uv's builds, and a kernel
named python-VERSION. The file says {"versions": [...], "mirror": of the builds, "index": of packages, "lock": its
digest}; without a mirror or an index the public ones are meant. uv compares each build with the sha256 that it knows.

An environment counts only with its marker, which holds the lock's digest, and the kernel is written last: so this may
be killed at any point, and the next call goes on. What is no longer listed stops being a kernel at once; its files go
as soon as nothing runs from them. --check changes nothing: exit status 0 where all is so, else 3.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench_host import kernels, tools
from workbench_host.in_use import run_from
from workbench_host.tools import CLEAN, CONFIG, WOULD_CHANGE, FailureError, sync_file_system, write

VERSIONS = Path(CONFIG) / "python" / "versions.json"
LOCK = Path(CONFIG) / "locks" / "kernel" / "requirements.txt"
UV = Path("/opt/workbench/uv/bin/uv")
ROOT = Path("/opt/python")
BUILDS = ROOT / ".builds"
CACHE = ROOT / ".cache"
PREFIX = "python-"
MARKER = ".complete"
GUARD = Path(
    "/usr/local/lib/workbench/trust/workbench_trust.pth"
)  # put there by the deploy (deploy/trust.py)
UNKNOWN = "No download found"  # so begins what uv says of a version that does not exist


def uv(*arguments: str | Path, builds: Path | None = None) -> None:
    """Runs uv; where it fails, FailureError carries the deepest cause that it named."""
    surroundings = {**tools.apart(CACHE), "UV_PYTHON_INSTALL_DIR": str(builds or BUILDS)}
    done = subprocess.run(
        [str(part) for part in (UV, *arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=surroundings,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        causes = [line.strip() for line in done.stderr.splitlines() if line.strip()] or [
            f"status {done.returncode}"
        ]
        raise FailureError(causes[-1].removeprefix("error: ").removeprefix("cause: "))


def kernel(version: str) -> dict[str, Any]:
    """The kernel's description, as Jupyter reads it."""
    binaries = ROOT / version / "bin"
    start = [
        str(binaries / "python"),
        "-Xfrozen_modules=off",
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}",
    ]
    return {
        "argv": start,
        "env": {"PATH": str(binaries) + ":${PATH}"},
        "display_name": f"Python {version}",
        "language": "python",
        "metadata": {"debugger": True},
    }


def is_whole(version: str, lock: str) -> bool:
    marker = ROOT / version / MARKER
    return marker.exists() and marker.read_text() == lock


def is_current(version: str, lock: str) -> bool:
    is_there = is_whole(version, lock) and kernels.has(f"{PREFIX}{version}", kernel(version))
    return is_there and all(has_guard(folder) for folder in site_packages(version))


def site_packages(version: str) -> list[Path]:
    """The folders of an environment's packages: one, once it is built."""
    return list((ROOT / version).glob("lib/python3*/site-packages"))


def has_guard(folder: Path) -> bool:
    guard = folder / GUARD.name
    return not GUARD.exists() or (guard.exists() and guard.read_bytes() == GUARD.read_bytes())


def add_guard(version: str) -> None:
    """As Debian's Python, an environment imports no module from a working directory that others may write to."""
    for folder in site_packages(version):
        if not has_guard(folder):
            write(folder / GUARD.name, GUARD.read_bytes())


def fetch(version: str, mirror: str | None, builds: Path | None = None) -> None:
    """One of uv's builds, whole or not at all, into `builds` or where ours are."""
    source = ("--mirror", mirror) if mirror else ()
    builds = builds or BUILDS
    tools.close_lock(builds / ".lock")
    install = ("python", "install", "--no-progress", "--color", "never", "--no-bin", *source, version)
    try:
        uv(*install, **({} if builds == BUILDS else {"builds": builds}))
    except FailureError as error:
        if str(error).startswith(UNKNOWN):
            raise FailureError(
                f"There is no build of Python {version} (services.python.versions); "
                f"`{UV} python list --only-downloads` shows those that there are."
            ) from None
        raise FailureError(
            f"Python {version} cannot be downloaded from {mirror or 'the public builds'} ({error}); mirrors.python "
            "names another place to get it from."
        ) from None
    finally:
        (builds / ".lock").unlink(missing_ok=True)


def build(version: str, config: Mapping[str, Any]) -> None:
    folder = ROOT / version
    fetch(version, config["mirror"])
    shutil.rmtree(folder, ignore_errors=True)
    index = ("--default-index", config["index"]) if config["index"] else ()
    try:
        uv(
            "venv",
            "--quiet",
            "--managed-python",
            "--no-python-downloads",
            "--system-site-packages",
            "--python",
            version,
            folder,
        )
        tools.close_lock(folder / ".lock")
        uv(
            "pip",
            "sync",
            "--quiet",
            "--compile-bytecode",
            "--require-hashes",
            *index,
            "--python",
            folder / "bin" / "python",
            LOCK,
        )
    except FailureError as error:
        raise FailureError(
            f"The packages of Python {version}'s kernel cannot be installed from "
            f"{config['index'] or 'PyPI'} (mirrors.pypi): {error}"
        ) from None
    (folder / ".lock").unlink(missing_ok=True)
    sync_file_system(folder)  # the marker promises that all of it is on the disk
    write(folder / MARKER, config["lock"])


def installed() -> set[str]:
    """The versions that have a folder of ours."""
    return {path.name for path in ROOT.glob("[0-9]*")}


def remove(version: str) -> None:
    kernels.remove(f"{PREFIX}{version}")
    if not run_from(ROOT / version):
        shutil.rmtree(ROOT / version, ignore_errors=True)


def sweep(builds: Path, environments: Iterable[Path]) -> None:
    """Builds that none of the environments is on any more, and uv's cache."""
    homes = {(folder / "bin" / "python").resolve() for folder in environments}
    for build_folder in builds.glob("cpython-*"):
        in_use = any(home.is_relative_to(build_folder.resolve()) for home in homes)
        if not in_use and not build_folder.is_symlink() and not run_from(build_folder):
            shutil.rmtree(build_folder, ignore_errors=True)
    for link in builds.glob("cpython-*"):
        if link.is_symlink() and not link.exists():
            link.unlink()
    shutil.rmtree(CACHE, ignore_errors=True)


def main(arguments: Sequence[str]) -> int:
    config = json.loads(tools.wanted(VERSIONS, arguments))
    wanted, lock = config["versions"], config["lock"]
    missing = [one for one in wanted if not is_current(one, lock)]
    old = kernels.leftovers(installed(), wanted, PREFIX, ROOT)
    if "--check" in arguments:
        kernels.tell("Python", missing, old)
        return WOULD_CHANGE if missing or old else CLEAN
    os.umask(0o022)
    try:
        for version in missing:
            if not is_whole(version, lock):
                build(version, config)
            add_guard(version)
            kernels.add(f"{PREFIX}{version}", kernel(version))
        for version in old:
            remove(version)
    except FailureError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        sweep(BUILDS, [ROOT / version for version in installed()])
    return 0
