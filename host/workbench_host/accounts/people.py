"""people: prints who has or had an account, for `workbench users`. For root, since it names who does what.

{"users": [{"name", "uid", "state": "active|locked|removed", "admin", "groups": [name, ...], "last_seen": ISO or null,
"disk_gib": N or null, "sessions": {"jupyter", "logins", "processes"}, "archives": [path, ...]}],
"disk_limit_gib": N or null, "disk_limit_enforced": bool}

`last_seen` is the newer of the last login that PAM noted on this server and the last activity that the hub knows of;
`logins` are sessions of systemd-logind: SSH, R.
"""

import datetime
import glob
import grp
import json
import os
import re
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing

from workbench_host import processes
from workbench_host.accounts import quota
from workbench_host.accounts.homes import ARCHIVES
from workbench_host.accounts.records import ADMIN_GROUPS, SYSTEM_GROUPS, ConflictError
from workbench_host.accounts.registry import read_registry, read_wanted
from workbench_host.accounts.system import HOMES
from workbench_host.activity import logins
from workbench_host.tools import DATA_VOLUME, FailureError, run

LOGINS = "/var/lib/lastlog/lastlog2.db"
HUB = f"{DATA_VOLUME}/jupyterhub/jupyterhub.sqlite"
SERVER = re.compile(r"jupyter-([^:]+?)(?::[^:]+)?-singleuser\.service")
TIME = f"{'[0-9]' * 8}T{'[0-9]' * 6}Z"
GIB = 1024**3
COUNTING_SECONDS = 300.0  # for all homes, where no quota counts them; `workbench users` waits for 600


def rows(path: str, query: str) -> list[tuple[str, str]]:
    """What a query finds in an SQLite database that others write; nothing where it, or the table, is not there yet."""
    if not os.path.exists(path):
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
        try:
            return database.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []


def seen(former: Mapping[str, str]) -> dict[str, datetime.datetime]:
    """When each user was last seen, in UTC; `former` are names of today by those of before, which PAM noted."""
    found = [
        (name, datetime.datetime.fromtimestamp(int(stamp), datetime.UTC))
        for name, stamp in rows(LOGINS, "SELECT Name, Time FROM Lastlog2 WHERE Time > 0")
    ]
    found += [
        (name, datetime.datetime.fromisoformat(stamp).replace(tzinfo=datetime.UTC))
        for name, stamp in rows(HUB, "SELECT name, last_activity FROM users WHERE last_activity IS NOT NULL")
    ]
    told = ((former.get(name, name), when) for name, when in found)
    return dict(sorted(told, key=lambda pair: pair[1]))  # of two for a name, the last one counts


def servers() -> Counter[str]:
    """How many Jupyter servers each user runs."""
    listed = run(
        "systemctl", "list-units", "--plain", "--no-legend", "--state=active", "jupyter-*-singleuser.service"
    )
    matches = (SERVER.fullmatch(line.split()[0]) for line in listed.splitlines() if line)
    return Counter(match[1] for match in matches if match)


def disk_gib(name: str, uid: int, shares: dict[int, quota.Share] | None, deadline: float) -> float | None:
    """Disk that a user takes: by the volume's own count of all files, else what the home has.

    None where its files are so many that they are not counted by the `deadline` (time.monotonic()).
    """
    if shares is not None:
        return round(shares.get(uid, quota.Share(0, quota.Limit())).used / quota.KIB_PER_GIB, 2)
    if not os.path.isdir(f"{HOMES}/{name}"):
        return 0.0
    # Files may go while they are counted, which du complains of: what it counted is good enough.
    command, left = ("du", "-s", "--block-size=1", f"{HOMES}/{name}"), max(0.1, deadline - time.monotonic())
    try:
        counted = run(*command, okay=(0, 1), seconds=left)
    except FailureError:
        return None
    return round(int(counted.split()[0]) / GIB, 2) if counted else 0.0


def report() -> dict[str, object]:
    declared, registry, shares = read_wanted(), read_registry(), quota.shares()
    last, running, here, at_work = seen(registry.former()), servers(), logins(), processes.at_work()
    states = {user.name: "removed" if user.removed else "active" for user in declared.users}
    groups = {group.gr_name: set(group.gr_mem) for group in grp.getgrall()}
    users, deadline = [], time.monotonic() + COUNTING_SECONDS
    for name, entry in sorted(registry.users.items()):
        own = {group for group, members in groups.items() if name in members}
        users.append(
            {
                "name": name,
                "uid": entry.uid,
                "state": states.get(name, "locked"),
                "admin": bool(own & ADMIN_GROUPS),
                "groups": sorted(own - SYSTEM_GROUPS),
                "last_seen": last[name].isoformat(timespec="seconds") if name in last else None,
                "disk_gib": disk_gib(name, entry.uid, shares, deadline),
                "sessions": {"jupyter": running[name], "logins": here[name], "processes": at_work[entry.uid]},
                "archives": sorted(glob.glob(f"{ARCHIVES}/{name}-{TIME}.tar.zst")),
            }
        )
    return {"users": users, "disk_limit_gib": declared.disk_gib, "disk_limit_enforced": shares is not None}


def main(_: Sequence[str]) -> int:
    if os.geteuid() != 0:
        print("Only root may ask who is at work here; run it with sudo.", file=sys.stderr)
        return 1
    try:
        print(json.dumps(report(), indent=1))
    except (ConflictError, FailureError) as error:
        print(f"Users: {error}.", file=sys.stderr)
        return 1
    return 0
