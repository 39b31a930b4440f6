"""The lab's time: that of this machine, and how far it was moved.

Only what happens by itself goes by it (lab/upkeep.py): machines and what AWS notes of calls have this machine's time.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from workbench.errors import WorkbenchError


@dataclass
class Clock:
    """`ahead` is how far the lab's time is before this machine's."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        """The lab's time, aware, in UTC."""
        return datetime.now(UTC) + self.ahead

    def move(self, to: datetime) -> None:
        """Make it `to`, which is aware."""
        self.ahead = to - datetime.now(UTC)


def instant(text: str) -> datetime:
    """A time as people write it (ISO 8601; UTC where nothing else is said). Raises WorkbenchError."""
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise WorkbenchError(
            f"{text!r} is no time; takes one such as 2026-12-01T20:00 (UTC) or 2026-12-01T20:00+01:00"
        ) from None
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
