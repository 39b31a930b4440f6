"""`workbench users`: what the table says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli import users
from cli.common import console


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=1, seconds=5), "1 minute ago"),
        (timedelta(hours=5, minutes=30), "5 hours ago"),
        (timedelta(days=3), "3 days ago"),
    ],
)
def test_a_time_is_told_in_words(ago: timedelta, words: str) -> None:
    assert users._ago((datetime.now(UTC) - ago).isoformat()) == words
    assert users._ago(None) == "never"


def test_the_table_names_archives_and_says_when_a_limit_is_not_enforced() -> None:
    user: dict[str, Any] = {
        "name": "l" * 32,
        "uid": 2000,
        "state": "removed",
        "admin": True,
        "groups": ["wind"],
        "last_seen": None,
        "disk_gib": 0.5,
        "sessions": {"jupyter": 2, "logins": 0, "processes": 3},
        "archives": ["/srv/workbench/archive/[1].tar.zst"],
    }
    with console.capture() as captured:
        users._show({"users": [user], "disk_limit_gib": 20, "disk_limit_enforced": False})
    said = captured.get()
    assert f"The home of {'l' * 32} is in /srv/workbench/archive/[1].tar.zst on the server." in said
    assert "20 GiB of disk, which this server's kernel does not enforce" in said
    for words in ("admin", "removed", "0.50 GiB", "2 jupyter"):
        assert words in said
    assert "counted" not in said
    with console.capture() as captured:
        users._show(
            {"users": [{**user, "disk_gib": None}], "disk_limit_gib": None, "disk_limit_enforced": False}
        )
    said = captured.get()
    assert "not " in said  # the table is as narrow as the test's terminal
    assert "Some homes have too many files to be counted in time" in " ".join(said.split())
