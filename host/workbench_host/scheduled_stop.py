"""scheduled-stop: stops this host once nobody computes on it any more; workbench-scheduled-stop.timer says when.

A host that shuts itself down is a stopped instance for AWS (its "shutdown behavior" is `stop`). It waits for as long as
somebody computes, but not beyond the schedule's next start: then the server is wanted again.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from workbench_host.activity import Activity, look
from workbench_host.tools import CONFIG, FailureError, run

# {"timeZone", "start": {"days" (0 is Monday), "hour", "minute"} or null}
SETTINGS = Path(CONFIG) / "schedule.json"
LOOK_SECONDS = 60
STOP_SECONDS = 60.0
QUIET_LOOKS = 3  # one in which nobody computes may be the moment in which a program waits for its data


def next_start(settings: Mapping[str, Any], now: datetime) -> datetime | None:
    """When the schedule starts the server next after `now` (aware); None where it never does."""
    start, zone = settings["start"], ZoneInfo(settings["timeZone"])
    if start is None:
        return None
    today = now.astimezone(zone).replace(hour=start["hour"], minute=start["minute"], second=0, microsecond=0)
    days = (today + timedelta(days=offset) for offset in range(9))
    return next(day for day in days if day.weekday() in start["days"] and day > now)


def wait(
    until: datetime | None,
    at_work: Callable[[], Activity] = look,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> bool:
    """Waits until nobody computes, and says for whom; False where it is `until` before that.

    While it cannot be told who computes, somebody may: that is said as well, and waited for.
    """
    quiet, told = 0, ""
    while until is None or now() < until:
        why = _computing(at_work)
        if why and why != told:
            print(f"The server does not stop yet: {why}.", flush=True)
        told = why or told
        quiet = 0 if why else quiet + 1
        if quiet == QUIET_LOOKS:
            return True
        sleep(LOOK_SECONDS)
    return False


def _computing(at_work: Callable[[], Activity]) -> str:
    """Who computes, or why that cannot be told; "" where nobody does."""
    try:
        computing = ", ".join(person.user for person in at_work().people if person.computing)
    except FailureError as error:
        return f"it cannot be told who computes ({error})"
    return f"{computing} computes" if computing else ""


def main(arguments: Sequence[str]) -> int:
    if arguments:
        print("scheduled-stop takes no arguments.", file=sys.stderr)
        return 2
    settings = json.loads(SETTINGS.read_text())
    try:
        if not wait(next_start(settings, datetime.now(UTC))):
            print("It is time for the next start: the server stays on.", flush=True)
            return 0
        print("Nobody computes: the server stops.", flush=True)
        run("systemctl", "poweroff", seconds=STOP_SECONDS)
    except FailureError as error:  # the unit tries again
        print(f"The server does not stop: {error}.", file=sys.stderr)
        return 1
    return 0
