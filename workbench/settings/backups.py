"""The daily snapshots of the data volume, and what is kept of them."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from workbench import times
from workbench.faults import Fault
from workbench.settings.section import Section

OFF = "off"
_KEEP = 7


class Snapshots(Section):
    """`snapshots`: made by AWS (Data Lifecycle Manager), whether the server runs or not."""

    daily: Annotated[str, AfterValidator(times.daily)] = Field(
        OFF,
        description="when AWS makes a snapshot of the data volume each day, as HH:MM in UTC (it begins within the hour "
        "that follows), or off",
    )
    keep: Annotated[int, Field(ge=1, le=365)] = Field(
        _KEEP,
        description="how many of the daily snapshots are kept; an older one is deleted when a new one is made",
    )

    def faults(self) -> Iterator[Fault]:
        """A number that nothing reads is a mistake: somebody believes in it."""
        if self.daily == OFF and self.keep != _KEEP:
            yield Fault(
                ("keep",), "is set, but daily is off, so nothing reads it; remove it, or set daily to a time"
            )
