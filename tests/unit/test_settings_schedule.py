"""schedule, snapshots and budget: what is taken, what they mean, and the one sentence for what is refused."""

from typing import Any

import pytest

from tests.unit.test_settings import complaint
from workbench.config import parse
from workbench.settings.schedule import Weekly

WEEK = ("mon", "tue", "wed", "thu", "fri")


def schedule(config: dict[str, Any], **values: Any) -> Any:
    return parse({**config, "workbench:schedule": values}).schedule


def test_without_them_nothing_happens_by_itself(config: dict[str, Any]) -> None:
    settings = parse(config)
    assert settings.schedule is None
    assert settings.budget is None
    assert settings.snapshots.daily == "off"


def test_start_or_stop_alone_is_enough(config: dict[str, Any]) -> None:
    alone = schedule(config, stop="20:00")
    assert (alone.starts(), alone.stops()) == (None, Weekly(WEEK, 20, 0))
    assert (alone.time_zone, alone.spare_busy) == ("UTC", False)
    assert schedule(config, start="07:30").starts() == Weekly(WEEK, 7, 30)


def test_a_stop_after_midnight_is_on_the_next_day(config: dict[str, Any]) -> None:
    late = schedule(config, start="09:00", stop="26:30", days=["sun", "fri"])
    assert late.starts() == Weekly(("fri", "sun"), 9, 0)
    assert late.stops() == Weekly(("mon", "sat"), 2, 30)
    assert schedule(config, start="09:00", stop="24:00", days=["mon"]).stops() == Weekly(("tue",), 0, 0)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "workbench:schedule.start is missing and so is stop, so that the schedule never fires"),
        ({"start": "08:00", "days": []}, "workbench:schedule.days is empty; takes at least one entry."),
        ({"start": "8:00"}, 'workbench:schedule.start is "8:00", which is no time of day; takes HH:MM from 00:00'),
        ({"start": "24:00"}, 'workbench:schedule.start is "24:00", which is no time of day'),
        ({"start": "08:60"}, 'workbench:schedule.start is "08:60", which is no time of day'),
        ({"stop": "48:00"}, 'workbench:schedule.stop is "48:00", which is no time of day; takes HH:MM from 00'),
        ({"stop": 1200}, "workbench:schedule.stop is 1200; takes text: quote it."),
        ({"start": "08:00", "stop": "08:00"}, "workbench:schedule.stop is 08:00, when the server is started"),
        ({"start": "08:00", "stop": "32:00"}, "workbench:schedule.stop is 32:00, when the server is started"),
        (
            {"start": "09:00", "stop": "02:00"},
            "workbench:schedule.stop is 02:00, before start (09:00), so that it ends before it begins; for that time "
            "of the next day, after midnight, write 26:00.",
        ),
        ({"start": "08:00", "stop": "32:30"}, "more than a day after start (08:00); takes at most 32:00."),
        ({"start": "08:00", "days": ["monday"]}, 'workbench:schedule.days[0] is "monday"; takes \'mon\', \'tue\''),
        (
            {"start": "08:00", "days": ["mon", "tue", "mon"]},
            "workbench:schedule.days[2] is mon a second time; once is enough.",
        ),
        (
            {"start": "08:00", "timeZone": "Europe/Madird"},
            'workbench:schedule.timeZone is "Europe/Madird", which is no time zone; takes a name of the tz database '
            "such as Europe/Madrid.",
        ),
        ({"start": "08:00", "timeZone": ""}, 'workbench:schedule.timeZone is "", which is no time zone'),
        ({"start": "08:00", "spareBusy": True}, "workbench:schedule.spareBusy is true, but there is no stop to put"),
        ({"start": "08:00", "end": "20:00"}, "workbench:schedule.end is not a setting"),
    ],
)  # fmt: skip
def test_a_schedule_that_cannot_be_is_refused(
    config: dict[str, Any], values: dict[str, Any], sentence: str
) -> None:
    assert sentence in complaint(config, schedule=values)


def test_daily_snapshots(config: dict[str, Any]) -> None:
    settings = parse({**config, "workbench:snapshots": {"daily": "03:10", "keep": 30}})
    assert (settings.snapshots.daily, settings.snapshots.keep) == ("03:10", 30)
    assert parse({**config, "workbench:snapshots": {"daily": "off"}}).snapshots.daily == "off"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"daily": "often"}, 'workbench:snapshots.daily is "often", which is no time of day; takes HH:MM from'),
        ({"daily": "03:00", "keep": 0}, "workbench:snapshots.keep is 0; takes at least 1."),
        ({"daily": "03:00", "keep": 366}, "workbench:snapshots.keep is 366; takes at most 365."),
        ({"keep": 30}, "workbench:snapshots.keep is set, but daily is off, so nothing reads it"),
        ({"daily": True}, "workbench:snapshots.daily is true; takes text"),
    ],
)  # fmt: skip
def test_snapshots_that_cannot_be_are_refused(
    config: dict[str, Any], values: dict[str, Any], sentence: str
) -> None:
    assert sentence in complaint(config, snapshots=values)


def test_a_budget_and_who_is_told(config: dict[str, Any]) -> None:
    settings = parse({**config, "workbench:budget": {"usdPerMonth": 80, "emails": ["ada@example.org"]}})
    assert settings.budget is not None
    assert (settings.budget.usd_per_month, settings.budget.emails) == (80, ["ada@example.org"])


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"usdPerMonth": 80}, "workbench:budget.emails is missing; it has to be set."),
        ({"emails": ["ada@example.org"]}, "workbench:budget.usdPerMonth is missing; it has to be set."),
        ({"usdPerMonth": 0, "emails": ["ada@example.org"]}, "workbench:budget.usdPerMonth is 0; takes at least 1."),
        ({"usdPerMonth": 80, "emails": []}, "workbench:budget.emails is empty; takes at least one entry."),
        ({"usdPerMonth": 80, "emails": ["ada"]}, 'workbench:budget.emails[0] is "ada", which is no e-mail address'),
        (
            {"usdPerMonth": 80, "emails": ["a@b.org", "a@b.org"]},
            "workbench:budget.emails[1] is a@b.org a second time",
        ),
        (
            {"usdPerMonth": 80, "emails": [f"a{number}@b.org" for number in range(11)]},
            "workbench:budget.emails holds 11 addresses; AWS takes at most 10",
        ),
    ],
)  # fmt: skip
def test_a_budget_that_cannot_be_is_refused(
    config: dict[str, Any], values: dict[str, Any], sentence: str
) -> None:
    assert sentence in complaint(config, budget=values)


def test_a_host_that_nobody_configures_does_not_stop_itself_and_that_is_said(config: dict[str, Any]) -> None:
    values = {"schedule": {"stop": "20:00", "spareBusy": True}, "configure": False}
    settings = parse({**config, **{f"workbench:{key}": value for key, value in values.items()}})
    assert "workbench:schedule.spareBusy is true, but configure is false" in " ".join(
        map(str, settings.notes())
    )
    assert not list(parse({**config, "workbench:schedule": values["schedule"]}).notes())
