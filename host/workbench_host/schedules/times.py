"""When something runs: systemd's calendar events (systemd.time(7)), judged by `systemd-analyze calendar`."""

import os
import re
import subprocess
from dataclasses import dataclass
from datetime import datetime

from workbench_host.tools import FailureError

EXAMPLES = '"Mon 07:00", daily, weekly, "Mon..Fri 18:30" or "*-*-01 06:00" (the first of each month)'
LEAST_SECONDS = 60
DELAY_SECONDS = 120  # within which a run begins, so that not everybody's begin at once
TIME = re.compile(r"(?:Next elapse|Iter[a-z.]* #\d+): (\w{3} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?: \S+)?)$")


@dataclass(frozen=True)
class Times:
    """A calendar event as systemd itself writes it, its next times in words, and how long a run may be put off."""

    calendar: str
    following: tuple[str, ...]
    delay_seconds: int


def judge(when: str) -> Times:
    """Raises FailureError where systemd does not know it, where it never comes, or comes too often."""
    asked = ["systemd-analyze", "calendar", "--iterations=3", "--", when]
    done = subprocess.run(
        asked, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    lines = [line.strip() for line in done.stdout.splitlines()]
    normal = next((line.partition(": ")[2] for line in lines if line.startswith("Normalized form: ")), "")
    if done.returncode or not normal or not normal.isprintable():
        raise FailureError(f"{when!r} is no time that systemd knows; it takes one such as {EXAMPLES}")
    found = [match for line in lines if (match := TIME.match(line))]
    if not found:
        raise FailureError(f"{when!r} never comes (any more); it takes one such as {EXAMPLES}")
    apart = DELAY_SECONDS * 20.0
    if len(found) > 1:
        first, second = (datetime.fromisoformat(match[2]) for match in found[:2])
        apart = (second - first).total_seconds()
    # An hour that the clock passes twice, or leaves out, is no reason to refuse.
    if 0 < apart < LEAST_SECONDS:
        raise FailureError(
            f"{when!r} comes every {apart:g} s; once a minute is the most, such as *:0/5 for every five minutes"
        )
    return Times(
        normal, tuple(match[1] for match in found), int(min(DELAY_SECONDS, max(apart, LEAST_SECONDS) / 20))
    )
