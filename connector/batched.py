"""Facts of one kind that are read by one command for all: the files, the units, the packages of a deploy.

What a shell and a program cost to start is most of what a small fact costs its host. A fact class that has `together`
and `apart` is asked for all that a run read of it last time at once; each operation still asks for its own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from connector.session import Answer, Part, Question


@runtime_checkable
class Batched(Protocol):
    """What a fact class has beside `command` and `process` where it can be read for many at once."""

    @staticmethod
    def batch(asked: Sequence[Mapping[str, Any]]) -> str:
        """One command for all; each of `asked` is what `command` would be given."""

    @staticmethod
    def split(asked: Sequence[Mapping[str, Any]], output: Sequence[str]) -> Sequence[Sequence[str]]:
        """Of that command's output, for each the lines of which `process` makes what it makes of `command`'s own.

        Raises ValueError where they cannot be told; then each is asked for alone.
        """


@dataclass(frozen=True)
class Reading:
    """A fact that is being read: its class, and its arguments where they can be kept as JSON."""

    fact: object
    arguments: Mapping[str, Any] | None = None

    @property
    def waits(self) -> bool:
        """Whether the host is only ready after it (deploy/apt.py)."""
        return bool(getattr(self.fact, "waits", False))


def reading(fact: object, args: Sequence[object], kwargs: Mapping[str, object]) -> Reading:
    """The fact as pyinfra is asked for it; its arguments are of interest for those that are read together."""
    if args or not isinstance(fact, Batched):
        return Reading(fact)
    try:
        return Reading(
            fact, json.loads(json.dumps({key: value for key, value in kwargs.items() if key[0] != "_"}))
        )
    except TypeError:
        return Reading(fact)


def gathered(asked: Mapping[str, Reading]) -> list[Question]:
    """The questions that bring an answer to all commands of `asked`, in their order."""
    kinds: dict[int, list[Part]] = {}
    for command, one in asked.items():
        if one.arguments is not None:
            kinds.setdefault(id(one.fact), []).append(Part(command, dict(one.arguments)))
    questions = []
    for command, one in asked.items():
        if one.arguments is None:
            questions.append(Question(command, one.waits))
        elif parts := kinds.pop(id(one.fact), None):
            assert isinstance(one.fact, Batched)
            whole = one.fact.batch([part.arguments for part in parts])
            questions.append(Question(whole, parts=tuple(parts)))
    return questions


def remaining(questions: Sequence[Question], asked: Mapping[str, Reading]) -> list[Question]:
    """The questions without what was `asked` already, and without facts that may wait for what the host is at.

    A change would have to wait for them, too.
    """
    left = []
    for question in questions:
        parts = tuple(part for part in question.parts if part.command not in asked)
        done = [asked[part.command].fact for part in question.parts if part.command in asked]
        if done and getattr(done[0], "may_wait", False):
            continue
        if (not question.parts and question.command not in asked) or (parts and not done):
            left.append(question)
        elif parts and isinstance(done[0], Batched):
            left.append(Question(done[0].batch([part.arguments for part in parts]), parts=parts))
    return left


def alone(fact: Any, arguments: Mapping[str, Any]) -> str:
    """The command that pyinfra would run to read the fact with these arguments."""
    return str(fact().command(**arguments))


def parted(question: Question, answer: Answer, fact: object) -> dict[str, Answer]:
    """The answers to the parts of a question, by command: of those that are what `fact` would ask, alone and together.

    What is remembered may come from a deploy whose facts asked otherwise, or understood otherwise what was said.
    """
    asked = [part.arguments for part in question.parts]
    try:
        if not isinstance(fact, Batched) or fact.batch(asked) != question.command:
            return {}
        outputs = fact.split(asked, answer.out)
        return {
            part.command: Answer(0, tuple(lines), ())
            for part, lines in zip(question.parts, outputs, strict=True)
            if alone(fact, part.arguments) == part.command
        }
    except Exception:  # what is remembered may be anything, and is only a help
        return {}
