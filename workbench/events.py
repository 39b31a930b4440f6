"""What a person sees of a deploy: how far it is, then what changed, what restarted and how long it took.

The events are those of deploy/progress.py.
"""

import sys
import time
from collections.abc import Mapping
from typing import Any

from workbench.errors import WorkbenchError

_VERBS = {"start": "started", "restart": "restarted", "reload": "reloaded", "stop": "stopped"}
_MOST_SHOWN = 12


class Display:
    """Shows events as they come; on a terminal how far the run is as well, in a line that is written over."""

    def __init__(self, dry: bool = False, began: float | None = None) -> None:
        """`began` is when the run did, by time.monotonic; now, where nothing is said."""
        self._dry = dry
        self._began = time.monotonic() if began is None else began
        self._terminal = sys.stdout.isatty()
        self._width = 0
        self.would: list[Mapping[str, Any]] = []
        self._told = 0.0
        self._seconds: dict[str, float] = {}
        self._present = ("", self._began)  # the service that is being configured, and since when
        self.ends: list[Mapping[str, Any]] = []

    def take(self, event: Mapping[str, Any]) -> None:
        """One event."""
        kind = event.get("event")
        self._time(str(event["name"]).partition(" | ")[0] if kind == "operation" else "")
        if kind == "operation":
            self._progress(f"[{event['number']}/{event['of']}] {event['name']}")
        elif kind == "would":
            self.would.append(event)
            what = "".join(f"\n    {text}" for text in event["what"])
            self._line(f"would change: {event['name']}{what}")
        elif kind == "end":
            self.ends.append(event)

    def seconds_of_services(self) -> dict[str, float]:
        """How long the operations of each service took, on all hosts together; in the order of the run."""
        return dict(self._seconds)

    def close(self) -> None:
        """What is to be said at the end of a run that went well."""
        self._clear()
        seconds = f"{time.monotonic() - self._began:.1f} s"
        if self._dry:
            would = len(self.would)
            count = "1 operation" if would == 1 else f"{would or 'no'} operations"
            self._line(f"{count} would change something; nothing was changed ({seconds})")
        for end in self.ends:
            changed, units = end["changed"], end["units"]
            for name in changed[:_MOST_SHOWN]:
                self._line(f"changed: {name}")
            if len(changed) > _MOST_SHOWN:
                self._line(f"... and {len(changed) - _MOST_SHOWN} more")
            self._line(
                f"{end['host']}: {len(changed) or 'none'} of {end['operations']} operations changed anything; "
                f"{_said(units)}; {seconds}"
            )

    def failure(self) -> str:
        """Which operation failed on which host, with the last that it said; "" where none did."""
        self._clear()
        texts = []
        for end in self.ends:
            if end["failed"]:
                lines = "".join(f"\n    {_printable(line)}" for line in end["lines"])
                texts.append(f"`{end['failed']}` failed on {end['host']}{':' if lines else '.'}{lines}")
        return "\n".join(texts)

    def _time(self, service: str) -> None:
        """From now on it is this service that takes the time, or none."""
        before, since = self._present
        now = time.monotonic()
        if before:
            self._seconds[before] = self._seconds.get(before, 0.0) + now - since
        self._present = (service, now)

    def _progress(self, text: str) -> None:
        if self._terminal:
            print(f"\r{text[:100]:<{self._width}}", end="", flush=True)
            self._width = min(len(text), 100)
        elif time.monotonic() - self._told > 15:  # a log is not to be silent for long either
            self._told = time.monotonic()
            print(text, flush=True)

    def _line(self, text: str) -> None:
        self._clear()
        print(text, flush=True)

    def _clear(self) -> None:
        if self._terminal and self._width:
            print("\r" + " " * self._width + "\r", end="", flush=True)
            self._width = 0


def _printable(line: str) -> str:
    """A host's words, without what a terminal would obey: a build there may have said them."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "?" for c in line)


def _said(units: list[list[str]]) -> str:
    by_verb: dict[str, list[str]] = {}
    for verb, unit in units:
        by_verb.setdefault(_VERBS.get(verb, verb), []).append(unit)
    return "; ".join(f"{verb} {', '.join(names)}" for verb, names in by_verb.items()) or "nothing restarted"


def ended(display: Display, status: int, log: str, last: str) -> None:
    """Says how the run ended. Raises WorkbenchError where it failed, or was cut short."""
    said = display.failure()
    if status == 0 and not said and (display.ends or display._dry):
        display.close()
        return
    reason = said or "\n".join(map(_printable, last.splitlines())) or "It was stopped before it was through."
    raise WorkbenchError(
        f"Configuring the host failed. {reason}\nThe whole log is {log}. The next run goes on from there."
    )
