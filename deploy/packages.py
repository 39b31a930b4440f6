"""Debian packages that no archive has: each pinned by its sha256, from its publisher or from a mirror of the settings.

All decisions are taken on the host (templates/packages/packages.py.j2); other programs there import it as a module.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pyinfra.api.deploy import deploy

from deploy import apt, files, programs

PROGRAM = "packages.py"
FOLDER = f"{programs.CONFIG}/packages"
NOTES = "/var/lib/workbench/packages"


@dataclass(frozen=True)
class Package:
    """One package: `name` as dpkg knows it, `title` for people.

    `mirror` and `setting` are the keys of the settings that say where it comes from and which one it is.
    """

    name: str
    title: str
    address: str
    sha256: str
    mirror: str
    setting: str


@deploy("packages")
def packages() -> None:
    """The program that the services install their packages with."""
    programs.install("packages/packages.py.j2", PROGRAM, apt_get=apt.APT_GET)


def text(wanted: Sequence[Package]) -> str:
    """The list as the host's program reads it."""
    return json.dumps([asdict(package) for package in wanted], indent=1) + "\n"


def note(package: Package) -> str:
    """The file on the host that says which file of the package is installed."""
    return f"{NOTES}/{package.name}"


def group(name: str, wanted: Sequence[Package]) -> None:
    """Installs what is missing of `wanted`, the list of the service `name`."""
    at = f"{FOLDER}/{name}.json"
    files.put(content=files.Content(text(wanted).encode()), dest=at, name=at)
    programs.run(program=PROGRAM, arguments=[name], name=f"Install the packages of {name}")
