"""The schedule's stop, where it spares who computes: a timer on the host, which AWS knows nothing of.

Where it spares nobody, AWS stops the server (infra/schedule.py), and the host has nothing of it.
"""

import json
from typing import Any

from pyinfra.api.deploy import deploy

from deploy import files, programs, units
from deploy.service import Service
from workbench.host import program_path
from workbench.settings import Schedule
from workbench.settings.schedule import DAYS, Weekly
from workbench.stack import Context

PROGRAM = "scheduled-stop"
CONFIG = f"{programs.CONFIG}/schedule.json"
UNIT = "workbench-scheduled-stop"


@deploy("schedule")
def schedule(context: Context) -> None:
    """The timer and what it starts, or neither."""
    wanted = context.settings.schedule
    stops = wanted.stops() if wanted is not None and wanted.spare_busy else None
    if wanted is None or stops is None:
        units.off(unit=f"{UNIT}.timer", name="No stop by the host itself")
        units.end(pattern=f"{UNIT}.service", name="None that waits either")
        return
    text = json.dumps(told(wanted), indent=2) + "\n"
    files.put(content=files.Content(text.encode()), dest=CONFIG, name=CONFIG)
    files.template(
        f"schedule/{UNIT}.service.j2",
        f"{units.UNITS}/{UNIT}.service",
        variables={"program": program_path(PROGRAM)},
    )
    files.template(
        f"schedule/{UNIT}.timer.j2",
        f"{units.UNITS}/{UNIT}.timer",
        variables={"calendar": calendar(stops, wanted.time_zone)},
    )
    units.service(unit=f"{UNIT}.timer", name="Stop by the schedule, unless somebody computes")


def told(wanted: Schedule) -> dict[str, Any]:
    """What the program is to know: when the server is wanted again."""
    starts = wanted.starts()
    days = [] if starts is None else [DAYS.index(day) for day in starts.days]
    start = None if starts is None else {"days": days, "hour": starts.hour, "minute": starts.minute}
    return {"timeZone": wanted.time_zone, "start": start}


def calendar(weekly: Weekly, zone: str) -> str:
    """The time as systemd.time(7) writes it, "Calendar Events"."""
    days = ",".join(day.capitalize() for day in weekly.days)
    return f"{days} *-*-* {weekly.hour:02}:{weekly.minute:02}:00 {zone}"


SERVICE = Service(schedule)
