"""What of a host's software its settings ask for, as digests: by them an image is known to have it already.

One for each service that is on, one for the rest (`base`), and one for the team's environments: of the names of its
Debian packages, of its locks, and of the versions in its settings. Debian's own versions are not in it, which its
archive chooses.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from workbench import ROOT, versions
from workbench.settings import Service, Settings
from workbench.team import Lock

BASE, ENVIRONMENTS = "base", "environments"
DEPLOY = ROOT / "deploy"
_NAMES = ("PACKAGES", "_PACKAGES")  # what a service's module calls its Debian packages
_VERSIONS = ("version", "versions", "sha256")  # the settings of a service that choose what is installed
# The lock of what a further version's kernel needs is Python's, where there is one (deploy/python.py).
_OF_FURTHER_VERSIONS = {"kernel": "python"}

Parts = dict[str, str]


def parts(settings: Settings, locks: Iterable[Lock] = ()) -> Parts:
    """The digests by service: 12 hexadecimal digits each. `locks`: those of the team's environments."""
    debian, locked = debian_packages(), _locks()
    services = dict(settings.services.enabled())
    switched = {
        name
        for name in type(settings.services).model_fields
        if isinstance(getattr(settings.services, name), Service)
    }
    base = settings.services.base
    found: dict[str, list[Any]] = {
        BASE: [versions.DEBIAN_RELEASE, versions.PYTHON, sorted(base.packages), base.build_tools]
    }
    if teams := sorted((lock.environment.name, lock.digest) for lock in locks):
        found[ENVIRONMENTS] = [*teams]
    for name, service in services.items():
        chosen = {key: getattr(service, key) for key in _VERSIONS if hasattr(service, key)}
        told = {key: _plain(value) for key, value in chosen.items()}
        found[name] = [told, debian.get(name, ()), locked.get(name, "")]
        if chosen.get("versions"):
            found[name] += [locked[lock] for lock, of in _OF_FURTHER_VERSIONS.items() if of == name]
    for name in sorted(debian.keys() - switched):
        found[BASE].append([name, debian[name]])
    for name in sorted(locked.keys() - switched - _OF_FURTHER_VERSIONS.keys()):
        found[BASE].append([name, locked[name]])
    return {name: _digest(json.dumps(what, sort_keys=True).encode()) for name, what in found.items()}


def whole(found: Mapping[str, str]) -> str:
    """One digest of all of them."""
    return _digest(json.dumps(dict(found), sort_keys=True).encode())


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, list) else getattr(value, "version", value)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


@cache
def debian_packages() -> dict[str, tuple[str, ...]]:
    """The names in each module of deploy/, read out of its text: what is rented knows nothing of what is configured."""
    found = {}
    for path in sorted(DEPLOY.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
                named = [target.id for target in node.targets if isinstance(target, ast.Name)]
                if set(named) & set(_NAMES):
                    found[path.stem] = tuple(sorted(ast.literal_eval(node.value)))
    return found


@cache
def _locks() -> dict[str, str]:
    """A digest of each lock's files."""
    return {
        path.stem: _digest(b"".join(map(Path.read_bytes, _files(path))))
        for path in DEPLOY.glob("locks/*.txt")
    }


def _files(lock: Path) -> list[Path]:
    return [lock, *sorted(lock.with_suffix("").glob("*.json"))]
