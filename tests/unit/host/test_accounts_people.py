"""When users were last seen: databases of the test's own in the place of PAM's and the hub's."""

import sqlite3
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
