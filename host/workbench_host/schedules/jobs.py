"""What is kept of a schedule: ~/schedules/NAME, with what it runs and what became of its runs, and systemd's timer.

    ~/schedules/NAME/schedule.json   what runs, where, in which environment
    ~/schedules/NAME/LAST            what became of the last run
    ~/schedules/NAME/TIME.log        what a run has said; TIME.ipynb is its notebook, with what its cells have put out
    ~/.config/systemd/user/workbench-schedule@NAME.timer   when it runs

No text of a user's gets into a unit but a time that systemd has put into its own words: the unit is the host's, and
finds by its name here what it is to run.
"""

import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from workbench_host.schedules import UNIT
from workbench_host.schedules.times import Times
from workbench_host.tools import FailureError, write

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
MOST = 100  # schedules of one user
KEPT = 20  # runs, of each schedule
WHAT, LAST = "schedule.json", "LAST"
RUN = re.compile(r"\d{4}-\d\d-\d\dT\d{6}(?:-\d+)?\.(?:log|ipynb)")
NOTEBOOK, COMMAND = "notebook", "command"

_TIMER = """\
# Made by workbench-schedule, which also takes it away: `workbench-schedule remove {name}`.
[Unit]
Description=Schedule {name}

[Timer]
OnCalendar={calendar}
# A run that was missed while the server was stopped happens after its start.
Persistent=true
AccuracySec=1s
RandomizedDelaySec={delay}

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True)
class Job:
    """A schedule. `kind` says whether `words` are a command, or a notebook's path; `file` which of them is a path."""

    name: str
    when: str
    kind: str
    words: tuple[str, ...]
    folder: str
    environment: str | None = None
    mail: bool = False
    file: int | None = None


def home() -> Path:
    return Path.home()


def folder(name: str | None = None) -> Path:
    """Where all schedules are, or one."""
    return home() / "schedules" / (name or "")


def kept(path: str) -> str:
    """A path as it is kept: what is in the home is relative to it, and is found under another name of its user too."""
    whole = Path(path)
    for one, above in ((whole, home()), (whole.parent.resolve() / whole.name, home().resolve())):
        if one.is_relative_to(above):
            return str(one.relative_to(above))
    return path


def timer(name: str) -> Path:
    return home() / ".config/systemd/user" / f"{UNIT.format(name)}.timer"


def stamp(name: str) -> Path:
    """Where the user's systemd notes when the timer was last due (systemd.timer(5), Persistent=)."""
    return home() / ".local/share/systemd/timers" / f"stamp-{UNIT.format(name)}.timer"


def named(name: str) -> str:
    """The name. Raises FailureError where it is none."""
    if not NAME.fullmatch(name):
        raise FailureError(
            f"{name!r} cannot be a schedule's name; it takes up to 40 small letters, digits, - and _, such as "
            "weekly-report"
        )
    return name


def names() -> list[str]:
    """All that have been added."""
    return sorted(path.parent.name for path in folder().glob(f"*/{WHAT}") if NAME.fullmatch(path.parent.name))


def load(name: str) -> Job:
    """Raises FailureError where there is none, where it cannot be read, or where others can write to it."""
    path = folder(named(name)) / WHAT
    try:
        for one in (path.parent, path):
            found = one.stat()
            if found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise FailureError(f"others may write to {one}, so what it says does not run; chmod go-w it")
        job = Job(**json.loads(path.read_text()))
        return _with_paths(job, lambda path: str(home() / path))
    except FileNotFoundError:
        others = ", ".join(names()) or "none"
        raise FailureError(f"there is no schedule called {name}; there are {others}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise FailureError(f"{path} cannot be read ({error}); remove the schedule and add it again") from None


def _with_paths(job: Job, as_: Callable[[str], str]) -> Job:
    words = tuple(as_(word) if at == job.file else word for at, word in enumerate(job.words))
    return replace(job, words=words, folder=as_(job.folder))


def save(job: Job, times: Times) -> None:
    """The timer last: what it starts is there by then."""
    place, unit = folder(job.name), timer(job.name)
    for one in (folder(), place):
        one.mkdir(mode=0o700, exist_ok=True)
    unit.parent.mkdir(parents=True, exist_ok=True)
    stamp(job.name).unlink(
        missing_ok=True
    )  # of one of the same name before, which would have missed its runs
    write(place / WHAT, json.dumps(asdict(_with_paths(job, kept)), indent=1) + "\n", 0o600)
    text = _TIMER.format(name=job.name, calendar=times.calendar, delay=times.delay_seconds)
    write(unit, text, 0o600)


def drop(name: str) -> None:
    """Forgets what it runs; what its runs have said stays."""
    for path in (timer(name), folder(name) / WHAT, stamp(name)):
        path.unlink(missing_ok=True)


def last(name: str) -> dict[str, str]:
    """What became of the last run: result, began, took, log and, of a notebook, notebook. Empty before the first."""
    try:
        lines = (folder(name) / LAST).read_text(errors="replace").splitlines()
    except OSError:
        return {}
    return {key: value for key, _, value in (line.partition(": ") for line in lines[:20]) if value}


def note(name: str, told: Mapping[str, str]) -> None:
    write(folder(name) / LAST, "".join(f"{key}: {value}\n" for key, value in told.items()), 0o600)


def runs(name: str) -> list[Path]:
    """The logs and notebooks of its runs, the oldest first."""
    found = (path for path in folder(name).iterdir() if RUN.fullmatch(path.name))
    return sorted(found, key=lambda path: (path.stem, path.suffix))


def prune(name: str) -> None:
    """Keeps those of the last KEPT runs."""
    there = runs(name)
    kept = sorted({path.stem for path in there})[-KEPT:]
    for path in there:
        if path.stem not in kept:
            path.unlink(missing_ok=True)
