"""Facts that are read together come to what each says alone."""

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from shlex import join, quote
from typing import Any

import pytest
from pyinfra.api.command import StringCommand
from pyinfra.api.facts import FactBase
from pyinfra.api.operation import operation
from pyinfra.context import host as target

from connector import memory
from connector.remembering import ONLY
from connector.session import Question
from tests.unit.connector import loopback
from tests.unit.connector.comparing import compared, reset, state
from tests.unit.connector.loopback import Ours, Stock, note, remembering, shell

Damage = Callable[[Question], Question]


class Length(FactBase[int]):
    """How many bytes a file has; 0 where there is none."""

    def command(self, path: str) -> str:
        return f"[ ! -e {quote(path)} ] || stat -c %s {quote(path)}"

    def process(self, output: list[str]) -> int:
        return int(output[0])

    @staticmethod
    def default() -> int:
        return 0

    @staticmethod
    def batch(asked: Sequence[Mapping[str, Any]]) -> str:
        return f"stat -c '%s %n' {join(one['path'] for one in asked)} 2>/dev/null || true"

    @staticmethod
    def split(asked: Sequence[Mapping[str, Any]], output: Sequence[str]) -> Sequence[Sequence[str]]:
        if "unclear" in str(output):
            raise ValueError(output)
        sizes = {path: size for size, path in (line.split(" ", 1) for line in output)}
        return [[sizes[one["path"]]] if one["path"] in sizes else [] for one in asked]


@operation()
def fill(path: str, size: int) -> Generator[StringCommand, None, None]:
    """Gives the file this length."""
    if target.get_fact(Length, path=path) != size:
        yield StringCommand(f"head -c {size} /dev/zero > {quote(path)}")


def three(host: Path) -> Callable[[], None]:
    """Three files, with something else in between."""

    def deploy() -> None:
        fill(path=f"{host}/a", size=1)
        note(line="echo between", dest=f"{host}/between")
        fill(path=f"{host}/b", size=2)
        fill(path=f"{host}/c", size=3)

    return deploy


def remembered(host: Path) -> list[Question]:
    return memory.load(host.parent / "facts.json")


def parts(host: Path) -> list[list[str]]:
    """The paths of each question for many."""
    return [[part.arguments["path"] for part in one.parts] for one in remembered(host) if one.parts]


def test_they_are_read_by_one_command(host: Path) -> None:
    assert compared(host, three(host)).commands == []
    assert parts(host) == [[f"{host}/a", f"{host}/b", f"{host}/c"]]


@pytest.mark.parametrize("by_hand", ["a", "b", "c"])
def test_a_host_changed_by_hand_is_repaired(host: Path, by_hand: str) -> None:
    second = compared(host, three(host), lambda: (host / by_hand).write_text("by hand"))
    assert second.changes == 1


def test_after_a_change_those_that_are_left_are_read_together_anew(host: Path) -> None:
    def deploy() -> None:
        fill(path=f"{host}/a", size=1)
        shell(line=f"rm {host}/b")
        fill(path=f"{host}/c", size=3)
        fill(path=f"{host}/b", size=2)

    (host / "b").write_text("there")
    second = compared(host, deploy)
    assert second.changes == 2
    assert not any("stat" in command for command in second.commands)


def test_what_may_wait_is_not_asked_before_it_is_needed_once_the_host_was_changed(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next change would have to wait for it."""
    monkeypatch.setattr(Length, "may_wait", True, raising=False)

    def deploy() -> None:
        fill(path=f"{host}/a", size=1)
        shell(line=f"rm {host}/b")
        fill(path=f"{host}/c", size=3)

    (host / "b").write_text("there")
    second = compared(host, deploy, lambda: (host / "b").write_text("there"))
    assert len([command for command in second.commands if "stat" in command]) == 1


def test_what_cannot_be_told_apart_is_asked_for_alone(host: Path) -> None:
    def deploy() -> None:
        fill(path=f"{host}/a", size=1)
        fill(path=f"{host}/unclear", size=2)

    assert len(compared(host, deploy).commands) == 2


def longer(question: Question) -> Question:
    """Remembered together with one that was not asked for."""
    return Question(question.command.replace("/a", "/c"), parts=question.parts)


def swapped(question: Question) -> Question:
    """Remembered for each other."""
    first, second, *others = question.parts
    return Question(question.command, parts=(second, first, *others))


def other_arguments(question: Question) -> Question:
    first, second, *others = question.parts
    changed = type(first)(first.command, second.arguments)
    return Question(question.command, parts=(changed, second, *others))


def crossed(question: Question) -> Question:
    """Remembered as the commands of each other: what is read together stays as it was."""
    first, second, *others = question.parts
    return Question(
        question.command,
        parts=(
            type(first)(second.command, first.arguments),
            type(first)(first.command, second.arguments),
            *others,
        ),
    )


def no_arguments(question: Question) -> Question:
    return Question(question.command, parts=tuple(type(part)(part.command, {}) for part in question.parts))


def spoil(host: Path, damage: Damage) -> None:
    """Damages what is remembered of the facts that are read together, where there is a memory."""
    path = host.parent / "facts.json"
    if path.exists():
        memory.save(path, [damage(one) if one.parts else one for one in remembered(host)])


def test_a_memory_of_commands_that_belong_to_others_is_of_no_use(host: Path) -> None:
    second = compared(host, three(host), lambda: spoil(host, crossed))
    assert second.changes == 0
    assert len(second.commands) == 2, "the third file is still read with all"


class AskedOtherwise(Length):
    """The same by another command, and as before together with others."""

    def command(self, path: str) -> str:
        return f"wc -c < {quote(path)} 2>/dev/null || echo 0"


class TogetherOtherwise(Length):
    """The same by another command for many."""

    @staticmethod
    def batch(asked: Sequence[Mapping[str, Any]]) -> str:
        return f"stat -c '%n %s' {join(one['path'] for one in asked)} 2>/dev/null || true"

    @staticmethod
    def split(asked: Sequence[Mapping[str, Any]], output: Sequence[str]) -> Sequence[Sequence[str]]:
        return Length.split(asked, [" ".join(reversed(line.split(" "))) for line in output])


class UnderstoodOtherwise(Length):
    """The same commands, but lines that mean something else: what the file lacks to 100 bytes."""

    def process(self, output: list[str]) -> int:
        return 100 - super().process(output)

    @staticmethod
    def default() -> int:
        return 100


class Alone(FactBase[int]):
    """The same, no longer read for many."""

    command, process = Length.command, Length.process
    default = staticmethod(Length.default)


@pytest.mark.parametrize("changed", [AskedOtherwise, TogetherOtherwise, UnderstoodOtherwise, Alone])
def test_facts_of_a_deploy_that_changed_are_read_as_they_are_now(
    host: Path, changed: type[FactBase[int]]
) -> None:
    fact: type[FactBase[int]] = Length

    def deploy() -> None:
        for name, size in (("a", 1), ("b", 2), ("c", 3)):
            said = target.get_fact(fact, path=f"{host}/{name}")
            if said != (100 - size if fact is UnderstoodOtherwise else size):
                shell(line=f"head -c {size} /dev/zero > {host}/{name}")

    def update() -> None:
        nonlocal fact
        fact = changed

    ends = []
    for connector in (Stock, Ours):
        fact = Length
        reset(host, {})
        for between in (update, lambda: (host / "b").write_text("by hand"), lambda: None):
            loopback.run(deploy, connector, **remembering(host.parent))
            between()
        last = loopback.run(deploy, connector, **remembering(host.parent))
        ends.append((last.changes, state(host)))
    assert ends[0] == ends[1]
    assert last.commands == []


class Wordy(Length):
    """The same command; together with others it says more than alone."""

    def process(self, output: list[str]) -> int:
        return int(output[0].split()[0])

    @staticmethod
    def split(asked: Sequence[Mapping[str, Any]], output: Sequence[str]) -> Sequence[Sequence[str]]:
        return [[f"{line} bytes" for line in lines] for lines in Length.split(asked, output)]


def test_lines_of_one_kind_are_given_to_no_other_that_asks_the_same(host: Path) -> None:
    fact: type[FactBase[int]] = Wordy

    def deploy() -> None:
        said = [target.get_fact(Wordy, path=f"{host}/a"), target.get_fact(fact, path=f"{host}/b")]
        assert said == [1, 2]

    def update() -> None:
        nonlocal fact
        fact = Length

    reset(host, {"a": b"1", "b": b"12"})
    loopback.run(deploy, Ours, **remembering(host.parent))
    assert loopback.run(deploy, Ours, **remembering(host.parent)).commands == []
    update()
    assert len(loopback.run(deploy, Ours, **remembering(host.parent)).commands) == 1


@pytest.mark.parametrize("damage", [longer, swapped, other_arguments, no_arguments])
def test_a_memory_that_is_not_what_the_deploy_asks_is_of_no_use(host: Path, damage: Damage) -> None:
    second = compared(host, three(host), lambda: spoil(host, damage))
    assert second.changes == 0
    assert len(second.commands) == 3


def test_a_run_of_a_part_forgets_nothing_of_the_whole(host: Path) -> None:
    data = remembering(host.parent)
    loopback.run(three(host), Ours, **data)
    before = remembered(host)

    def part() -> None:
        fill(path=f"{host}/b", size=2)
        fill(path=f"{host}/further", size=4)

    loopback.run(part, Ours, **data, **{ONLY: "files"})
    assert remembered(host)[: len(before)] == before
    assert [one.answers for one in remembered(host)[len(before) :]] == [
        (Length().command(f"{host}/further"),)
    ]
    assert loopback.run(three(host), Ours, **data).commands == []
