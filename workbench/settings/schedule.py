"""When the server is started and stopped by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from workbench import times
from workbench.faults import Fault
from workbench.settings.section import Section, twice

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)
_DAY = 24 * 60  # minutes


@dataclass(frozen=True)
class Weekly:
    """A time of day on some days of the week, in the schedule's time zone."""

    days: tuple[Day, ...]
    hour: int
    minute: int


class Schedule(Section):
    """`schedule`: start and stop of the server, each by itself or both."""

    start: Annotated[str, AfterValidator(times.clock)] | None = Field(
        None, description="when the server is started on each of `days`, as HH:MM; without it, by hand alone"
    )
    stop: Annotated[str, AfterValidator(times.late_clock)] | None = Field(
        None,
        description="when it is stopped, as HH:MM; hours from 24:00 on are those of the next day, so that 26:00 is "
        "two o'clock of the next day; without it, by hand alone",
    )
    days: Annotated[list[Day], Field(min_length=1)] = Field(
        ["mon", "tue", "wed", "thu", "fri"], description="days of the week on which that happens"
    )
    time_zone: Annotated[str, AfterValidator(times.time_zone)] = Field(
        "UTC", description="time zone of start and stop, a name of the tz database such as Europe/Madrid"
    )
    spare_busy: bool = Field(
        False,
        description="whether a stop waits while somebody computes: then the host stops itself once nobody does any "
        "more, in place of AWS doing it",
    )

    def faults(self) -> Iterator[Fault]:
        """It fires, and does not stop what it has not started."""
        yield from twice(("days",), self.days)
        if self.start is None and self.stop is None:
            yield Fault(
                ("start",), "is missing and so is stop, so that the schedule never fires; set one of them"
            )
        if self.spare_busy and self.stop is None:
            yield Fault(("spareBusy",), "is true, but there is no stop to put off; set stop, or remove it")
        if self.start is not None and self.stop is not None:
            yield from self._disorder(minutes(self.start), minutes(self.stop))

    def _disorder(self, start: int, stop: int) -> Iterator[Fault]:
        if stop % _DAY == start:
            yield Fault(
                ("stop",), f"is {self.stop}, when the server is started; takes another time than start"
            )
        elif stop < start:
            late = f"{stop // 60 + 24}:{stop % 60:02}"
            yield Fault(
                ("stop",),
                f"is {self.stop}, before start ({self.start}), so that it ends before it begins; for that time of the "
                f"next day, after midnight, write {late}",
            )
        elif stop > start + _DAY:
            yield Fault(
                ("stop",),
                f"is {self.stop}, more than a day after start ({self.start}); takes at most {start // 60 + 24}:"
                f"{start % 60:02}",
            )

    def starts(self) -> Weekly | None:
        """When it is started."""
        return None if self.start is None else self._weekly(minutes(self.start))

    def stops(self) -> Weekly | None:
        """When it is stopped: one that is after midnight is on the days after `days`."""
        return None if self.stop is None else self._weekly(minutes(self.stop))

    def _weekly(self, at: int) -> Weekly:
        later, of_day = divmod(at, _DAY)
        days = {(DAYS.index(day) + later) % len(DAYS) for day in self.days}
        return Weekly(tuple(DAYS[index] for index in sorted(days)), *divmod(of_day, 60))


def minutes(clock: str) -> int:
    """Those since midnight that HH:MM says."""
    hours, _, rest = clock.partition(":")
    return int(hours) * 60 + int(rest)
