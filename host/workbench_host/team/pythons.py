"""An environment of Python, built by uv from a lock with the hashes of all files."""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench_host import python_versions
from workbench_host.team import builder, places
from workbench_host.team.places import ROOT, Marker, Wanted
from workbench_host.tools import FailureError, printable

UV = Path("/opt/workbench/uv/bin/uv")
BUILDS = ROOT / ".builds"  # uv's builds of Python, where the host's own is of another version
GUARD = python_versions.GUARD
# Where the system's own commands are, and what an environment may bring under the same name: what is Python's, and the
# tools that wheels bring along for builds. By none of these is more of a package run than by `python` itself.
SYSTEM = tuple(map(Path, ("/usr/bin", "/usr/sbin", "/bin", "/sbin")))
_OWN = re.compile(r"(?:python|pip|pydoc|idle|ipython|jupyter)[\w.-]*|cmake|ctest|cpack|ninja")
# What uv's words are about, by a sign of them.
_NO_COMPILER = re.compile(
    r"(?:command '?|unable to execute '|No such file or directory: ')(?:\S*gcc|cc|\S*g\+\+|gfortran)|error: linker"
)
_NO_HEADER = re.compile(r"fatal error: (\S+\.h)")
_NO_BUILD = re.compile(r"(?:heels are required|uilding source distributions) for [`']?([^\s`']+)")
_HASH = re.compile(r"Hash mismatch for [`']?([^\s`']+)")


def build(wanted: Wanted, config: Mapping[str, Any]) -> Marker:
    """Has all of it in its folder, which belongs to the account that builds. Raises FailureError with a sentence."""
    base = interpreter(wanted, config["builds"])
    builder.prepare(wanted.folder)
    lock, settings, run, pip = (builder.CACHE / name for name in ("lock.txt", "uv.toml", "build.sh", "pip"))
    builder.write(lock, wanted.lock)
    # In a file, not on the command line or in the unit: both can be looked at, and there may be a password in it.
    index = f"[[index]]\nurl = {json.dumps(config['index'])}\ndefault = true\n" if config["index"] else ""
    builder.write(settings, index)
    builder.write(run, _SCRIPT)
    default = places.DEFAULT_LINK / "bin" / "pip"
    builder.write(pip, _PIP.format(name=wanted.name, default=default, folder=wanted.folder))
    # What a build needs itself, such as setuptools, is in no lock: so there is none, unless compilers are asked for.
    builds = "--build" if config["build"] else "--no-build"
    # As in the workbench's own default environment, users add packages of theirs, which are looked at last.
    shared = "shared" if wanted.name == places.PYTHON else ""
    given: tuple[str | Path, ...] = (wanted.folder, base, settings, lock, UV, GUARD, pip, builds, shared)
    command: list[str | Path] = ["/bin/sh", "-eu", run, *given]
    variables = {
        "HOME": str(builder.CACHE),
        "UV_CACHE_DIR": str(builder.CACHE / "uv"),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_SYSTEM_CERTS": "1",
    }
    try:
        builder.run(wanted.folder, command, variables)
    except FailureError as error:
        raise FailureError(reason(str(error))) from None
    refuse_hiding(wanted.folder / "bin")
    count = len(list(wanted.folder.glob("lib/python3*/site-packages/*.dist-info")))
    return Marker(wanted.name, wanted.language, wanted.version, f"{wanted.folder}/bin/python", count)


# The guard against modules of a shared working directory is that of all our Pythons (python_versions.py).
_SCRIPT = """\
folder=$1 base=$2 settings=$3 lock=$4 uv=$5 guard=$6 pip=$7 builds=$8 shared=$9
"$uv" venv --quiet ${shared:+--system-site-packages} --no-config --allow-existing --python "$base" "$folder"
set -- --quiet --config-file "$settings" --python "$folder/bin/python" --compile-bytecode --require-hashes "$builds"
"$uv" pip sync "$@" "$lock"
for packages in "$folder"/lib/python3*/site-packages; do
  if [ -e "$guard" ]; then cp "$guard" "$packages/"; fi
done
if [ -z "$shared" ] && [ ! -e "$folder/bin/pip" ]; then
  for name in pip pip3; do cp "$pip" "$folder/bin/$name"; chmod 755 "$folder/bin/$name"; done
fi
rm -f "$folder/.lock"
"""
# Where the lock has none, the next one on the PATH would put packages where this environment does not look for them.
_PIP = """\
#!/bin/sh
case "${{1-}}" in install | uninstall)
  echo "{name} is the team's, and has the packages of its lock: an administrator adds one for everybody;" \\
    "what is for you alone goes into a project of your own (workbench-project NAME)." >&2
  exit 1 ;;
esac
exec {default} --python {folder}/bin/python "$@"
"""


def refuse_hiding(commands: Path) -> None:
    """Raises FailureError where a command of the environment is called as one of the system's.

    Its commands stand first on people's PATH, administrators' too, who would run it in the other's place.
    """
    if commands.is_symlink():
        raise FailureError(f"{commands.name} is a link that a package's build has made")
    hiding = [name for name in sorted(os.listdir(commands)) if not _OWN.fullmatch(name) and _is_system(name)]
    if hiding:
        raise FailureError(
            f"a package brings a command called {', '.join(hiding)[:200]}, which would be run in place of the system's "
            "own; take that package out, or another version of it"
        )


def _is_system(name: str) -> bool:
    """Whether the system has a command of the name, other than one of Python: Debian has packages' commands as well."""
    for path in (folder / name for folder in SYSTEM):
        if path.is_file():
            with path.open("rb") as file:
                first = file.readline(200)
            if path.parent.name == "sbin" or not re.match(rb"#!.*\bpython", first):
                return True
    return False


def interpreter(wanted: Wanted, mirror: str | None) -> str:
    """The Python that it is on: the host's own where that is of its version, else one of uv's builds."""
    if wanted.version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return "/usr/bin/python3"
    try:
        python_versions.fetch(wanted.version, mirror, BUILDS)
    except FailureError as error:
        raise FailureError(
            str(error).replace("services.python.versions", f"{wanted.setting}.python")
        ) from None
    builds = [path for path in BUILDS.glob(f"cpython-{wanted.version}[.-]*") if not path.is_symlink()]
    builds.sort(key=lambda path: [int(part) for part in re.findall(r"\d+", path.name.split("-")[1])])
    if not builds:
        raise FailureError(f"uv has put no Python {wanted.version} into {BUILDS}")
    return str(builds[-1] / "bin" / "python3")


def reason(said: str) -> str:
    """Why it could not be built, in a sentence's end that names the setting which would help."""
    said = printable(said)
    if match := _HASH.search(said):
        return f"{match[1]} has another sha256 than its lock says; if it is new, `workbench lock` makes that again"
    if match := _NO_BUILD.search(said):
        return (
            f"{match[1]} is published as source alone, which is built where services.base.buildTools is true"
        )
    if match := _NO_HEADER.search(said):
        return f"a package is built from source and misses {match[1]}: services.base.packages takes what has it{_TOOLS}"
    if _NO_COMPILER.search(said):
        what = f"a package{_about(said)} is built from source, and there is no compiler"
        return f"{what}: set services.base.buildTools: true"
    if "No space left on device" in said:
        return "the disk is full: rootVolumeGib makes it larger"
    lines = [re.sub(r"[\u00d7\u2500-\u257f\u25b6]", " ", line).strip() for line in said.splitlines()]
    lines = [" ".join(line.split()) for line in lines if line.strip()]
    return (
        " ".join(lines[:2] + lines[-1:] if len(lines) > 3 else lines)[:600].removeprefix("error: ")
        or "it said nothing"
    )


_TOOLS = ", and services.base.buildTools the compilers"


def _about(said: str) -> str:
    match = re.search(r"Failed to build [`']?([^\s`']+)", said)
    return f" ({match[1]})" if match else ""


def sweep() -> None:
    """Builds of Python that no environment is on any more go, once nothing runs from them."""
    python_versions.sweep(BUILDS, places.folders())
