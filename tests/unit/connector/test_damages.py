"""Answers that are cut, damaged or mixed up on the way: the host ends as with pyinfra's own connector."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.connector.comparing import compared
from tests.unit.connector.loopback import Distort, Ours, note


def each(change: Callable[[bytes], bytes]) -> Distort:
    """Changes each line with an answer to a batch."""
    return lambda lines: (change(line) if ANSWER in line else line for line in lines)


def signed(change: Callable[[dict[str, Any]], object]) -> Distort:
    """Changes each answer, with a digest that is right again."""

    def altered(line: bytes) -> bytes:
        said = json.loads(line)
        change(said["answer"])
        said["sha256"] = hashlib.sha256(json.dumps(said["answer"]).encode()).hexdigest()
        return json.dumps(said).encode() + b"\n"

    return each(altered)


def reordered(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Answers from the last to the first."""
    kept: list[bytes] = []
    for line in lines:
        if ANSWER in line:
            kept.insert(0, line)
        else:
            yield from kept
            kept.clear()
            yield line


def thinned(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Every other answer is left out."""
    for number, line in enumerate(lines):
        if ANSWER not in line or number % 2:
            yield line


def cut_off(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The connection ends after the first answer."""
    for line in lines:
        yield line
        if ANSWER in line:
            return


def dirty(answer: dict[str, Any]) -> None:
    """An answer that the host did not give, and nobody could notice."""
    answer["out"] = base64.b64encode(b"wrong\n").decode()


ANSWER = b'"answer"'
DAMAGES: dict[str, Distort] = {
    "cut": each(lambda line: line[: len(line) // 2]),
    "absent": each(lambda line: b""),
    "cut off": cut_off,
    "a bit": each(lambda line: line.replace(b'"out": "', b'"out": "QQ', 1)),
    "not an answer": each(lambda line: b'{"batch": 1, "answer": 7}\n'),
    "garbage": each(lambda line: b"\xff\xfe\n"),
    "reordered": reordered,
    "some left out": thinned,
    "of another batch": each(lambda line: line.replace(b'"batch": 1', b'"batch": 0')),
    "others": signed(lambda answer: answer.update(sha256="0" * 64)),
}


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_a_damaged_batch_is_noticed(host: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def deploy() -> None:
        for number in range(3):
            note(line=f"echo {number}; cat {host}/{number}.hand 2>/dev/null || true", dest=f"{host}/{number}")

    monkeypatch.setattr(Ours, "distort", staticmethod(DAMAGES[damage]))
    second = compared(host, deploy, lambda: (host / "1.hand").write_text("by hand\n"))
    assert second.changes == 1


def test_the_test_of_damages_would_notice_a_wrong_answer(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ours, "distort", staticmethod(signed(dirty)))
    with pytest.raises(AssertionError):
        compared(host, lambda: note(line="echo right", dest=f"{host}/a"))
