"""An environment of R: a library of packages, built by R from archives that are compared with their sha256 before."""

import base64
import http.client
import ipaddress
import json
import os
import re
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from workbench_host import packages
from workbench_host.team import builder, libraries
from workbench_host.team.places import Marker, Wanted
from workbench_host.tools import FailureError, printable

VERSIONS = Path("/opt/R")
OF_THE_HOST = Path("/usr/bin/R")
AT_ONCE = 8

# R takes the archives of a folder as a repository, and sees itself to their order and, where it has `make`, to as many
# at once as there are processors. What it warns of when a package cannot be installed is an error here. A binary is
# only unpacked: whether what it was linked with is here, shows when it is loaded.
_SCRIPT = """\
wanted <- read.table("wanted.txt", header = TRUE, colClasses = "character")
library <- Sys.getenv("R_LIBS")
invisible(tools::write_PACKAGES("src/contrib", type = "source"))
at_once <- if (nzchar(Sys.which("make"))) parallel::detectCores() else 1L
options(warn = 1)
install.packages(wanted$name, lib = library, repos = paste0("file://", getwd()), type = "source", dependencies = FALSE,
                 Ncpus = at_once, keep_outputs = TRUE, quiet = TRUE)
there <- installed.packages(lib.loc = library, noCache = TRUE)
lacking <- setdiff(paste(wanted$name, wanted$version), paste(there[, "Package"], there[, "Version"]))
if (length(lacking)) {
  for (file in Filter(file.exists, paste0(sub(" .*", "", lacking), ".out"))) writeLines(readLines(file, warn = FALSE))
  stop("LACKING ", paste(lacking, collapse = ", "))
}
for (name in wanted$name[file.exists(file.path(library, wanted$name, "libs"))])
  tryCatch(loadNamespace(name), error = function(e) stop("UNLOADABLE ", name, ": ", conditionMessage(e)))
"""


def program(version: str) -> Path | None:
    """The R of a version without its last number, None where the host has none of it. The host's own goes first."""
    done = (
        subprocess.run([OF_THE_HOST, "--version"], capture_output=True, text=True, check=False)
        if OF_THE_HOST.exists()
        else None
    )
    if done and re.match(rf"R version {re.escape(version)}\.", done.stdout):
        return OF_THE_HOST
    found = [path for path in VERSIONS.glob(f"{version}.*/bin/R") if path.exists()]
    return max(found, key=lambda path: int(path.parts[-3].rpartition(".")[2])) if found else None


def build(wanted: Wanted, config: Mapping[str, Any]) -> Marker:
    """Has all of it in its folder, which belongs to the account that builds. Raises FailureError with a sentence."""
    try:
        return _build(wanted, config)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"[:200]
        raise FailureError(f"its lock is none that `workbench lock` makes ({why})") from None


def _build(wanted: Wanted, config: Mapping[str, Any]) -> Marker:
    r = program(wanted.version)
    if r is None:
        raise FailureError(f"the host has no R {wanted.version} ({wanted.setting}.r)")
    lock = json.loads(wanted.lock)
    address = repository(lock, config["cran"])
    if not config["cran"]:
        refuse_own(address)
    builder.prepare(wanted.folder)
    archives = builder.CACHE / "src" / "contrib"
    archives.mkdir(parents=True)
    _download(lock, address, archives)
    for place in (
        builder.CACHE / "src",
        archives,
    ):  # R writes its index beside the archives, which stay root's
        builder.give(place)
    rows = "".join(f"{name} {one['Version']}\n" for name, one in lock["Packages"].items())
    builder.write(builder.CACHE / "wanted.txt", f"name version\n{rows}")
    builder.write(builder.CACHE / "build.R", _SCRIPT)
    library = wanted.folder / "library"
    rscript = r.with_name("Rscript")
    command: list[str | Path] = [
        "/bin/sh",
        "-c",
        'mkdir -p "$1" && exec "$2" --vanilla build.R',
        "sh",
        library,
        rscript,
    ]
    try:
        builder.run(wanted.folder, command, _variables(library))
    except FailureError as error:
        raise FailureError(reason(str(error))) from None
    return Marker(wanted.name, wanted.language, wanted.version, str(r), len(lock["Packages"]))


def _variables(library: Path) -> dict[str, str]:
    """What R is told: to take packages of this library and of no other."""
    return {
        "HOME": str(builder.CACHE),
        "R_LIBS": str(library),
        "R_LIBS_USER": "/nonexistent",
        "R_LIBS_SITE": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
    }


def repository(lock: Mapping[str, Any], mirror: str | None) -> str:
    """Where the archives are: in the mirror of the settings, at the lock's day where it has one for each."""
    locked: str = lock["R"]["Repositories"][0]["URL"]
    day = re.search(r"/__linux__/[a-z]+/(\d{4}-\d\d-\d\d)$", locked)
    if mirror and day:
        return re.sub(r"(/__linux__/[a-z]+/)latest$", rf"\g<1>{day[1]}", mirror)
    return mirror or locked


def refuse_own(address: str) -> None:
    """What only a lock names, root asks for nothing of this host's or of the cloud's own. Raises FailureError."""
    host = urlsplit(address).hostname or ""
    try:
        found = {ipaddress.ip_address(one[4][0]) for one in socket.getaddrinfo(host, None)}
    except OSError:
        return  # what cannot be found is told of where it is asked
    for ip in found:
        plain = getattr(ip, "ipv4_mapped", None) or ip
        if plain.is_loopback or plain.is_link_local or plain.is_unspecified:
            raise FailureError(
                f"its lock names {host} as repository, an address of the host itself or of the cloud's services "
                f"({ip}): where one there is meant, mirrors.cran names it"
            )


def _download(lock: Mapping[str, Any], address: str, folder: Path) -> None:
    def one(name: str) -> None:
        _archive(address, lock["Packages"][name], lock["R"]["Version"], folder)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, lock["Packages"]))


def _archive(address: str, package: Mapping[str, str], version: str, folder: Path) -> None:
    """Puts one archive into the folder once it is what the lock says. Raises FailureError."""
    name, shown = f"{package['Package']} {package['Version']}", re.sub(r"//[^/\s]*@", "//", address)
    target = folder / f"{package['Package']}_{package['Version']}.tar.gz"
    part = target.with_name(f"{target.name}.part")
    try:
        found = packages.read_patiently(_request(address, package["File"], version), part)
    except urllib.error.HTTPError as error:
        raise FailureError(f"{shown} does not have {package['File']} (status {error.code})") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        part.unlink(missing_ok=True)
        why = packages.reason(error)
        raise FailureError(
            f"{shown} cannot be reached ({why}); mirrors.cran names another repository"
        ) from None
    if found != package["Sha256"]:
        part.unlink()
        raise FailureError(
            f"{name} from {shown} has another sha256 than its lock says; if it was published anew, `workbench lock` "
            "makes it again"
        )
    part.rename(target)


def _request(address: str, file: str, version: str) -> urllib.request.Request:
    """Asked as R itself asks, by which Posit's package manager sends binaries; a password goes into a header.

    It is for this address alone, not for where that leads on to.
    """
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"{parts.scheme} is no way to get archives")
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    machine = os.uname().machine
    agent = f"R/{version}.0 R ({version}.0 {machine}-pc-linux-gnu {machine} linux-gnu)"
    request = urllib.request.Request(f"{plain}/{file}", headers={"User-Agent": agent})
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    return request


_DEB = re.compile(r"\bdeb:\s*([a-z0-9][a-z0-9+.-]+)")  # as configure scripts of R packages say it
_LIBRARY = re.compile(r"(lib[\w+.-]+\.so[\w.]*): cannot open shared object file")
_TOOL = re.compile(
    r"\b(make|gcc|g\+\+|gfortran|cc|c\+\+)(?:-\d+)?: (?:not found|No such file|command not found)"
)
_OF = re.compile(
    r"ERROR: (?:configuration|compilation) failed for package [\u2018']([\w.]+)[\u2019']|UNLOADABLE ([\w.]+)"
)


def reason(said: str) -> str:
    """Why it could not be built, in a sentence's end that names the setting which would help."""
    said = printable(said)
    if "No space left on device" in said:
        return "the disk is full: rootVolumeGib makes it larger"
    match = _OF.search(said)
    if match and (why := _lacking(match[1] or match[2], said)):
        return why
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "ERROR" in line or line.startswith("Error")] or lines[-3:]
    return " ".join(telling)[:600] or "it said nothing"


def _lacking(name: str, said: str) -> str | None:
    """What of Debian's a package lacks; R asks for `make` also where it does without."""
    if found := _DEB.search(said):
        return f"{name} needs the Debian package {found[1]}: add it to services.base.packages"
    if found := _LIBRARY.search(said):
        package = libraries.package_of(found[1])
        what = f"the Debian package {package}, which has {found[1]}" if package else found[1]
        has = "it" if package else "the Debian package that has it"
        return f"{name} needs {what}: add {has} to services.base.packages"
    if found := _TOOL.search(said):
        return f"{name} is built from source, and there is no {found[1]}: set services.base.buildTools: true"
    return None
