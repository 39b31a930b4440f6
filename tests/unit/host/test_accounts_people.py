"""When users were last seen: databases of the test's own in the place of PAM's and the hub's."""

import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from workbench_host.accounts import people


def test_a_login_by_the_name_of_before_is_the_renamed_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins, hub = tmp_path / "lastlog2.db", tmp_path / "hub.sqlite"
    with sqlite3.connect(logins) as database:
        database.execute("CREATE TABLE Lastlog2 (Name TEXT PRIMARY KEY, Time INTEGER)")
        database.executemany(
            "INSERT INTO Lastlog2 VALUES (?, ?)", [("ana", 3000), ("anna", 1000), ("ben", 2000), ("never", 0)]
        )
    with sqlite3.connect(hub) as database:
        database.execute("CREATE TABLE users (name TEXT, last_activity TEXT)")
        database.execute("INSERT INTO users VALUES ('ben', '1970-01-01 01:00:00')")
    monkeypatch.setattr(people, "LOGINS", str(logins))
    monkeypatch.setattr(people, "HUB", str(hub))
    assert people.seen({"ana": "anna"}) == {
        "anna": datetime.fromtimestamp(3000, UTC),
        "ben": datetime.fromtimestamp(3600, UTC),
    }


def test_without_quotas_homes_are_counted_until_there_is_no_more_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "HOMES", str(tmp_path))
    (tmp_path / "ana").mkdir()
    (tmp_path / "ana" / "data").write_bytes(bytes(range(256)) * 4 * 1024 * 20)
    assert people.disk_gib("ana", 2000, None, time.monotonic() + 60) == 0.02
    assert people.disk_gib("nobody", 2001, None, time.monotonic() + 60) == 0.0
    slow = tmp_path / "bin" / "du"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 5\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(slow.parent), prepend=":")
    began = time.monotonic()
    assert people.disk_gib("ana", 2000, None, began) is None
    assert time.monotonic() - began < 2
