"""When an expression of EventBridge Scheduler is due, over weeks, years and changes of the clocks."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from infra.schedule import cron
from lab.expressions import due
from workbench.settings.schedule import Weekly


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(expression: str, zone: str, after: str, until: str) -> list[str]:
    return [f"{when:%m-%d %H:%M}" for when in due(expression, zone, at(after), at(until))]


def test_what_the_program_writes_is_due_on_its_days() -> None:
    weekly = cron(Weekly(("mon", "fri"), 20, 5))
    assert weekly == "cron(5 20 ? * MON,FRI *)"
    # 2026-11-30 is a Monday
    assert times(weekly, "UTC", "2026-11-28", "2026-12-08") == ["11-30 20:05", "12-04 20:05", "12-07 20:05"]


def test_the_beginning_is_left_out_and_the_end_is_not() -> None:
    assert times("cron(0 8 * * ? *)", "UTC", "2026-01-01T08:00", "2026-01-02T08:00") == ["01-02 08:00"]


def test_a_time_of_day_is_that_of_the_zone_in_summer_and_winter() -> None:
    assert times("cron(0 8 ? * * *)", "Europe/Madrid", "2026-03-28", "2026-03-30") == [
        "03-28 07:00",
        "03-29 06:00",
    ]
    # a day in the zone that is another in UTC
    assert times("cron(30 0 ? * MON *)", "Asia/Tokyo", "2026-11-28", "2026-12-02") == ["11-29 15:30"]


def test_a_time_that_the_clocks_skip_is_skipped_and_one_that_comes_twice_comes_once() -> None:
    # Madrid goes from 02:00 to 03:00 on 2026-03-29, and from 03:00 to 02:00 on 2026-10-25
    nightly = "cron(30 2 * * ? *)"
    assert times(nightly, "Europe/Madrid", "2026-03-28", "2026-03-31") == ["03-28 01:30", "03-30 00:30"]
    assert times(nightly, "Europe/Madrid", "2026-10-24T12:00", "2026-10-26") == ["10-25 00:30"]


def test_a_year_of_days_is_one_a_day() -> None:
    days = due("cron(15 3 * * ? *)", "America/New_York", at("2026-01-01"), at("2027-01-01"))
    assert len(days) == 365
    assert {round((later - sooner).total_seconds() / 3600) for sooner, later in pairwise(days)} == {
        23,
        24,
        25,
    }


@pytest.mark.parametrize(
    ("expression", "count"),
    [
        ("cron(0/20 9-10 ? * MON-FRI *)", 30),
        ("cron(0 12 1 JAN,DEC ? 2026-2027)", 1),
        ("cron(0 12 ? * 2 *)", 1),
        ("cron(*/30 0 ? * SAT,7 *)", 2),
        ("at(2026-12-01T10:00:00)", 1),
        ("at(2026-12-09T10:00:00)", 0),
    ],
)
def test_fields_are_lists_ranges_names_and_steps(expression: str, count: int) -> None:
    assert len(due(expression, "UTC", at("2026-11-30"), at("2026-12-07"))) == count


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("cron(0 8 * * *)", "has 5 fields, and needs 6"),
        ("cron(0 8 * * * *)", "needs \\? for the day of the month or for the day of the week"),
        ("cron(0 24 * * ? *)", "24 is outside of 0 to 23 for the hours"),
        ("cron(0 8 ? * SUNDAY *)", "SUNDAY is nothing for the day of the week"),
        ("cron(0 8 L * ? *)", "L is nothing for the day of the month that the lab knows"),
        ("rate(5 minutes)", "neither cron"),
    ],
)
def test_what_is_no_expression_is_said(expression: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        due(expression, "UTC", at("2026-11-30"), at("2026-12-07"))
