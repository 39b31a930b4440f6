"""The lock of a host: one deploy at a time, and nobody is kept out by one that is no more."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import session
from connector.session import AgentError, Answer, LockedError, Question, Session
from tests.unit.connector.loopback import PipeStream


class Agents:
    """Agents of this machine, with the process of each."""

    def __init__(self, lock: Path) -> None:
        self.lock = lock
        self.streams: list[PipeStream] = []

    def start(self, who: str) -> Session:
        """An agent that holds the lock. Raises LockedError."""
        self.streams.append(PipeStream(session.command()))
        started = Session(self.streams[-1])
        started.open(who, str(self.lock))
        started.held(10)
        return started


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Agents]:
    """What is left of them is ended."""
    made = Agents(tmp_path / "run" / "lock")
    yield made
    for stream in made.streams:
        stream.process.kill()
        stream.process.wait(10)


def test_a_second_run_is_refused_and_told_who_holds_the_lock(agents: Agents) -> None:
    agents.start("ada on her laptop")
    with pytest.raises(LockedError, match=r"^ada on her laptop$"):
        agents.start("grace")


def test_the_lock_can_be_had_once_its_holder_let_go(agents: Agents) -> None:
    first = agents.start("ada")
    first.close()
    assert not first.alive()
    agents.start("grace")
    with pytest.raises(LockedError, match=r"^grace$"):
        agents.start("ada")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_ends_with_its_holder_however_that_ends(agents: Agents, number: signal.Signals) -> None:
    first = agents.start("ada")
    os.kill(agents.streams[0].process.pid, number)
    agents.streams[0].process.wait(10)
    assert not first.alive()
    agents.start("grace")


def test_the_lock_ends_with_the_connection_even_while_facts_are_read(agents: Agents) -> None:
    first = agents.start("ada")
    first.ask([Question("sleep 15")], "sh")
    first.close()
    agents.start("grace")


def test_a_holder_that_nobody_hears_of_any_more_is_taken_for_dead(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is gone, so that the host does not see the connection end."""
    impatient = session.source().replace(b"SILENCE = 90.0", b"SILENCE = 3.0")
    assert impatient != session.source()
    monkeypatch.setattr(session, "source", lambda: impatient)
    first = agents.start("ada")
    for _ in range(8):
        time.sleep(0.5)
        first.beat()
    assert first.alive(), "it gave signs of life"
    agents.start("grace")  # waits a little: until the silence is long enough
    assert not first.alive()


def test_the_lock_is_for_root_alone(agents: Agents) -> None:
    agents.lock.parent.mkdir(exist_ok=True)
    agents.lock.touch(0o644)  # an older one, which everybody could hold
    agents.start("ada")
    assert agents.lock.stat().st_mode & 0o777 == 0o600


def test_a_host_without_the_agents_python_is_told_in_a_sentence() -> None:
    stream = PipeStream("exit 127")
    with pytest.raises(AgentError):
        Session(stream).held(5)


def test_the_command_line_of_the_agent_does_not_hold_its_program() -> None:
    assert len(session.command()) < 300


def test_commands_run_side_by_side_and_what_is_late_has_no_answer(agents: Agents) -> None:
    questions = [Question(f"sleep 1; echo {number}") for number in range(4)]
    late = Question("sleep 60 & sleep 60; echo late")
    one = agents.start("ada")
    began = time.monotonic()
    one.ask([*questions, late], "sh", seconds=3)  # one after the other they would take longer
    said = dict(iter(lambda: one.answer(10), None))
    took = time.monotonic() - began
    assert {answer.out for answer in said.values() if answer} == {("0",), ("1",), ("2",), ("3",)}
    assert said[late.command] is None
    assert took < 30


def test_an_answer_comes_as_soon_as_its_command_is_through(agents: Agents) -> None:
    one = agents.start("ada")
    began = time.monotonic()
    one.ask([Question("echo soon"), Question("sleep 20")], "sh")
    assert one.answer(10) == ("echo soon", Answer(0, ("soon",), ()))
    assert time.monotonic() - began < 15


def test_answers_to_an_earlier_batch_are_none_to_the_later(agents: Agents) -> None:
    one = agents.start("ada")
    one.ask([Question("echo $(cat /proc/uptime)")], "sh")
    one.ask([Question("echo later")], "sh")
    assert one.answer(10) == ("echo later", Answer(0, ("later",), ()))
    assert one.answer(10) is None
