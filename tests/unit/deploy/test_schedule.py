"""The timer of a stop that spares who computes, as systemd reads it."""

import subprocess

from deploy import files, schedule
from tests.needs import needs
from workbench.settings import Schedule

SETTINGS = {
    "start": "08:00",
    "stop": "26:30",
    "days": ["fri", "sun"],
    "timeZone": "Europe/Madrid",
    "spareBusy": True,
}


def calendar() -> str:
    settings = Schedule.model_validate(SETTINGS)
    stops = settings.stops()
    assert stops is not None
    return schedule.calendar(stops, settings.time_zone)


def test_a_stop_after_midnight_is_on_the_days_after() -> None:
    assert calendar() == "Mon,Sat *-*-* 02:30:00 Europe/Madrid"
    assert f"OnCalendar={calendar()}\n" in files.render(
        f"schedule/{schedule.UNIT}.timer.j2", calendar=calendar()
    )


@needs("systemd-analyze")
def test_systemd_reads_the_time_as_it_is_meant() -> None:
    asked = ["systemd-analyze", "calendar", "--base-time=2026-11-27 00:00:00 UTC", calendar()]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, env={"TZ": "UTC", "LC_ALL": "C"})
    assert "Sat 2026-11-28 01:30:00 UTC" in done.stdout
