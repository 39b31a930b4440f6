"""What is looked at for an alarm: disks, the volume, the certificate, the snapshots."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.listeners import make_ca, webhook
from tests.unit.host.statvfs import blocks
from workbench_host import alarms
from workbench_host.alarms import looking

NOW = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)


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
