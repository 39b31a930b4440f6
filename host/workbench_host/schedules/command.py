"""workbench-schedule: puts a script, a notebook or a command on a schedule, which also runs while its user is away.

    workbench-schedule add [--env NAME] [--mail] NAME WHEN COMMAND...|FILE
    workbench-schedule list
    workbench-schedule run NAME       now
    workbench-schedule logs NAME      what the last run has said
    workbench-schedule remove NAME

WHEN is a calendar event of systemd: "Mon 07:00", daily, weekly, "Mon..Fri 18:30". FILE is a script (.py, .R, .sh) or
a notebook (.ipynb). --env runs it in one of the team's environments (workbench-env lists them). Failures are mailed,
where mail is set up, and with --mail each run. What runs have said is in ~/schedules/NAME.
"""

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Sequence

from workbench_host import managers
from workbench_host.processes import LINGERING
from workbench_host.schedules import SETTINGS, UNIT, jobs, running, targets, times
from workbench_host.schedules.jobs import Job
from workbench_host.tools import FailureError, UsageError, printable, status_of

CONTROL_SECONDS = 30


def need_timers() -> None:
    """Raises FailureError where schedules do not run on this host, or not for this account."""
    if not os.path.exists(SETTINGS):
        raise FailureError(
            "schedules are switched off on this workbench; an administrator switches them on with the setting "
            "limits.timers"
        )
    name = pwd.getpwuid(os.getuid()).pw_name
    if not (LINGERING / name).exists():
        raise FailureError(
            f"nothing runs for {name} after the logout; schedules are for declared users, to whom `workbench deploy` "
            "gives what they need"
        )


def systemctl(*words: str, seconds: float | None = CONTROL_SECONDS) -> str:
    """Asks the user's own systemd. Raises FailureError with what it said, or that it said nothing."""
    account = pwd.getpwuid(os.getuid())
    environment = {**os.environ, **managers.variables(account.pw_name, account.pw_uid)}
    try:
        done = subprocess.run(
            ["systemctl", "--user", *words], capture_output=True, text=True, check=False,
            env=environment, timeout=seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise FailureError(f"your systemd has not answered within {seconds} s") from None
    if done.returncode:
        raise FailureError(printable(done.stderr.strip()) or f"systemctl {words[0]} failed")
    return done.stdout


def add(arguments: Sequence[str]) -> int:
    options, name, when, words = parsed(arguments)
    need_timers()
    jobs.named(name)
    if name in jobs.names():
        raise FailureError(
            f"there is a schedule called {name} already; remove it first, or take another name"
        )
    if len(jobs.names()) >= jobs.MOST:
        raise FailureError(f"there are {jobs.MOST} schedules of yours, which is the most; remove some first")
    environment = options.get("--env")
    language = None if environment is None else targets.language_of(environment)
    found, (kind, full, file) = times.judge(when), targets.judge(words)
    if (
        environment
        and file is not None
        and (of_file := targets.written_in(full[file])) not in (None, language)
    ):
        raise FailureError(
            f"{environment} is an environment of {language}, and {words[0]} is written in {of_file}"
        )
    folder = os.getcwd()
    job = Job(name, found.calendar, kind, full, folder, environment, "--mail" in options, file)
    jobs.save(job, found)
    try:
        systemctl("daemon-reload")
        systemctl("enable", "--now", f"{UNIT.format(name)}.timer")
    except FailureError:
        jobs.drop(name)
        raise
    print(f"{name} runs at {', '.join(found.following)}{' and so on' if len(found.following) == 3 else ''}.")
    print(
        f"Begin: within {found.delay_seconds} s. Folder: {folder}. What it says is kept in {jobs.folder(name)}."
    )
    if written := targets.others_write(full):
        print(f"Others may write to {written}: what they put there will run as you.")
    return 0


def parsed(arguments: Sequence[str]) -> tuple[dict[str, str], str, str, list[str]]:
    """(options, name, when, words) of `add`; options stand before the command."""
    options: dict[str, str] = {}
    given: list[str] = []
    rest = list(arguments)
    while rest and (len(given) < 2 or rest[0].startswith("-")):
        word = rest.pop(0)
        if word == "--mail":
            options[word] = ""
        elif word == "--env" and rest:
            options[word] = rest.pop(0)
        elif word == "--" and len(given) == 2:
            break
        elif word.startswith("-"):
            raise UsageError(f"add takes no {word}")
        else:
            given.append(word)
    if len(given) < 2 or not rest:
        raise UsageError("add takes a name, a time, and a command or a file")
    return options, given[0], given[1], rest


def show(arguments: Sequence[str]) -> int:
    if arguments:
        raise UsageError("list takes nothing")
    need_timers()
    there = jobs.names()
    if not there:
        print(
            "There are no schedules of yours. `workbench-schedule add NAME WHEN COMMAND...|FILE` makes one."
        )
        return 0
    listed = json.loads(systemctl("list-timers", "--all", "--output=json") or "[]")
    following = {one["unit"]: one.get("next") for one in listed}
    rows = [("NAME", "WHEN", "NEXT", "LAST", "RESULT")]
    for name in there:
        told, due = jobs.last(name), following.get(f"{UNIT.format(name)}.timer")
        try:
            when, became = jobs.load(name).when, result(name)
        except FailureError as error:  # the others are shown
            when, became = "?", str(error)
        began = told.get("began", "-")[:16].replace("T", " ")
        rows.append((name, when, local(due), began, became))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print(
            printable(
                "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]])
            )
        )
    return 0


def result(name: str) -> str:
    """What became of the last run; one that the server's end cut off never wrote it."""
    told = jobs.last(name).get("result", "-")
    if told != running.RUNNING:
        return told
    state = systemctl("show", "-p", "ActiveState", "--value", f"{UNIT.format(name)}.service").strip()
    return told if state in ("active", "activating") else "was cut off"


def local(microseconds: int | None) -> str:
    """A time of systemd's (microseconds since 1970) as people here write it; `-` where there is none."""
    if not microseconds:
        return "-"
    from datetime import datetime

    return datetime.fromtimestamp(microseconds / 1e6).strftime("%Y-%m-%d %H:%M")


def run(arguments: Sequence[str]) -> int:
    name = one(arguments, "run")
    need_timers()
    jobs.load(name)
    unit = f"{UNIT.format(name)}.service"
    if systemctl("show", "-p", "ActiveState", "--value", unit).strip() in ("active", "activating"):
        raise FailureError(f"{name} runs already, since {jobs.last(name).get('began', 'a moment ago')}")
    try:
        systemctl("start", unit, seconds=None)
    except FailureError:
        told = jobs.last(name)
        print(
            f"{name} {told.get('result', 'could not be run')}; workbench-schedule logs {name}",
            file=sys.stderr,
        )
        return 1
    told = jobs.last(name)
    print(f"{name}: {told.get('result')}, {told.get('took')}; {jobs.folder(name) / told.get('log', '')}")
    return 0


def logs(arguments: Sequence[str]) -> int:
    name = one(arguments, "logs")
    there = [path for path in jobs.runs(name) if path.suffix == ".log"] if jobs.folder(name).is_dir() else []
    if not there:
        jobs.load(name)
        print(f"{name} has not run yet.")
        return 0
    print(printable(there[-1].read_text(errors="replace")))
    print(f"({there[-1]}; {len(there)} runs are kept there)", file=sys.stderr)
    return 0


def remove(arguments: Sequence[str]) -> int:
    """Also with schedules switched off, and of one whose file is broken."""
    name = jobs.named(one(arguments, "remove"))
    if not jobs.timer(name).exists() and not (jobs.folder(name) / jobs.WHAT).exists():
        jobs.load(name)
    try:
        systemctl("disable", "--now", f"{UNIT.format(name)}.timer")
    except FailureError:  # no manager runs, or it does not know it
        wanted = jobs.timer(name).parent / "timers.target.wants" / jobs.timer(name).name
        wanted.unlink(missing_ok=True)
    jobs.drop(name)
    print(f"{name} does not run any more. What its runs have said stays in {jobs.folder(name)}.")
    return 0


def one(arguments: Sequence[str], verb: str) -> str:
    if len(arguments) != 1:
        raise UsageError(f"{verb} takes a schedule's name")
    return jobs.named(arguments[0])


VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "add": add,
    "list": show,
    "run": run,
    "logs": logs,
    "remove": remove,
}


def main(arguments: Sequence[str]) -> int:
    if os.geteuid() == 0:
        print("workbench-schedule is for users; root has systemd's timers.", file=sys.stderr)
        return 1
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print((__doc__ or "").strip())
        return 0 if arguments else 2
    return status_of("workbench-schedule", lambda: do(*arguments))


def do(verb: str, *rest: str) -> int:
    if verb == "--run":  # as the unit calls it
        return running.once(one(rest, verb))
    if verb not in VERBS:
        raise UsageError(f"there is no {verb!r}; there are {', '.join(VERBS)}")
    return VERBS[verb](rest)
