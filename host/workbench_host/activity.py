"""activity --json: who is at work on this host, and whether it would hurt them if it stopped now. For root.

{"people": [{"user", "logins", "kernels", "rstudio", "computing"}, ...]}: whoever has any of these, by name.

Nothing that a user can name is opened, and no socket of a user's is asked: what is known is what /proc and systemd say.
Of /proc no file is read that needs a process's memory (cmdline, maps): its user can have that wait for ever.
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

from workbench_host.processes import USER_UIDS, Stat, group_of, owners, stat_of, whose
from workbench_host.tools import FailureError, run

LOOK_SECONDS = 1.0
ANSWER_SECONDS = 20.0  # for logind and systemd each, which may hang
BUSY_SHARE = 0.05  # of one processor
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
SERVER = re.compile(r"/jupyter-[^/]+-singleuser\.service$")
SERVERS = "jupyter-*-singleuser.service"
# What runs by workbench-schedule, in a user manager (templates/timers).
SCHEDULED = re.compile(r"/user-\d+\.slice/user@\d+\.service/.*/workbench-schedule@[^/]+\.service")
RSESSION = "rsession"
# What users' servers say of themselves (workbench_server/jobs.py).
STATUS = re.compile(r"^StatusText=(\d{1,6}) of (\d{1,6}) kernels busy$", re.MULTILINE)
UNIT_OF = re.compile(r"^Slice=user-(\d+)\.slice$", re.MULTILINE)


@dataclass(frozen=True)
class Person:
    """A user at work: `logins` are sessions of logind (SSH) and terminals in JupyterLab, `rstudio` R sessions there.

    `computing`: more than a twentieth of a processor was used while it was looked, a kernel says that it is busy, or
    something runs by a schedule (`workbench-schedule`), which may wait for its data.
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
    terminal: bool  # whether it is the first of a terminal in JupyterLab
    scheduled: bool


def logins() -> Counter[str]:
    """How many sessions of logind each user has."""
    sessions = json.loads(run("loginctl", "list-sessions", "--json=short", seconds=ANSWER_SECONDS) or "[]")
    return Counter(session["user"] for session in sessions if session.get("class", "user") == "user")


def processes() -> Iterator[tuple[tuple[int, int], Process]]:
    """All processes of users by what tells one from another with its number: when it began."""
    for pid, owner in owners():
        group = group_of(pid)
        inside = whose(group)
        uid = owner if inside is None else inside
        if uid not in USER_UIDS or not (found := stat_of(pid)):
            continue
        in_server = bool(SERVER.search(group))
        first = in_server and found.session == pid and found.terminal != 0
        yield (pid, found.began), Process(uid, found, first, bool(SCHEDULED.search(group)))


def busy(before: dict[tuple[int, int], Process], after: dict[tuple[int, int], Process]) -> set[int]:
    """The users who have used more than their share of a processor between two looks, a second apart."""
    used = Counter[int]()
    for which, process in after.items():
        # Of what began in between all counts, and of what ended what its parent was told of it.
        earlier = before[which].stat.ticks if which in before else 0
        used[process.uid] += process.stat.ticks - earlier
    least = BUSY_SHARE * LOOK_SECONDS * TICKS_PER_SECOND
    return {uid for uid, ticks in used.items() if ticks > least}


def told() -> tuple[Counter[int], Counter[int]]:
    """How many kernels each user's servers say that they have, and how many of them are busy.

    One that waits for an answer is busy as well.
    """
    shown = run("systemctl", "show", "-p", "Slice,StatusText", SERVERS, seconds=ANSWER_SECONDS)
    kernels, at_it = Counter[int](), Counter[int]()
    for block in shown.split("\n\n"):
        whose, status = UNIT_OF.search(block), STATUS.search(block)
        if whose and status:
            at_it[int(whose[1])] += int(status[1])
            kernels[int(whose[1])] += int(status[2])
    return kernels, at_it


def look() -> Activity:
    """Takes a second. Raises FailureError where logind or systemd does not say."""
    before = dict(processes())
    time.sleep(LOOK_SECONDS)
    after = dict(processes())
    kernels, at_it = told()
    computing = busy(before, after) | {uid for uid, number in at_it.items() if number}
    computing |= {process.uid for process in after.values() if process.scheduled}
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
