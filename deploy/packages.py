"""Debian packages that no archive has: each pinned by its sha256, from its publisher or from a mirror of the settings.

All decisions are taken on the host (workbench_host/packages.py).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict

from deploy import files, programs
from workbench_host.packages import NOTES, Package

FOLDER = f"{programs.CONFIG}/packages"


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
    programs.run(program="packages", arguments=[name], reads=at, name=f"Install the packages of {name}")
