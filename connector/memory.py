"""Which facts a deploy asked a host for last time: commands and arguments, never what they said.

A file of mode 0600 in .workbench/<stack>/. It may be of an older deploy or of the server before: an answer is used for
exactly the command that is asked, so one that is no longer asked is of no use, and does no harm. Whatever is wrong with
the file, it is as if it were not there: the next run asks one fact after the other, and writes it anew.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from connector.session import Part, Question

VERSION = 3
MOST = 5000  # questions; far more than any deploy has


def load(path: Path) -> list[Question]:
    """What the last deploy asked; nothing where the file is absent, damaged, or of another version of this module."""
    try:
        data = json.loads(path.read_bytes())
        if data["version"] != VERSION:
            return []
        return [_question(*entry) for entry in data["questions"][:MOST]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def save(path: Path, questions: Iterable[Question]) -> None:
    """Replaces the file in one step. It is only a help: where it cannot be written, the next run is slower."""
    listed = [_entry(question) for question in questions][:MOST]
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"version": VERSION, "questions": listed}, file)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)


def _entry(question: Question) -> list[Any]:
    parts = [[part.command, part.arguments] for part in question.parts]
    return [question.command, question.first, *([parts] if parts else [])]


def _question(command: object, first: object, parts: Iterable[tuple[object, object]] = ()) -> Question:
    read = tuple(Part(_text(text), _arguments(arguments)) for text, arguments in parts)
    return Question(_text(command), first is True, read)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _arguments(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value
