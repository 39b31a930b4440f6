"""Who is told before a server goes for good, and what is refused before that.

AWS is moto in this process, the engine a stand-in (tests/unit/cli/stack_on_moto.py), and so is who tells users.
"""

import os
import re
import socket
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from cli import cloud, destroy, engine, grace, locks, notice, plan, swapping
from cli.cloud import Instance
from cli.locks import Holder
from tests.unit.cli.stack_on_moto import World
from workbench import stack as stacks
from workbench import volumes
from workbench.errors import WorkbenchError


@pytest.fixture
def told(aws: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What becomes of a stack, in order: what its users are told, "" where that is taken back, what the engine does."""
    _, server = aws.up()
    aws.others = ["aws:ec2/instance:Instance"]
    said: list[str] = []

    def run(name: str, *operation: str, **_: Any) -> None:
        said.append(operation[0])

    monkeypatch.setattr(engine, "run", run)
    monkeypatch.setattr(stacks, "outputs_in", lambda exported: SimpleNamespace())
    monkeypatch.setattr(cloud, "instance", lambda facts: Instance(server, "t3.large", "running"))
    monkeypatch.setattr(notice, "tell", lambda facts, text, seconds: said.append(text))
    monkeypatch.setattr(notice, "take_back", lambda facts: said.append(""))
    monkeypatch.setattr(grace, "_wait", lambda seconds: None)
    return said


def test_users_are_told_before_the_server_goes_and_the_notice_is_over_by_then(
    aws: World, told: list[str]
) -> None:
    destroy.destroy(minutes=5, yes=True)
    text, *rest = told
    assert re.fullmatch(
        r"The workbench is taken down \(all files are kept\) at \d\d:\d\d UTC, in 5 minutes\. Please save your work\.",
        text,
    )
    assert rest == ["", "destroy"]


def test_without_it_nobody_is_told(aws: World, told: list[str]) -> None:
    destroy.destroy(yes=True)
    assert told == ["destroy"]


def test_a_server_that_is_stopped_has_nobody_to_tell(
    aws: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud, "instance", lambda facts: Instance("i-1", "t3.large", "stopped"))
    destroy.destroy(minutes=5, yes=True)
    assert told == ["destroy"]


def test_called_off_nothing_has_changed(aws: World, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grace, "_wait", lambda seconds: (_ for _ in ()).throw(KeyboardInterrupt))
    aws.dies(-1)
    with pytest.raises(KeyboardInterrupt):
        destroy.destroy(minutes=5, yes=True)
    assert (aws.calls, told[1:]) == ([], [""])


def test_nobody_is_told_of_what_is_refused_or_not_wanted(
    aws: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(sentence: str, **arguments: Any) -> None:
        with pytest.raises(WorkbenchError, match=sentence):
            destroy.destroy(**{"yes": True, "minutes": 5, **arguments})

    refused("--grace is -1", minutes=-1)
    with swapping.alone("prod", "up"):
        refused(rf"Another workbench command is at work on stack prod \(pid {os.getpid()}, `workbench up`\)")
    with monkeypatch.context() as patch:
        other = Holder("ada", socket.gethostname(), os.getppid(), datetime.now(UTC))
        patch.setattr(locks, "of", lambda stack: [other])
        refused("is locked by another run")
    with monkeypatch.context() as patch:
        patch.setattr(plan.typer, "confirm", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            destroy.destroy(minutes=5)
    aws.volume(volumes.INCOMING, By="elsewhere 7 2020-01-01T00:00:00+00:00", RestoredFrom="snap-1")
    refused("A restore of .* has begun on elsewhere")
    assert told == []


def test_a_run_that_began_while_it_was_waited_is_not_disturbed(
    aws: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Holder("ada", socket.gethostname(), os.getppid(), datetime.now(UTC))
    held: list[Holder] = []
    monkeypatch.setattr(locks, "of", lambda stack: held)
    monkeypatch.setattr(grace, "_wait", lambda seconds: held.append(other))
    with pytest.raises(WorkbenchError, match="is locked by another run"):
        destroy.destroy(minutes=5, yes=True)
    assert told[1:] == [""]
