"""Packages (.deb) that stand in for those that cannot be downloaded where the tests run, built with dpkg-deb.

`rstudio_server` keeps the contract in rstudio-server/README.md. `r_build` has the layout of Posit's builds of R, but
its R is the host's own by another path: what is tested is how such a build is fetched, made a kernel and chosen.
"""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
RSTUDIO_VERSION = "2000.01.0+1"
R_VERSION = "4.0.1"

# R finds its home by this script, as R's own front end does; everything else is the host's.
_R = """#!/bin/sh
# A stand-in for one of Posit's builds of R, for the workbench's tests: the host's own R.
R_SHARE_DIR={home}/share
R_INCLUDE_DIR={home}/include
R_DOC_DIR={home}/doc
if [ "$1" = RHOME ]; then echo {home}; exit; fi
exec /usr/bin/{name} "$@"
"""


@dataclass(frozen=True)
class Deb:
    """A built package: its file and the file's sha256."""

    file: Path
    sha256: str


def build(folder: Path, name: str, version: str, file_name: str, contents: dict[str, tuple[str, int]]) -> Deb:
    """A package of `contents` (path -> text and mode), for any architecture; DEBIAN/... are its control files."""
    tree = folder / f"{name}.tree"
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: tests\nDescription: a stand-in\n"
    for path, (text, mode) in {"DEBIAN/control": (control, 0o644), **contents}.items():
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
    for path in (tree, *tree.rglob("*")):
        os.utime(path, (0, 0))
    file = folder / file_name
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(file)],
        check=True,
        capture_output=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": "0"},
    )
    shutil.rmtree(tree)
    return Deb(file, hashlib.sha256(file.read_bytes()).hexdigest())


def rstudio_server(folder: Path) -> Deb:
    """The stand-in for RStudio Server, of RSTUDIO_VERSION."""
    source = FOLDER / "rstudio-server"
    binaries = {
        f"usr/lib/rstudio-server/bin/{name}": ((source / name).read_text(), 0o755)
        for name in ("rserver", "rsession", "rstudio-server")
    }
    unit = (source / "rstudio-server.service").read_text()
    contents = {
        **binaries,
        "usr/lib/systemd/system/rstudio-server.service": (unit, 0o644),
        "DEBIAN/postinst": ((source / "postinst").read_text(), 0o755),
    }
    file_name = f"rstudio-server-{RSTUDIO_VERSION.replace('+', '-')}-amd64.deb"
    return build(folder, "rstudio-server", RSTUDIO_VERSION, file_name, contents)


def r_build(folder: Path, version: str = R_VERSION) -> Deb:
    """The stand-in for one of Posit's builds of R."""
    home = f"/opt/R/{version}/lib/R"
    contents = {
        f"opt/R/{version}/bin/{name}": (_R.format(home=home, name=name), 0o755) for name in ("R", "Rscript")
    }
    contents[f"{home[1:]}/etc/ldpaths"] = (f"R_LD_LIBRARY_PATH={home}/extra\n", 0o644)
    return build(folder, f"r-{version}", "1", f"r-{version}_1_amd64.deb", contents)
