"""What is remembered of a run for the next: the commands that it asked, and no answers."""

from pathlib import Path

import pytest
from pyinfra.api.command import StringCommand
from pyinfra.api.hiddenvalue import HiddenValue
from pyinfra.context import host as target

from connector import memory
from connector.session import Question
from tests.unit.connector import loopback
from tests.unit.connector.comparing import compared, state
from tests.unit.connector.loopback import Ours, Says, note, remembering, shell


def test_a_deploy_that_changed_asks_anew_what_changed(host: Path) -> None:
    line = "echo old"

    def deploy() -> None:
        note(line=line, dest=f"{host}/a")
        note(line="echo the same", dest=f"{host}/b")

    def update() -> None:
        nonlocal line
        line = "echo new"

    loopback.run(deploy, Ours, **remembering(host.parent))
    update()
    assert loopback.run(deploy, Ours, **remembering(host.parent)).commands[:1] == ["echo new"]
    assert state(host)["a"] == b'["new"]\n'
    assert loopback.run(deploy, Ours, **remembering(host.parent)).commands == []


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"{}", b"[]", b"null", b'{"version": 3, "questions": [7]}',
     b'{"version": 0, "questions": [["echo a", false]]}',
     b'{"version": 3, "questions": [["echo a", false, 3]]}',
     b'{"version": 3, "questions": "abc"}'],
)  # fmt: skip
def test_a_damaged_memory_is_no_memory(host: Path, content: bytes) -> None:
    def deploy() -> None:
        note(line="echo a", dest=f"{host}/a")

    second = compared(host, deploy, lambda: (host.parent / "facts.json").write_bytes(content))
    assert "echo a" in second.commands
    assert loopback.run(deploy, Ours, **remembering(host.parent)).commands == [], "it was written anew"


def test_a_memory_that_asks_for_something_else_changes_no_answer(host: Path) -> None:
    path = host.parent / "facts.json"
    memory.save(path, [Question("echo b"), Question("echo a"), Question("sleep 0; false")])
    compared(host, lambda: note(line="echo a", dest=f"{host}/a"))


def test_the_memory_holds_commands_and_no_answers_and_is_for_its_owner(host: Path) -> None:
    def deploy() -> None:
        note(line=f"cat {host}/hash", dest=f"{host}/copy")

    (host / "hash").write_text("$6$answer\n")
    loopback.run(deploy, Ours, **remembering(host.parent))
    path = host.parent / "facts.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert f"cat {host}/hash" in path.read_text()
    assert "answer" not in path.read_text()


class Masked(Says):
    """A fact whose command has a secret in it."""

    def command(self, line: str) -> StringCommand:
        return StringCommand("echo", HiddenValue(line))


def test_what_pyinfra_would_mask_is_not_remembered(host: Path) -> None:
    def deploy() -> None:
        note(line="echo a", dest=f"{host}/a")
        assert target.get_fact(Masked, line="a-secret") == ["a-secret"]

    for _ in range(2):
        loopback.run(deploy, Ours, **remembering(host.parent))
    assert "secret" not in (host.parent / "facts.json").read_text()


def test_a_run_that_fails_keeps_what_was_remembered(host: Path) -> None:
    fail = host / "fail"

    def deploy() -> None:
        note(line="echo a", dest=f"{host}/a")
        shell(line=f"[ ! -e {fail} ]") if fail.exists() else None
        note(line="echo b", dest=f"{host}/b")

    loopback.run(deploy, Ours, **remembering(host.parent))
    fail.touch()
    assert loopback.run(deploy, Ours, **remembering(host.parent)).failed
    fail.unlink()
    assert loopback.run(deploy, Ours, **remembering(host.parent)).commands == []
