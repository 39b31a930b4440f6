"""logs [--units JSON | --user NAME | --deploy] [--since TIME] [--follow] [--people]: what the journal has.

For `workbench logs`: a line of JSON for each entry, {"time": ISO in the host's time zone, "unit", "user": name or null,
"priority": 0 to 7, "message"}. Without --since and --follow the last 200 of them. For root.

--units takes names and patterns of units; without --people what has a user is left out.
"""

import argparse
import fnmatch
import json
import os
import re
import select
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from workbench_host.journal import BY_SYSTEMD, Match, People, is_by_systemd, people, told
from workbench_host.tools import FailureError, reason

MOST = 200  # entries, where no time is given
FIRST = 30  # entries before those that are waited for
DEPLOY = "workbench-deploy"  # the identifier of what a deploy leaves (deploy/progress.py); only root's counts
DEPLOY_UNITS = ("workbench-packages.service", "workbench-updates.service")
# Whose lines tell of logins, where they name the user; all of them root's or a service's own.
LOGIN_UNITS = (
    *("ssh.service", "systemd-logind.service", "jupyterhub.service"),
    *("rstudio-server.service", "workbench-sign-in.service"),
)
FIELDS = "MESSAGE,PRIORITY,UNIT,_PID,_UID,_SYSTEMD_UNIT,_SYSTEMD_OWNER_UID,_SYSTEMD_USER_UNIT"


def of_units(units: Sequence[str]) -> list[Match]:
    """What the processes of these units, or of units by these patterns, said, and what systemd said of them.

    Which names there are is asked of a field of the journal's own: of UNIT anybody writes as many as they like. So
    of a pattern all that systemd says is a match, of which `Wanted` takes what is of such units.
    """
    globs = [one for one in units if "*" in one]
    plain = [one for one in units if one not in globs]
    known = values("_SYSTEMD_UNIT") if globs else []
    found = [*plain, *sorted(one for one in known if is_one_of(one, globs))]
    said = [match for unit in found for match in ((f"_SYSTEMD_UNIT={unit}",), (f"UNIT={unit}", *BY_SYSTEMD))]
    return [*said, *([BY_SYSTEMD] if globs else [])]


def is_one_of(unit: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(unit, pattern) for pattern in patterns)


def values(field: str) -> list[str]:
    done = subprocess.run(["journalctl", "--quiet", "-F", field], capture_output=True, check=False)
    return done.stdout.decode(errors="replace").splitlines()


def units_of_user(names: Iterable[str], uid: int) -> list[str]:
    """The system's units that are a user's, by name or by pattern."""
    kinds = ("-singleuser.service", "-singleuser-front.service", "-singleuser-front.socket", ":*")
    own = [f"jupyter-{name}{kind}" for name in names for kind in kinds]
    own += [f"workbench-apps@{uid}.service", f"workbench-apps@{uid}.socket"]
    return [*own, f"workbench-apps-again@{uid}.service", f"user@{uid}.service", f"user-{uid}.slice"]


def of_user(units: Sequence[str], uid: int) -> list[Match]:
    """What a user's processes said, what happened in the user's slice, and what may tell of logins."""
    logins: list[Match] = [(f"_SYSTEMD_UNIT={unit}",) for unit in LOGIN_UNITS]
    return [(f"_UID={uid}",), (f"_SYSTEMD_OWNER_UID={uid}",), *of_units(units), *logins]


def of_deploys() -> list[Match]:
    return [(f"SYSLOG_IDENTIFIER={DEPLOY}", "_UID=0"), *of_units(DEPLOY_UNITS)]


def command(matches: Sequence[Match], *options: str) -> list[str]:
    terms: list[str] = []
    for match in matches:
        terms += [*(["+"] if terms else []), *match]
    shape = ("--quiet", "--no-pager", "--all", "--output=json", f"--output-fields={FIELDS}")
    return ["journalctl", *shape, *options, *terms]


def need_time(since: str) -> None:
    """Raises FailureError for a time that the journal does not understand."""
    asked = ["journalctl", "--quiet", "--lines=0", f"--since={since}"]
    done = subprocess.run(asked, capture_output=True, check=False)
    if b"timestamp" in done.stderr:
        raise FailureError(
            f"--since is {since!r}, which is no time; takes one such as 2h, 30min, yesterday, '2026-11-28 10:00'"
        )


class Wanted:
    """Which entries are asked for, by their matches and by what is not the journal's to judge."""

    def __init__(self, options: argparse.Namespace, known: People) -> None:
        self._known, self._people = known, options.people or options.deploy
        self._name = None if options.user is None else known.today(options.user)
        if self._name is not None:
            if self._name not in known.uids:
                raise FailureError(
                    f"there is no account {options.user!r}; there are {', '.join(sorted(known.uids))}"
                )
            names, uid = known.all_of(self._name), known.uids[self._name]
            self._units = units_of_user(names, uid)
            self.matches = of_user(self._units, uid)
            self._named = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, names))})(?![\w-])")
        else:
            self._units = list(DEPLOY_UNITS) if options.deploy else json.loads(options.units)
            self.matches = of_deploys() if options.deploy else of_units(self._units)

    def take(self, line: bytes) -> dict[str, Any] | None:
        """What is to be printed of a line of journalctl's, None where it is not asked for."""
        try:
            entry = json.loads(line)
            found = told(entry, self._known)
        except (ValueError, KeyError):
            return None
        if is_by_systemd(entry) and not is_one_of(found["unit"], self._units):
            return None
        if self._name is not None:
            mine = found["user"] == self._name
            return found if mine or (found["user"] is None and self._named.search(found["message"])) else None
        return found if self._people or found["user"] is None else None


def say(found: Mapping[str, Any]) -> None:
    print(json.dumps(found), flush=True)


def last(wanted: Wanted) -> None:
    """The last ones, read from the end, however much lies before them."""
    with subprocess.Popen(command(wanted.matches, "--reverse"), stdout=subprocess.PIPE) as reading:
        assert reading.stdout is not None
        newest: deque[dict[str, Any]] = deque()
        for line in reading.stdout:
            if found := wanted.take(line):
                newest.appendleft(found)
                if len(newest) == MOST:
                    break
        reading.kill()
    for found in newest:
        say(found)


def stream(wanted: Wanted, *options: str, follow: bool) -> None:
    """All of them, oldest first; with `follow` until whoever asked is gone, which closes the standard input."""
    with subprocess.Popen(command(wanted.matches, *options), stdout=subprocess.PIPE) as reading:
        try:
            for line in lines(reading) if follow else reading.stdout or ():
                if found := wanted.take(line):
                    say(found)
        finally:
            reading.kill()


def lines(reading: "subprocess.Popen[bytes]") -> Iterator[bytes]:
    """The lines as they come, for as long as somebody is at the other end."""
    assert reading.stdout is not None
    output, rest = reading.stdout.fileno(), b""
    while True:
        ready, _, _ = select.select([output, sys.stdin], [], [])
        if sys.stdin in ready and not os.read(sys.stdin.fileno(), 4096):
            return
        if output in ready:
            read = os.read(output, 1 << 16)
            if not read:
                return
            *whole, rest = (rest + read).split(b"\n")
            yield from whole


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("logs")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--units")
    asked.add_argument("--user")
    asked.add_argument("--deploy", action="store_true")
    parser.add_argument("--since")
    parser.add_argument("--follow", action="store_true")
    parser.add_argument("--people", action="store_true")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    options = parsed(arguments)
    try:
        since = []
        if options.since is not None:
            need_time(options.since)
            since = [f"--since={options.since}"]
        wanted = Wanted(options, people())
        if options.follow:
            stream(wanted, "--follow", *(since or [f"--lines={FIRST}"]), follow=True)
        elif since:
            stream(wanted, *since, follow=False)
        else:
            last(wanted)
    except BrokenPipeError:  # whoever asked has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - what is left in the buffer goes nowhere
    except (FailureError, OSError) as error:
        print(f"{reason(error)}.", file=sys.stderr)
        return 1
    return 0
