"""r-versions [--check [--given]]

Has the versions of R in /etc/workbench/r/versions.json on this host, beside Debian's, and no others of ours: each is a
package that installs into /opt/R/VERSION (packages), reads the same Rprofile.site as Debian's R, has IRkernel, and
is a kernel named r-VERSION. The file says {"cran": repository, "packages": [as packages takes them]}. What is no
longer listed stops being a kernel at once; its package goes as soon as nothing runs from it.

The kernel comes last, so this may be killed at any point, and the next call goes on. --check changes nothing: exit
status 0 where all is so, else 3.
"""

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from workbench_host import kernels, packages, tools
from workbench_host.in_use import run_from
from workbench_host.packages import Package
from workbench_host.team import builder, rs
from workbench_host.tools import CLEAN, CONFIG, WOULD_CHANGE, FailureError

VERSIONS = Path(CONFIG) / "r" / "versions.json"
ROOT = Path("/opt/R")
PROFILE = Path("/etc/R/Rprofile.site")
ENVIRONMENT = Path(CONFIG) / "r" / "Renviron.site"  # where a .Renviron counts
PREFIX = "r-"  # of the packages and of the kernels

_INSTALL = """\
there <- function() requireNamespace("IRkernel", quietly = TRUE)
warned <- character()
if (!there())
  withCallingHandlers(
    install.packages("IRkernel", lib = Sys.getenv("R_LIBS"), repos = {repository}),
    warning = function(w) warned <<- c(warned, gsub("\\n", " ", conditionMessage(w), fixed = TRUE))
  )
if (!there()) stop(paste(warned, collapse = "; "), call. = FALSE)
"""


def version_of(name: str) -> str:
    return name.removeprefix(PREFIX)


def kernel(version: str) -> dict[str, Any]:
    """The kernel's description, as Jupyter reads it."""
    start = [
        str(ROOT / version / "bin" / "R"),
        "--slave",
        "-e",
        "IRkernel::main()",
        "--args",
        "{connection_file}",
    ]
    return {"argv": start, "display_name": f"R {version}", "language": "R"}


def is_current(package: Package) -> bool:
    version = version_of(package.name)
    is_there = packages.is_current(package) and kernels.has(package.name, kernel(version))
    return is_there and has_profile(version)


def add_irkernel(version: str, cran: str) -> None:
    """IRkernel into the version's own library, from the repository of the settings; it comes last, after what it needs.

    A package's build, and R when it loads one, run programs of whoever published it: not as root.
    """
    library = ROOT / version / "lib" / "R" / "library"
    if (library / "IRkernel").exists():
        return
    made = ROOT / version / ".irkernel"
    builder.prepare(made)
    # In a file, which only the account reads: the address may have a password.
    builder.write(builder.CACHE / "irkernel.R", _INSTALL.format(repository=json.dumps(cran)))
    variables = {"HOME": str(builder.CACHE), "R_LIBS": str(made), "R_LIBS_USER": "/nonexistent"}
    try:
        builder.run(made, [ROOT / version / "bin" / "Rscript", "irkernel.R"], variables)
    except FailureError as error:
        raise FailureError(
            tools.without_password(
                f"IRkernel for R {version} cannot be installed from {cran} ({rs.reason(str(error))}): mirrors.cran "
                "names another repository to get it from."
            )
        ) from None
    builder.hand_over(made)
    library.mkdir(parents=True, exist_ok=True)
    for package in sorted(made.iterdir(), key=lambda one: one.name == "IRkernel"):
        if not (library / package.name).exists():
            package.rename(library / package.name)
    builder.discard(made)
    builder.clear()


def site_files(version: str) -> dict[Path, Path]:
    """What R reads for everybody before its user's files, and where it is: the profile is that of Debian's R."""
    folder = ROOT / version / "lib" / "R" / "etc"
    return {folder / "Rprofile.site": PROFILE, folder / "Renviron.site": ENVIRONMENT}


def share_profile(version: str) -> None:
    """Links from the version's own folder to the files that hold for all."""
    for path, target in site_files(version).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        new.replace(path)


def has_profile(version: str) -> bool:
    return all(
        path.is_symlink() and path.readlink() == target for path, target in site_files(version).items()
    )


def install(package: Package, cran: str) -> None:
    version = version_of(package.name)
    if not packages.is_current(package):
        packages.install(package)
    share_profile(version)
    add_irkernel(version, cran)
    kernels.add(package.name, kernel(version))


def leftovers(wanted: Iterable[str]) -> list[str]:
    noted = {version_of(note.name) for note in packages.NOTES.glob(f"{PREFIX}*")}
    return kernels.leftovers(noted, wanted, PREFIX, ROOT)


def remove(version: str) -> None:
    kernels.remove(f"{PREFIX}{version}")
    if not run_from(ROOT / version):
        packages.remove(f"{PREFIX}{version}")
        # What was added to the package: IRkernel, the profile.
        shutil.rmtree(ROOT / version, ignore_errors=True)


def main(arguments: Sequence[str]) -> int:
    config = json.loads(tools.wanted(VERSIONS, arguments))
    wanted = packages.listed(config["packages"])
    missing = [package for package in wanted if not is_current(package)]
    old = leftovers({version_of(package.name) for package in wanted})
    if "--check" in arguments:
        kernels.tell("R", [version_of(package.name) for package in missing], old)
        return WOULD_CHANGE if missing or old else CLEAN
    try:
        for package in missing:
            install(package, config["cran"])
        for version in old:
            remove(version)
    except FailureError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"The versions of R could not be put right: {tools.reason(error)}.", file=sys.stderr)
        return 1
    return 0
