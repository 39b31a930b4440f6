"""`workbench environments`: what the table says."""

from typing import Any

from cli import environments
from cli.common import console

NOW, FORMER = "a" * 12, "b" * 12


def shown(unknown: str | None = None, **changes: Any) -> str:
    one = {
        "name": "geo",
        "language": "Python",
        "version": "3.13",
        "digest": NOW,
        "packages": 61,
        "former": [FORMER],
        "users": [],
        **changes,
    }
    with console.capture() as captured:
        environments._show({"environments": [one], "unknown": unknown})
    return " ".join(captured.get().split())


def test_who_still_has_a_former_one_is_told_with_its_lock() -> None:
    users = [
        {"user": "ada", "digest": NOW, "processes": 2},
        {"user": "gr[a]ce", "digest": FORMER, "processes": 1},
    ]
    said = shown(users=users)
    for words in ("geo", "Python 3.13", "61", NOW, FORMER, "ada", "gr[a]ce", "(still"):
        assert words in said


def test_one_that_was_never_built_and_users_that_are_not_known_are_said_so() -> None:
    said = shown(digest="", language="", version="", former=[], unknown="it took too long")
    assert "none" in said
    assert "Who uses them is not known: it took too long." in said
