"""The host's accounts: where they stand, and how they are read."""

import os
import time
from collections.abc import Collection, Iterator

from workbench_host import processes
from workbench_host.accounts import apps
from workbench_host.accounts.records import Account, System
from workbench_host.processes import LINGERING
from workbench_host.tools import DATA_VOLUME

HOMES = "/home"  # the volume's folder `home`, mounted once more
LEAVING = f"{DATA_VOLUME}/archive/leaving"  # homes that are being archived, out of their users' reach
GONE = f"{DATA_VOLUME}/archive/gone"  # homes that are in their archive and being deleted
KEYS = "/etc/ssh/authorized_keys.d"


def fields(name: str) -> Iterator[list[str]]:
    """The lines of one of /etc's account files, split (passwd(5), shadow(5), group(5))."""
    with open(f"/etc/{name}") as file:
        for line in file:
            yield line.rstrip("\n").split(":")


def read_accounts(groups: Collection[str]) -> dict[str, Account]:
    """All accounts, with their memberships as far as `groups` go."""
    shadows = {line[0]: line for line in fields("shadow")}
    there = list(fields("group"))
    members = {line[0]: set(line[3].split(",")) for line in there if line[0] in groups}
    ours = {int(line[2]): line[0] for line in there if line[0] in groups}
    running, today = processes.memberships(ours), time.time() / 86400
    accounts = {}
    for name, _, uid, gid, _, _, shell in fields("passwd"):
        shadow = shadows.get(name, [name, "", *[""] * 7])
        accounts[name] = Account(
            uid=int(uid),
            gid=int(gid),
            shadow=shadow[1],
            shell=shell,
            expired=bool(shadow[7]) and int(shadow[7]) <= today,
            groups=frozenset(group for group, names in members.items() if name in names),
            running=int(uid) in running or (LINGERING / name).exists(),
            held=frozenset(ours[number] for number in running.get(int(uid), ())),
            must_change=shadow[2] == "0",
        )
    return accounts


def read_system(groups: Collection[str]) -> System:
    """What plan has to know; `groups` are those that are ours."""
    homes = {
        entry.name: entry.stat(follow_symlinks=False).st_uid
        for entry in os.scandir(HOMES)
        # A link is what is left of a name that a user had before (renaming.py); only root can make one here.
        if not entry.name.startswith(".") and entry.name != "lost+found" and not entry.is_symlink()
    }
    keys = {}
    if os.path.isdir(KEYS):
        for entry in os.scandir(KEYS):
            with open(entry.path) as file:
                keys[entry.name] = file.read()
    gids = {line[0]: int(line[2]) for line in fields("group")}
    away, served = (names_in(LEAVING), names_in(GONE)), frozenset(apps.links() or ())
    return System(read_accounts(groups), gids, homes, keys, *away, served)


def names_in(folder: str) -> frozenset[str]:
    """What is in a folder, nothing where there is none."""
    return frozenset(os.listdir(folder)) if os.path.isdir(folder) else frozenset()
