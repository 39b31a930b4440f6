"""activity --json: who is at work on this host, and whether it would hurt them if it stopped now. For root.

{"people": [{"user", "logins", "kernels", "rstudio", "computing"}, ...]}: whoever has any of these, by name.

Nothing that a user can name is opened, and no socket of a user's is asked: what is known is what /proc and systemd say.
Users can make themselves look busier than they are, and nobody else.
"""

import json
import os
import pwd
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from workbench_host.processes import USER_UIDS, Stat, cmdline_of, groups_of, owners, stat_of
from workbench_host.tools import FailureError, run

LOOK_SECONDS = 1.0
BUSY_SHARE = 0.05  # of one processor
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
SLICE = re.compile(r"/user-(\d+)\.slice/")
SERVER = re.compile(r"/jupyter-[^/]+-singleuser\.service$", re.MULTILINE)
SERVERS = "jupyter-*-singleuser.service"
# What every kernel is started with, of whatever language (jupyter_client, "Connection files"); named after its id.
KERNEL = re.compile(rb"kernel-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json")
RSESSION = "rsession"
# What users' servers say of themselves (templates/jupyterhub/workbench_jobs.py.j2).
STATUS = re.compile(r"^StatusText=(\d+) of \d+ kernels busy$", re.MULTILINE)
UNIT_OF = re.compile(r"^Slice=user-(\d+)\.slice$", re.MULTILINE)


@dataclass(frozen=True)
class Person:
    """A user at work: `logins` are sessions of logind (SSH) and terminals in JupyterLab, `rstudio` R sessions there.

    `computing`: more than a twentieth of a processor was used while it was looked, or a kernel says that it is busy.
    """

    user: str
    logins: int
    kernels: int
    rstudio: int
    computing: bool


@dataclass(frozen=True)
class Activity:
    """Who is at work."""

    people: list[Person]


@dataclass(frozen=True)
class Process:
    """A process of a user, and the slice that it counts for: what somebody runs by sudo is theirs."""

    uid: int
    stat: Stat
    kernel: bytes | None  # the connection file of the kernel that it is
    terminal: bool  # whether it is the first of a terminal in JupyterLab


def logins() -> Counter[str]:
    """How many sessions of logind each user has."""
    sessions = json.loads(run("loginctl", "list-sessions", "--json=short") or "[]")
    return Counter(session["user"] for session in sessions if session.get("class", "user") == "user")


def processes() -> Iterator[tuple[tuple[int, int], Process]]:
    """All processes of users by what tells one from another with its number: when it began."""
    for pid, owner in owners():
        groups = groups_of(pid)
        inside = SLICE.search(groups)
        uid = int(inside[1]) if inside else owner
        if uid not in USER_UIDS or not (found := stat_of(pid)):
            continue
        in_server = bool(SERVER.search(groups))
        kernel = KERNEL.search(cmdline_of(pid)) if in_server else None
        first = in_server and found.session == pid and found.terminal != 0
        yield (pid, found.began), Process(uid, found, kernel[0] if kernel else None, first)


def busy(before: dict[tuple[int, int], Process], after: dict[tuple[int, int], Process]) -> set[int]:
    """The users who have used more than their share of a processor between two looks, a second apart."""
    used = Counter[int]()
    for which, process in after.items():
        # Of what began in between all counts, and of what ended what its parent was told of it.
        earlier = before[which].stat.ticks if which in before else 0
        used[process.uid] += process.stat.ticks - earlier
    least = BUSY_SHARE * LOOK_SECONDS * TICKS_PER_SECOND
    return {uid for uid, ticks in used.items() if ticks > least}


def told_busy() -> set[int]:
    """The users whose server says that a kernel is busy, which one that waits for an answer is as well."""
    shown = run("systemctl", "show", "-p", "Slice,StatusText", SERVERS)
    found = set()
    for block in shown.split("\n\n"):
        whose, status = UNIT_OF.search(block), STATUS.search(block)
        if whose and status and int(status[1]) > 0:
            found.add(int(whose[1]))
    return found


def look() -> Activity:
    """Takes a second."""
    before = dict(processes())
    time.sleep(LOOK_SECONDS)
    after = dict(processes())
    computing = busy(before, after) | told_busy()
    kernels = Counter(
        uid for uid, _ in {(process.uid, process.kernel) for process in after.values() if process.kernel}
    )
    # What a session forks (R's mclapply) has its name as well.
    sessions_of_r = {pid for (pid, _), process in after.items() if process.stat.command == RSESSION}
    rstudio = Counter(
        process.uid
        for (pid, _), process in after.items()
        if pid in sessions_of_r and process.stat.parent not in sessions_of_r
    )
    terminals = Counter(process.uid for process in after.values() if process.terminal)
    sessions, names = logins(), {process.uid: _name(process.uid) for process in after.values()}
    people = [
        Person(name, sessions[name] + terminals[uid], kernels[uid], rstudio[uid], uid in computing)
        for uid, name in names.items()
    ]
    at_work = [one for one in people if one.logins or one.kernels or one.rstudio or one.computing]
    return Activity(sorted(at_work, key=lambda one: one.user))


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # no longer an account, and something of it still runs
        return str(uid)


def main(arguments: Sequence[str]) -> int:
    if list(arguments) != ["--json"]:
        print("activity takes --json.", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("Only root may ask who is at work here; run it with sudo.", file=sys.stderr)
        return 1
    try:
        print(json.dumps(asdict(look())))
    except FailureError as error:
        print(f"Activity: {error}.", file=sys.stderr)
        return 1
    return 0
