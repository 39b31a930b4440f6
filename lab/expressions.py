"""When an expression of EventBridge Scheduler is due: `cron(...)` and `at(...)`, in a time zone.

Source: AWS, EventBridge Scheduler User Guide, "Schedule types": six fields, days of the week from 1 (SUN) to 7; a time
that the clocks skip is skipped, and of one that comes twice the first counts.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_MONTHS = {
    name: index for index, name in enumerate("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), 1)
}
_WEEK = {name: index for index, name in enumerate("SUN MON TUE WED THU FRI SAT".split(), 1)}
# Of each field: its name, the values it may have, and names for them.
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minutes", 0, 59, {}),
    ("hours", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 1, 7, _WEEK),
    ("year", 1970, 2199, {}),
)
_PART = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?")


def due(expression: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """The instants in (after, until] at which it is due, in UTC, in their order.

    Raises ValueError for what is no expression, and for kinds that the lab does not have (`rate`).
    """
    kind, _, inside = expression.rstrip(")").partition("(")
    tz = ZoneInfo(zone)
    if kind == "at":
        times = iter([datetime.fromisoformat(inside)])
    elif kind == "cron":
        times = _cron(inside, after.astimezone(tz).date(), until.astimezone(tz).date())
    else:
        raise ValueError(f"{expression} is neither cron(...) nor at(...), and the lab has no others")
    found = (_instant(local, tz) for local in times)
    return sorted(instant for instant in found if instant is not None and after < instant <= until)


def _instant(local: datetime, tz: ZoneInfo) -> datetime | None:
    """That of a wall clock's time; None where the clocks skip it."""
    instant = local.replace(tzinfo=tz).astimezone(UTC)
    return instant if instant.astimezone(tz).replace(tzinfo=None) == local else None


def _cron(inside: str, first: date, last: date) -> Iterator[datetime]:
    given = inside.split()
    if len(given) != len(_FIELDS):
        raise ValueError(f"cron({inside}) has {len(given)} fields, and needs {len(_FIELDS)}")
    if (given[2] == "?") == (given[4] == "?"):
        raise ValueError(f"cron({inside}) needs ? for the day of the month or for the day of the week")
    pairs = zip(given, _FIELDS, strict=True)
    minutes, hours, days, months, week, years = (_values(text, *field) for text, field in pairs)
    for offset in range((last - first).days + 1):
        day = first + timedelta(offset)
        fits = day.month in months and day.year in years and day.day in days
        if fits and day.isoweekday() % 7 + 1 in week:
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    yield datetime.combine(day, time(hour, minute))


def _values(text: str, field: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    """All that a field allows."""
    if text == "?":
        return set(range(low, high + 1))
    found: set[int] = set()
    for part in text.upper().split(","):
        match = _PART.fullmatch(part)
        try:
            if match is None:
                raise ValueError(part)
            anything, one, other, step = match.groups()
            begin = low if anything else names.get(one) or int(one)
            end = high if anything or (step and not other) else names.get(other) or int(other or begin)
        except ValueError:
            raise ValueError(f"{part} is nothing for the {field} that the lab knows") from None
        if not low <= begin <= end <= high:
            raise ValueError(f"{part} is outside of {low} to {high} for the {field}")
        found |= set(range(begin, end + 1, int(step or 1)))
    return found
