"""When an alarm begins and ends, who is told and how often."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.listeners import make_ca, webhook
from workbench_host import alarms
from workbench_host.alarms import looking, memory, program
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


def blocks(used: float, kept: float = 0.05, files: float = 0.1) -> Any:
    """A disk of 1000 blocks of which a part is in use and a part kept for root, and of 100 files."""
    free = round(1000 * (1 - used))
    available = max(0, free - round(1000 * kept))
    left = round(100 * (1 - files))
    return SimpleNamespace(
        f_blocks=1000, f_bfree=free, f_bavail=available, f_files=100, f_ffree=left, f_favail=left
    )


@pytest.mark.parametrize(
    ("used", "on", "wrong"),
    [(0.80, False, False), (0.82, False, True), (0.79, True, True), (0.75, True, False)],
)
def test_a_disk_is_full_by_what_users_may_take_and_well_again_only_further_down(
    monkeypatch: pytest.MonkeyPatch, used: float, on: bool, wrong: bool
) -> None:
    """With 5 % kept for root, 80.75 % of all are 85 % of what is for users, and 76 % are 80 %."""
    monkeypatch.setattr(os, "statvfs", lambda _: blocks(used))
    assert looking.disk("/", on).wrong is wrong


def test_a_disk_without_room_for_more_files_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: blocks(0.1, files=0.9))
    seen = looking.disk("/", on=False)
    assert (seen.wrong, seen.text) == (True, "The disk at / has 90% of the files that it has room for.")


def test_a_volume_that_is_missing_is_an_alarm_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda _: False)
    assert looking.volume().wrong is True
    assert looking.disk("/srv/workbench", on=True).wrong is None
    monkeypatch.setattr(os.path, "ismount", lambda _: True)
    assert looking.volume().wrong is False


@pytest.mark.parametrize(
    ("later", "wrong", "says"),
    [
        (timedelta(days=7), False, ""),
        (timedelta(days=9), True, "ends at"),
        (timedelta(days=11), True, "ended at"),
    ],
)
def test_a_certificate_is_overdue_when_less_than_a_fifth_of_its_time_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, later: timedelta, wrong: bool, says: str
) -> None:
    """The certificate is real, and shown by a real server; it holds for ten days."""
    _, pair = make_ca(tmp_path, "127.0.0.1", days=10)
    with webhook("127.0.0.1", pair) as server:
        monkeypatch.setattr(looking, "HTTPS", ("127.0.0.1", server.port))
        seen = looking.certificate("127.0.0.1", datetime.now(UTC) + later)
    assert seen.wrong is wrong
    assert says in seen.text


def test_a_proxy_that_shows_none_says_nothing_of_its_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "HTTPS", ("127.0.0.1", 1))
    assert looking.certificate("bench.example.org", NOW).wrong is None


@pytest.mark.parametrize(
    ("newest", "problem", "wrong"),
    [
        ("2026-11-28T01:00:00+00:00", None, False),
        ("2026-11-27T00:59:00+00:00", None, True),
        (None, None, True),
        ("2026-11-28T01:00:00+00:00", "EC2 answers UnauthorizedOperation", None),
        ("2026-11-26T01:00:00+00:00", "EC2 answers UnauthorizedOperation", True),
    ],
)
def test_a_snapshot_is_overdue_after_its_hours_also_where_nobody_can_tell(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    newest: str | None,
    problem: str | None,
    wrong: bool | None,
) -> None:
    path = tmp_path / "snapshot.json"
    monkeypatch.setattr(alarms, "SNAPSHOT", str(path))
    assert looking.snapshot(26, NOW).wrong is None, "before it was asked"
    told = {"newest": newest, "first": "2026-11-26T00:00:00+00:00", "problem": problem}
    path.write_text(json.dumps({**told, "asked": "2026-11-27T23:00:00+00:00"}))
    assert looking.snapshot(26, NOW).wrong is None, "the server was stopped and has not asked again yet"
    path.write_text(json.dumps({**told, "asked": "2026-11-28T02:30:00+00:00"}))
    seen = looking.snapshot(26, NOW)
    assert seen.wrong is wrong
    if problem and wrong:
        assert problem in seen.text


CONFIG = {
    "stack": "prod", "host": "bench.example.org", "url": "https://bench.example.org/", "disks": ["/"],
    "snapshots": None, "mail": None, "webhook": True,
}  # fmt: skip


@pytest.fixture
def unit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As systemd runs it: a folder with secrets, and one for its state."""
    for name in ("secrets", "state"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "secrets"))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    (tmp_path / "alarms.json").write_text(json.dumps(CONFIG))
    monkeypatch.setattr(alarms, "CONFIG", str(tmp_path / "alarms.json"))
    monkeypatch.setattr(alarms, "STATE", str(tmp_path / "state/state.json"))
    monkeypatch.setattr(os, "statvfs", lambda _: blocks(0.9, kept=0))
    monkeypatch.setattr(os.path, "ismount", lambda _: True)
    monkeypatch.setattr(looking, "HTTPS", ("127.0.0.1", 1))
    return tmp_path


def test_the_whole_from_the_disk_to_the_webhook(
    unit: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ca, pair = make_ca(unit, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    with webhook("127.0.0.1", pair) as hook:
        (unit / "secrets/alarms_webhook").write_text(f"https://127.0.0.1:{hook.port}/hooks/s3cret")
        assert program.main(["--look"]) == 0
        assert program.main(["--look"]) == 0
        (post,) = hook.posts
        assert post == {
            "path": "/hooks/s3cret",
            "type": "application/json",
            "text": "Workbench prod (https://bench.example.org/)\nALARM: The disk at / is 90% full.",
        }
        assert [one["text"] for one in memory.report()["on"]] == ["The disk at / is 90% full."]
        monkeypatch.setattr(os, "statvfs", lambda _: blocks(0.5))
        assert program.main(["--look"]) == 0
        assert hook.posts[1]["text"].endswith("\nOVER: The disk at / is 90% full.")
        assert memory.report()["on"] == []
        assert len(hook.posts) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("status", "said"),
    [(404, "answered with status 404: no_service"), (307, "answered with status 307"), (500, "status 500")],
)
def test_a_webhook_that_refuses_is_one_sentence_without_its_address(
    unit: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: int, said: str
) -> None:
    ca, pair = make_ca(unit, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    with webhook("127.0.0.1", pair) as hook:
        hook.status = status
        (unit / "secrets/alarms_webhook").write_text(f"https://127.0.0.1:{hook.port}/hooks/s3cret")
        assert program.main(["--test"]) == 0
        assert program.main(["--look"]) == 0
        assert [post["path"] for post in hook.posts] == ["/hooks/s3cret"] * 2, "it is followed nowhere else"
    out, err = capsys.readouterr()
    assert said in json.loads(out)["failed"]["webhook"]
    assert said in err
    assert "s3cret" not in out + err + (unit / "state/state.json").read_text()


@pytest.mark.parametrize(
    ("trusted", "port", "said"),
    [(False, None, "its certificate is not trusted"), (True, 1, "could not be reached: Connection refused")],
)
def test_a_webhook_that_is_not_what_it_says_gets_nothing(
    unit: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool, port: int | None, said: str
) -> None:
    ca, pair = make_ca(unit, "127.0.0.1")
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    with webhook("127.0.0.1", pair) as hook:
        (unit / "secrets/alarms_webhook").write_text(f"https://127.0.0.1:{port or hook.port}/hooks/s3cret")
        failed = program.test(CONFIG)["failed"]["webhook"]
        assert hook.posts == []
    assert said in failed
    assert "s3cret" not in failed


def test_it_looks_for_systemd_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert program.main(["--look"]) == 1
    assert program.main([]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
