"""Judgements of times in the settings, of the same form as those of workbench/checks.py; and how old something is."""

import re
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from importlib import resources

CLOCK = re.compile(r"(\d\d):[0-5]\d")


def time_zone(value: str) -> str:
    """A name of the tz database."""
    known = _time_zones()
    if value not in known:
        close = get_close_matches(value, known, n=1) or ["Europe/Madrid"]
        raise ValueError(f"is no time zone; takes a name of the tz database such as {close[0]}")
    return value


def clock(value: str) -> str:
    """A time of day, 00:00 to 23:59."""
    return _clock(value, 24)


def late_clock(value: str) -> str:
    """A time of day or of the night after it, 00:00 to 47:59: 26:00 is two o'clock of the next day."""
    return _clock(value, 48)


def _clock(value: str, hours: int) -> str:
    match = CLOCK.fullmatch(value)
    if not match or int(match[1]) >= hours:
        raise ValueError(f"is no time of day; takes HH:MM from 00:00 to {hours - 1}:59, such as 07:30")
    return value


def daily(value: str) -> str:
    """A time of day, or off."""
    return value if value == "off" else clock(value)


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text().split())


def age(since: datetime) -> str:
    """`5 min`, `3 h`, `12 days`."""
    minutes = max(0, int((datetime.now(UTC) - since).total_seconds() // 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
