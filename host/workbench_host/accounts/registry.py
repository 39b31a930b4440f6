"""What is declared, in /etc/workbench/users.json, and what the data volume remembers, in its registry."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workbench_host.accounts.records import Entry, Registry, Wanted
from workbench_host.tools import CONFIG, DATA_VOLUME, FailureError, wanted, write

WANTED = f"{CONFIG}/users.json"
REGISTRY = f"{DATA_VOLUME}/users/registry.json"


@dataclass(frozen=True)
class Declared:
    """What /etc/workbench/users.json says."""

    users: list[Wanted]
    disk_gib: int | None


def read_wanted(arguments: Sequence[str] = ()) -> Declared:
    """What is declared, or with `--given` what is to be."""
    told = json.loads(wanted(WANTED, arguments))
    lists = ("ssh_keys", "groups")
    users = [Wanted(**{**user, **{key: tuple(user[key]) for key in lists}}) for user in told["users"]]
    return Declared(users, told["disk_gib"])


def read_registry() -> Registry:
    try:
        with open(REGISTRY) as file:
            told = json.load(file)
            users = {name: _entry(entry) for name, entry in told["users"].items()}
            return Registry(users, {name: int(gid) for name, gid in told.get("groups", {}).items()})
    except FileNotFoundError:
        return Registry()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FailureError(
            f"{REGISTRY} cannot be read ({error}); restore it from a snapshot of the volume"
        ) from None


def _told(entry: Entry) -> dict[str, object]:
    """An entry; of a name that was never another without what tells of that, as programs of before read it."""
    told = asdict(entry)
    unknown = {"earlier"} if not entry.earlier else set()
    unknown |= {"formerly", "moving"} if not entry.formerly else set()
    return {key: told[key] for key in told if key not in unknown}


def _entry(told: Mapping[str, Any]) -> Entry:
    return Entry(**{**told, "earlier": tuple(told.get("earlier", ()))})


def is_kept() -> bool:
    """Whether there is a registry at all."""
    return os.path.exists(REGISTRY)


def write_registry(registry: Registry) -> None:
    if registry != read_registry() or not is_kept():
        os.makedirs(os.path.dirname(REGISTRY), mode=0o700, exist_ok=True)
        users = {name: _told(registry.users[name]) for name in sorted(registry.users)}
        told = {"users": users, "groups": dict(sorted(registry.gids.items()))}
        write(REGISTRY, json.dumps(told, indent=1) + "\n", 0o600)
