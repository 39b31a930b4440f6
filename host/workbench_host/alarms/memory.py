"""Which alarms are on, and who was told of what: once when one begins, once when it is over.

What comes and goes, as a disk that somebody fills and empties, is one alarm that goes on until it has been well for
some hours. So nobody is flooded, and nobody can hide that it is on. Prometheus calls the same keep_firing_for.

A file keeps it (alarms.STATE), written after each message: whoever is killed between a message and that tells twice
rather than never. A message that was refused is tried again, and what ended before anybody was told is dropped.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from workbench_host import alarms
from workbench_host.alarms.looking import Seen
from workbench_host.tools import FailureError, write

AGAIN = timedelta(
    minutes=15
)  # after a refusal: mail servers lock out whoever tries a wrong password too often

OFTEN, DAY = 3, timedelta(days=1)  # so many beginnings within that time: it comes and goes
WELL = timedelta(hours=12)  # for so long it then has to be well before it is over
COMES_AND_GOES = (
    " It comes and goes, {times} times within a day: it is said to be over only once it has been well for "
    "{hours} hours."
)


@dataclass(frozen=True)
class Alarm:
    """One that is on, or over and still to be told so; `begun` and `ended` are the ways by which it was told.

    `well`: since when nothing is wrong, of one that is on still because it comes and goes.
    """

    text: str
    since: str
    over: str | None = None
    well: str | None = None
    begun: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """The last message by one way that could not be delivered: why, and when."""

    why: str
    at: str


@dataclass
class Memory:
    """What the file holds."""

    alarms: dict[str, Alarm] = field(default_factory=dict)
    refused: dict[str, Refused] = field(default_factory=dict)
    looked: str = ""
    beginnings: dict[str, list[str]] = field(default_factory=dict)
    """When each alarm has begun within the last day, by its key."""

    @property
    def on(self) -> set[str]:
        """The keys of the alarms that are on."""
        return {key for key, alarm in self.alarms.items() if alarm.over is None}

    def take(self, seen: Iterable[Seen], now: datetime) -> None:
        """Begins and ends alarms by what was seen; what cannot be told stays as it was.

        What is not looked at any more, since its setting was taken out, is over.
        """
        time = now.isoformat(timespec="seconds")
        self.looked = time
        looked = list(seen)
        for key in self.on - {one.key for one in looked}:
            self.alarms[key] = replace(self.alarms[key], over=time)
        self._forget_beginnings(now)
        for one in looked:
            alarm = self.alarms.get(one.key)
            if one.wrong:
                self._wrong(one, alarm, time)
            elif one.wrong is False and alarm is not None and alarm.over is None:
                since = alarm.well or time
                held = self._comes_and_goes(one.key) and now - datetime.fromisoformat(since) < WELL
                self.alarms[one.key] = replace(alarm, well=since, over=None if held else time)

    def _wrong(self, one: Seen, alarm: Alarm | None, time: str) -> None:
        if alarm is None or alarm.over is not None:
            self.beginnings.setdefault(one.key, []).append(time)
        text = one.text
        if self._comes_and_goes(one.key):
            times, hours = len(self.beginnings[one.key]), WELL // timedelta(hours=1)
            text += COMES_AND_GOES.format(times=times, hours=hours)
        if alarm is None:
            self.alarms[one.key] = Alarm(text, time)
            return
        # On again before all were told of its end: who was told of that is told anew, nobody else.
        begun = tuple(way for way in alarm.begun if way not in alarm.ended)
        self.alarms[one.key] = replace(alarm, text=text, over=None, well=None, begun=begun, ended=())

    def _comes_and_goes(self, key: str) -> bool:
        return len(self.beginnings.get(key, ())) >= OFTEN

    def _forget_beginnings(self, now: datetime) -> None:
        recent = {
            key: [time for time in times if now - datetime.fromisoformat(time) < DAY]
            for key, times in self.beginnings.items()
        }
        self.beginnings = {key: times for key, times in recent.items() if times}

    def due(self, way: str) -> tuple[list[str], list[str]]:
        """The keys of what is to be told by this way: what has begun, and what is over."""
        begun = [key for key in self.alarms if key in self.on and way not in self.alarms[key].begun]
        over = [
            key
            for key, alarm in self.alarms.items()
            if alarm.over is not None and way in alarm.begun and way not in alarm.ended
        ]
        return begun, over

    def told(self, way: str, begun: Sequence[str], over: Sequence[str]) -> None:
        """Notes that these were told."""
        for key in begun:
            self.alarms[key] = replace(self.alarms[key], begun=(*self.alarms[key].begun, way))
        for key in over:
            self.alarms[key] = replace(self.alarms[key], ended=(*self.alarms[key].ended, way))

    def forget(self, ways: Sequence[str]) -> None:
        """Drops what is over and told to all whom there is a way to tell."""
        for key, alarm in list(self.alarms.items()):
            if alarm.over is not None and not (set(alarm.begun) & set(ways)) - set(alarm.ended):
                del self.alarms[key]
        self.refused = {way: refused for way, refused in self.refused.items() if way in ways}

    def may_try(self, way: str, now: datetime) -> bool:
        """Whether it is not too soon after a refusal."""
        last = self.refused.get(way)
        return last is None or now - datetime.fromisoformat(last.at) >= AGAIN

    def tell(
        self,
        ways: Sequence[str],
        send: Callable[[str, Sequence[str], Sequence[str]], None],
        now: datetime,
        save: Callable[["Memory"], None],
    ) -> None:
        """Tells by each way, in one message, what is due there; `send` gets the way and the texts.

        What is to be saved is, after each message.
        """
        for way in ways:
            begun, over = self.due(way)
            if not begun and not over:
                self.refused.pop(way, None)
            elif self.may_try(way, now):
                texts = [[self.alarms[key].text for key in keys] for keys in (begun, over)]
                try:
                    send(way, *texts)
                except FailureError as failure:
                    self.refused[way] = Refused(str(failure), now.isoformat(timespec="seconds"))
                else:
                    self.refused.pop(way, None)
                    self.told(way, begun, over)
                save(self)
        self.forget(ways)
        save(self)


def load(path: Path) -> Memory:
    """What the file holds; nothing where there is none, or one that cannot be read: then all is told once more."""
    try:
        told = json.loads(path.read_text())
        return Memory(
            {
                key: Alarm(**{**one, "begun": tuple(one["begun"]), "ended": tuple(one["ended"])})
                for key, one in told["alarms"].items()
            },
            {way: Refused(**one) for way, one in told["refused"].items()},
            told["looked"],
            told.get("beginnings", {}),  # none in what a host of before has written
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Memory()


def save(path: Path, memory: Memory) -> None:
    """Writes the file, in one step."""
    write(path, json.dumps(asdict(memory), indent=1))


def report() -> dict[str, Any]:
    """{on [{key, text, since}, ...], refused {way: why}, looked (ISO time, "" for never)}, for root."""
    found = load(Path(alarms.STATE))
    on = [
        {"key": key, "text": alarm.text, "since": alarm.since}
        for key, alarm in found.alarms.items()
        if key in found.on
    ]
    return {"on": on, "refused": {way: one.why for way, one in found.refused.items()}, "looked": found.looked}
