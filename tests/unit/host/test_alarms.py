"""When an alarm begins and ends, who is told and how often."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from workbench_host.alarms import memory
from workbench_host.alarms.looking import Seen
from workbench_host.alarms.memory import Memory
from workbench_host.tools import FailureError

NOW = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
WAYS = ["mail", "webhook"]


class People:
    """Who is told; `deaf` are the ways that refuse at the moment."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
        self.deaf: set[str] = set()

    def send(self, way: str, begun: Any, over: Any) -> None:
        if way in self.deaf:
            raise FailureError(f"the {way} is deaf")
        self.heard.append((way, tuple(begun), tuple(over)))

    def told(self) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        heard, self.heard = self.heard, []
        return heard


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
def look(people: People, tmp_path: Path) -> Any:
    """Takes what is seen some minutes later, and tells; the memory is what the file has."""
    file, clock = tmp_path / "state.json", [NOW]

    def once(*seen: Seen, minutes: int = 5, ways: list[str] = WAYS) -> Memory:
        clock[0] += timedelta(minutes=minutes)
        found = memory.load(file)
        found.take(seen, clock[0])
        found.tell(ways, people.send, clock[0], lambda kept: memory.save(file, kept))
        return memory.load(file)

    return once


FULL, FINE, UNKNOWN = Seen("disk /", True, "full"), Seen("disk /", False), Seen("disk /", None)


def test_each_way_is_told_once_when_it_begins_and_once_when_it_is_over(look: Any, people: People) -> None:
    look(FINE)
    assert people.told() == []
    assert look(FULL).on == {"disk /"}
    assert people.told() == [("mail", ("full",), ()), ("webhook", ("full",), ())]
    look(FULL)
    look(UNKNOWN)
    assert people.told() == []
    assert look(FINE).alarms == {}
    assert people.told() == [("mail", (), ("full",)), ("webhook", (), ("full",))]
    look(FINE)
    assert people.told() == []


def test_what_begins_together_is_one_message(look: Any, people: People) -> None:
    look(FULL, Seen("certificate", True, "old"), ways=["mail"])
    assert people.told() == [("mail", ("full", "old"), ())]
    look(FINE, Seen("certificate", True, "old"), Seen("snapshot", True, "none"), ways=["mail"])
    assert people.told() == [("mail", ("none",), ("full",))]


def test_what_is_not_looked_at_any_more_is_over(look: Any, people: People) -> None:
    look(FULL, Seen("snapshot", True, "none"), ways=["mail"])
    people.told()
    assert look(FULL, ways=["mail"]).on == {"disk /"}, "its setting was taken out"
    assert people.told() == [("mail", (), ("none",))]
    look(FULL, ways=["mail"])
    assert people.told() == []


def test_a_way_that_refuses_is_tried_again_and_holds_up_no_other(look: Any, people: People) -> None:
    people.deaf = {"mail"}
    assert look(FULL).refused["mail"].why == "the mail is deaf"
    assert people.told() == [("webhook", ("full",), ())]
    people.deaf = set()
    look(FULL)
    assert people.told() == [], "not again within a quarter of an hour: servers lock out who tries too often"
    assert look(FULL, minutes=11).refused == {}
    assert people.told() == [("mail", ("full",), ())]


def test_who_was_never_told_of_the_beginning_is_not_told_of_the_end(look: Any, people: People) -> None:
    people.deaf = {"mail"}
    look(FULL)
    people.told()
    assert look(FINE).alarms == {}
    assert people.told() == [("webhook", (), ("full",))]


def test_one_that_comes_back_before_all_heard_of_its_end_tells_those_again_who_did(
    look: Any, people: People
) -> None:
    look(FULL)
    people.told()
    people.deaf = {"mail"}
    look(FINE)
    assert people.told() == [("webhook", (), ("full",))]
    people.deaf = set()
    look(FULL, minutes=20)
    assert people.told() == [("webhook", ("full",), ())], "by mail it never ended"


def test_who_fills_and_empties_a_disk_all_day_has_three_alarms_sent_and_hides_none(
    look: Any, people: People
) -> None:
    """Two days, every five minutes."""
    looks = 2 * 24 * 12
    told: list[tuple[int, int]] = []  # of each look: how many began and ended
    for number in range(looks):
        kept = look(FINE if number % 2 else FULL, ways=["mail"])
        told.append((len(kept.on), sum(1 for _ in people.told())))
    assert sum(messages for _, messages in told[: looks // 2]) == 5
    assert sum(messages for _, messages in told) <= 12, "three beginnings a day, and their ends"
    assert all(on for on, _ in told[5 : looks // 2]), "it was never said to be over while it came back"


def test_one_that_came_and_went_is_over_once_it_was_well_for_half_a_day(look: Any, people: People) -> None:
    for seen in (FULL, FINE, FULL, FINE):
        look(seen, ways=["mail"])
    people.told()
    look(FULL, ways=["mail"])
    ((_, (text,), _),) = people.told()
    assert text == (
        "full It comes and goes, 3 times within a day: it is said to be over only once it has been well for 12 hours."
    )
    look(FINE, ways=["mail"])
    assert look(FINE, minutes=11 * 60, ways=["mail"]).on == {"disk /"}
    look(FULL, ways=["mail"])
    look(FINE, ways=["mail"])
    assert look(FINE, minutes=11 * 60, ways=["mail"]).on == {"disk /"}, "not half a day since it came back"
    assert people.told() == []
    assert look(FINE, minutes=61, ways=["mail"]).on == set()
    assert people.told() == [("mail", (), (text,))]


def test_what_a_host_of_before_has_noted_is_read(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    alarm = {"text": "full", "since": NOW.isoformat(), "over": None, "begun": ["mail"], "ended": []}
    file.write_text(json.dumps({"alarms": {"disk /": alarm}, "refused": {}, "looked": NOW.isoformat()}))
    assert memory.load(file).on == {"disk /"}


def test_a_way_that_is_new_is_told_and_one_that_was_taken_away_holds_nothing_back(
    look: Any, people: People
) -> None:
    look(FULL, ways=["mail"])
    look(FULL, ways=WAYS)
    assert people.told() == [("mail", ("full",), ()), ("webhook", ("full",), ())]
    assert look(FINE, ways=["mail"]).alarms == {}
    assert people.told() == [("mail", (), ("full",))]


def test_who_is_killed_between_telling_and_noting_it_tells_twice_rather_than_never(
    people: People, tmp_path: Path
) -> None:
    found = Memory()
    found.take([FULL], NOW)

    def killed(_: Memory) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        found.tell(WAYS, people.send, NOW, killed)
    assert people.told() == [("mail", ("full",), ())]
    again = memory.load(tmp_path / "nothing was written")
    again.take([FULL], NOW)
    again.tell(WAYS, people.send, NOW, lambda _: None)
    assert [way for way, _, _ in people.told()] == WAYS


@pytest.mark.parametrize("text", ["", "{", "[]", '{"alarms": {"a": {}}, "refused": {}, "looked": ""}'])
def test_a_file_that_cannot_be_read_is_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    assert memory.load(tmp_path / "state.json") == Memory()
