"""A stop by the schedule that spares who computes: for whom it waits, and for how long."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy import schedule as deployed
from workbench.settings import Schedule
from workbench_host import activity, scheduled_stop
from workbench_host.activity import Activity, Person
from workbench_host.scheduled_stop import LOOK_SECONDS, next_start, wait
from workbench_host.tools import FailureError

EVENING = datetime(2026, 11, 27, 20, tzinfo=UTC)  # a Friday


def person(user: str, computing: bool) -> Person:
    return Person(user, logins=1, kernels=0, rstudio=0, computing=computing)


class Host:
    """Looks at people, one list after the other, the last one for ever; sleeping is what makes time go by."""

    def __init__(self, *looks: list[Person] | FailureError) -> None:
        self.looks = list(looks)
        self.slept = 0.0

    def look(self) -> Activity:
        seen = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(seen, FailureError):
            raise seen
        return Activity(seen)

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def now(self) -> datetime:
        return EVENING + timedelta(seconds=self.slept)

    def waited(self, until: datetime | None = None) -> bool:
        return wait(until, self.look, self.sleep, self.now)


def test_where_nobody_computes_it_takes_three_looks_to_be_sure() -> None:
    host = Host([person("ada", False)])
    assert host.waited()
    assert host.slept == 2 * LOOK_SECONDS


def test_who_computes_is_waited_for_and_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    busy, idle = [person("ada", True), person("bob", False)], [person("ada", False)]
    host = Host(busy, busy, idle, busy, idle)
    assert host.waited()
    assert host.slept == 6 * LOOK_SECONDS, "a quiet moment in between does not count"
    assert capsys.readouterr().out == "The server does not stop yet: ada computes.\n"


def test_while_it_cannot_tell_who_computes_it_does_not_stop_and_says_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hangs, idle = FailureError("`loginctl` has not ended within 20 s"), [person("ada", False)]
    host = Host(idle, idle, hangs, hangs, idle)
    assert host.waited()
    assert host.slept == 6 * LOOK_SECONDS, "three quiet looks afterwards"
    assert capsys.readouterr().out == (
        "The server does not stop yet: it cannot be told who computes (`loginctl` has not ended within 20 s).\n"
    )


def test_while_it_cannot_tell_it_does_not_wait_beyond_the_next_start_either() -> None:
    host = Host(FailureError("`loginctl` has not ended within 20 s"))
    assert not host.waited(EVENING + timedelta(hours=12))


def test_a_look_at_what_hangs_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hanging = tmp_path / "loginctl"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(activity, "ANSWER_SECONDS", 0.2)
    with pytest.raises(FailureError, match=r"`loginctl .*` has not ended within 0\.2 s"):
        activity.logins()


def test_it_does_not_wait_beyond_the_next_start() -> None:
    host = Host([person("ada", True)])
    assert not host.waited(EVENING + timedelta(hours=12))
    assert host.slept == 12 * 3600


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"start": "08:00", "stop": "20:00"}, "2026-11-30T08:00:00+00:00"),
        ({"start": "08:00", "stop": "26:00", "days": ["fri"]}, "2026-12-04T08:00:00+00:00"),
        ({"start": "08:00", "stop": "20:00", "timeZone": "Asia/Tokyo"}, "2026-11-30T08:00:00+09:00"),
        ({"stop": "20:00"}, None),
    ],
)
def test_the_next_start_is_that_of_the_schedule(values: dict[str, Any], expected: str | None) -> None:
    told = deployed.told(Schedule.model_validate({**values, "spareBusy": True}))
    found = next_start(told, EVENING)
    assert (found.isoformat() if found else None) == expected


def test_a_start_is_never_the_moment_itself_and_keeps_its_time_of_day_when_the_clocks_change() -> None:
    told = deployed.told(
        Schedule.model_validate({"start": "08:00", "days": ["sun"], "timeZone": "Europe/Madrid"})
    )
    first = next_start(told, datetime(2026, 3, 20, tzinfo=UTC))
    assert first is not None
    assert first.astimezone(UTC).hour == 7
    second = next_start(told, first)
    assert second is not None
    assert (second.astimezone(UTC).day, second.astimezone(UTC).hour) == (29, 6)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[list[tuple[str, ...]]]:
    """What the program has run; its settings are there."""
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(scheduled_stop, "run", lambda *command, seconds: commands.append(command))
    monkeypatch.setattr(scheduled_stop, "SETTINGS", tmp_path / "schedule.json")
    (tmp_path / "schedule.json").write_text('{"timeZone": "UTC", "start": null}')
    return commands


def test_it_switches_the_host_off_once_nobody_computes(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scheduled_stop, "wait", lambda _until: True)
    assert scheduled_stop.main([]) == 0
    assert ran == [("systemctl", "poweroff")]
    assert "Nobody computes" in capsys.readouterr().out


def test_it_leaves_the_host_on_where_somebody_does_until_the_next_start(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduled_stop, "wait", lambda _until: False)
    assert scheduled_stop.main([]) == 0
    assert ran == []


def test_where_the_host_cannot_be_switched_off_it_says_why_and_the_unit_tries_again(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: str, seconds: float) -> None:
        raise FailureError("`systemctl poweroff` failed with status 1: no bus")

    monkeypatch.setattr(scheduled_stop, "wait", lambda _until: True)
    monkeypatch.setattr(scheduled_stop, "run", fail)
    assert scheduled_stop.main([]) == 1
    assert capsys.readouterr().err == (
        "The server does not stop: `systemctl poweroff` failed with status 1: no bus.\n"
    )
