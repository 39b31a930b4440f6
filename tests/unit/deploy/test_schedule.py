"""The timer of a stop that spares who computes, as systemd reads it."""

import re
import subprocess
from pathlib import Path

from deploy import files, schedule
from tests.needs import needs
from workbench.host import program_path
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


def units(folder: Path) -> list[str]:
    """The unit and its timer, as files."""
    service, timer = folder / f"{schedule.UNIT}.service", folder / f"{schedule.UNIT}.timer"
    service.write_text(files.render(f"schedule/{service.name}.j2", program=program_path(schedule.PROGRAM)))
    timer.write_text(files.render(f"schedule/{timer.name}.j2", calendar=calendar()))
    return [str(service), str(timer)]


@needs("systemd-analyze")
def test_systemd_understands_every_line_and_the_unit_is_confined(tmp_path: Path) -> None:
    paths = units(tmp_path)
    verified = ["systemd-analyze", "verify", "--man=no", *paths]
    said = subprocess.run(verified, capture_output=True, text=True, check=False).stderr
    lines = [line for line in said.splitlines() if schedule.UNIT in line]
    assert [line for line in lines if "is not executable" not in line] == []  # that is on the host
    judged = ["systemd-analyze", "security", "--offline=true", paths[0]]
    told = subprocess.run(judged, capture_output=True, text=True, check=False).stdout
    level = re.search(r"exposure level for \S+: ([\d.]+)", told)
    assert level, told
    assert float(level[1]) <= 4.0
