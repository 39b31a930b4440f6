"""Kernels that are on this host by setting, a version each: what the programs python-versions and r-versions share.

A kernel named PREFIX-VERSION is a folder in KERNELS with a kernel.json (Jupyter's kernel specification), which is
written last: whoever finds it finds a version that works. That of a version no longer wanted goes at once; the
version's own files only when nothing runs from them any more.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workbench_host.in_use import run_from
from workbench_host.tools import write

KERNELS = Path("/usr/local/share/jupyter/kernels")
# What JupyterLab's launcher shows of a kernel: the one that the kernel's own package has, ipykernel below its
# environment, IRkernel with Debian's R, which is there whenever another one is.
LOGO = "logo-svg.svg"
PYTHON_LOGO = f"lib/python3*/site-packages/ipykernel/resources/{LOGO}"
R_LOGO = Path("/usr/lib/R/site-library/IRkernel/kernelspec") / LOGO
LOGO_BYTES = 64 * 1024  # at most; ipykernel's has 10 kB


def file(name: str) -> Path:
    return KERNELS / name / "kernel.json"


def text(described: Mapping[str, Any]) -> str:
    return json.dumps(described, indent=1) + "\n"


def has(name: str, described: Mapping[str, Any]) -> bool:
    """Whether the kernel is there, just as `described`."""
    path, found = file(name), logo(described)
    shown = path.with_name(LOGO)
    has_logo = found is None or (shown.exists() and shown.read_bytes() == found.read_bytes())
    return has_logo and path.exists() and path.read_text() == text(described)


def logo(described: Mapping[str, Any]) -> Path | None:
    """The picture of a kernel; None where its package has none, and JupyterLab shows its first letter.

    What a package brings, its build may have changed into anything: root takes no more than a small file of the same
    environment, which is root's by now.
    """
    if described["language"] == "R":
        return R_LOGO if R_LOGO.exists() else None
    environment = Path(described["argv"][0]).parents[1].resolve()
    for shipped in sorted(environment.glob(PYTHON_LOGO)):
        found = shipped.resolve()
        if found.is_relative_to(environment) and found.is_file() and found.stat().st_size <= LOGO_BYTES:
            return found
    return None


def add(name: str, described: Mapping[str, Any]) -> None:
    path, found = file(name), logo(described)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if found is not None:  # a copy: Jupyter's server shows no link that leads out of the folder
        write(path.with_name(LOGO), found.read_bytes())
    write(path, text(described))


def remove(name: str) -> None:
    shutil.rmtree(KERNELS / name, ignore_errors=True)


def versions(prefix: str) -> set[str]:
    """The versions that have a kernel named with this prefix."""
    return {path.parent.name.removeprefix(prefix) for path in KERNELS.glob(f"{prefix}*/kernel.json")}


def tell(language: str, missing: Iterable[str], old: Iterable[str]) -> None:
    """Prints what a run would do, for `--check`."""
    for version in missing:
        print(f"install {language} {version}, and its kernel")
    for version in old:
        print(f"remove {language} {version}, and its kernel")


def leftovers(installed: Iterable[str], wanted: Iterable[str], prefix: str, root: Path) -> list[str]:
    """Versions no longer wanted that still have a kernel, or files below `root` that nothing runs from."""
    present = versions(prefix)
    old = (set(installed) | present) - set(wanted)
    return [version for version in sorted(old) if version in present or not run_from(root / version)]
