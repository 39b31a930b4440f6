"""logs [--units JSON | --user NAME | --deploy] [--since TIME] [--follow] [--people]: what the journal has.

For `workbench logs`: a line of JSON for each entry, {"time": ISO in the host's time zone, "unit", "user": name or null,
"priority": 0 to 7, "message"}. Without --since and --follow the last 200 of them. For root.

Who said something is never taken from what was said: whoever writes to the journal chooses identifier and message, and
only the fields that begin with an underscore are the journal's own (systemd.journal-fields(7)). `user` is set for all
that a person's process said and for all that happened in a person's slice, so that nothing of theirs counts as a
service's. --units takes names and patterns of units; without --people what has a user is left out.
"""

import argparse
import contextlib
import fnmatch
import json
import os
import pwd
import re
import select
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from workbench_host.accounts.registry import read_registry
from workbench_host.processes import ADMIN_UID
from workbench_host.tools import FailureError, reason

MOST = 200  # entries, where no time is given
FIRST = 30  # entries before those that are waited for
LONGEST = 8192  # characters of a message
DYNAMIC_UIDS = range(61184, 65520)  # of services, by systemd (DynamicUser)
NOBODY = 65534
DEPLOY = (
    "workbench-deploy"  # the identifier of what a deploy leaves (deploy/progress.py), and only root's counts
)
DEPLOY_UNITS = ("workbench-packages.service", "workbench-updates.service")
# Whose lines tell of logins, where they name the user; all of them root's or a service's own.
LOGIN_UNITS = (
    *("ssh.service", "systemd-logind.service", "jupyterhub.service"),
    *("rstudio-server.service", "workbench-sign-in.service"),
)
FIELDS = "MESSAGE,PRIORITY,UNIT,_PID,_UID,_SYSTEMD_UNIT,_SYSTEMD_OWNER_UID,_SYSTEMD_USER_UNIT"
SERVER = re.compile(r"jupyter-([^:]+?)(?::.+)?-singleuser(?:-front)?\.(?:service|socket)")
OF_UID = re.compile(
    r"(?:workbench-apps(?:-again)?@|user@|user-runtime-dir@|user-|workbench-session-)(\d+)[.-]"
)

Match = tuple[str, ...]  # fields that have all to be so, as journalctl takes them


class People:
    """Names of accounts by uid; `former` are names of today by those that their users had before."""

    def __init__(self, uids: Mapping[str, int], former: Mapping[str, str] | None = None) -> None:
        self.uids, self._former = uids, former or {}
        self._names = {uid: name for name, uid in uids.items()}

    def name(self, uid: int) -> str | None:
        """Whose uid it is; None for root's and the services'. Who is unknown, as within containers, has the number."""
        if uid < ADMIN_UID or uid in DYNAMIC_UIDS or uid == NOBODY:
            return None
        return self._names.get(uid, str(uid))

    def today(self, name: str) -> str:
        """What somebody of this name is called today."""
        return self._former.get(name, name)

    def all_of(self, name: str) -> list[str]:
        """A name of today, and all that its user had before."""
        return [name, *(old for old, today in self._former.items() if today == name)]


def people() -> People:
    """All who have or had an account, and the administrator."""
    registry = read_registry()
    uids = {name: entry.uid for name, entry in registry.users.items()}
    with contextlib.suppress(KeyError):
        uids[pwd.getpwuid(ADMIN_UID).pw_name] = ADMIN_UID
    return People(uids, registry.former())


NUMBER = re.compile(r"[0-9]{1,19}")


def number(entry: Mapping[str, Any], field: str) -> int | None:
    """A field's number; None where it has none. What programs say of themselves may be anything, such as `\u00b2`."""
    text = entry.get(field)
    return int(text) if isinstance(text, str) and NUMBER.fullmatch(text) else None


def unit_of(entry: Mapping[str, Any]) -> str:
    """The unit that an entry is of: whose process said it, or about which systemd itself did."""
    if number(entry, "_PID") == 1 and number(entry, "_UID") == 0 and isinstance(entry.get("UNIT"), str):
        return str(entry["UNIT"])
    return str(entry.get("_SYSTEMD_UNIT") or "")


def user_of(entry: Mapping[str, Any], unit: str, known: People) -> str | None:
    """The person whose process said it, in whose slice it was said, or of whose unit it tells."""
    for field in ("_UID", "_SYSTEMD_OWNER_UID"):
        uid = number(entry, field)
        if uid is not None and (name := known.name(uid)):
            return name
    if found := SERVER.fullmatch(unit):
        return known.today(found[1])
    if found := OF_UID.match(unit):
        return known.name(int(found[1]))
    return None


def message_of(entry: Mapping[str, Any]) -> str:
    """What was said; bytes that are no UTF-8 come as numbers."""
    said = entry.get("MESSAGE")
    if isinstance(said, list) and all(isinstance(one, int) for one in said):
        said = bytes(said).decode(errors="replace")
    text = str(said if said is not None else "")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def told(entry: Mapping[str, Any], known: People) -> dict[str, Any]:
    """What is printed of an entry of the journal's."""
    unit = unit_of(entry)
    message = message_of(entry)
    own = entry.get("_SYSTEMD_USER_UNIT")
    if isinstance(own, str) and own != "init.scope":  # a unit of the user's own, who named it
        message = f"{own}: {message}"
    priority = number(entry, "PRIORITY")
    when = datetime.fromtimestamp(int(entry["__REALTIME_TIMESTAMP"]) / 1e6).astimezone()
    return {
        "time": when.isoformat(timespec="milliseconds"),
        "unit": unit,
        "user": user_of(entry, unit, known),
        "priority": 6 if priority is None else priority,
        "message": message,
    }


def expanded(patterns: Iterable[str]) -> list[str]:
    """The units that the journal knows, or could know, by these names and patterns."""
    wanted = list(patterns)
    plain = [one for one in wanted if "*" not in one]
    globs = [one for one in wanted if "*" in one]
    if globs:
        known = {name for field in ("_SYSTEMD_UNIT", "UNIT") for name in values(field)}
        plain += sorted(name for name in known if any(fnmatch.fnmatchcase(name, glob) for glob in globs))
    return list(dict.fromkeys(plain))


def values(field: str) -> list[str]:
    done = subprocess.run(["journalctl", "--quiet", "-F", field], capture_output=True, check=False)
    return done.stdout.decode(errors="replace").splitlines()


def of_units(units: Iterable[str]) -> list[Match]:
    """What these units' processes said, and what systemd said of them."""
    return [
        match
        for unit in units
        for match in ((f"_SYSTEMD_UNIT={unit}",), (f"UNIT={unit}", "_PID=1", "_UID=0"))
    ]


def of_user(names: Iterable[str], uid: int) -> list[Match]:
    """What a user's processes said, what happened in the user's slice, and what may tell of logins."""
    kinds = ("-singleuser.service", "-singleuser-front.service", "-singleuser-front.socket", ":*")
    own = [f"jupyter-{name}{kind}" for name in names for kind in kinds]
    own += [f"workbench-apps@{uid}.service", f"workbench-apps@{uid}.socket"]
    own += [f"workbench-apps-again@{uid}.service", f"user@{uid}.service", f"user-{uid}.slice"]
    logins: list[Match] = [(f"_SYSTEMD_UNIT={unit}",) for unit in LOGIN_UNITS]
    return [(f"_UID={uid}",), (f"_SYSTEMD_OWNER_UID={uid}",), *of_units(expanded(own)), *logins]


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
            names = known.all_of(self._name)
            self.matches = of_user(names, known.uids[self._name])
            self._named = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, names))})(?![\w-])")
        else:
            self.matches = of_deploys() if options.deploy else of_units(expanded(json.loads(options.units)))

    def take(self, line: bytes) -> dict[str, Any] | None:
        """What is to be printed of a line of journalctl's, None where it is not asked for."""
        try:
            found = told(json.loads(line), self._known)
        except (ValueError, KeyError):
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
