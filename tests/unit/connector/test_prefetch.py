"""An agent that was started before pyinfra could ask: used where it holds what was asked, and never missed.

`ssh` and `sudo` are stand-ins, scripts that run their command on this machine; tests/deploy/test_connector.py has the
real ones.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from connector import memory, session
from connector.prefetch import Agent, AgentStream
from connector.remembering import AGENT
from connector.session import LockedError, Session, Stream
from tests.unit.connector import loopback
from tests.unit.connector.comparing import compared, state
from tests.unit.connector.loopback import Ours, PipeStream, note, remembering, shell

RUNS = 'for line; do :; done; exec sh -c "$line"'
SUDO = {"_sudo": True}


class Counting(Ours):
    """The connector under test; it notes when it starts an agent by itself."""

    started: ClassVar[list[str]] = []

    def _start_agent(self, line: str) -> Stream:
        self.started.append(line)
        return super()._start_agent(line)


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that are found first; the lock is the test's own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    write(folder / "sudo", 'shift 2; exec "$@"')
    write(folder / "ssh", RUNS)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(session, "LOCK", str(tmp_path / "lock"))
    Counting.started.clear()
    return folder


def write(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def agents() -> Iterator[list[Agent]]:
    """Agents that are ended after the test."""
    made: list[Agent] = []
    yield made
    for agent in made:
        agent.close()


def started(host: Path, agents: list[Agent]) -> dict[str, Any]:
    """The host's data with an agent that was asked what is remembered."""
    agent = Agent()
    agents.append(agent)
    agent.start(["ssh", "somewhere"], memory.load(host.parent / "facts.json"))
    inherited = {"input": os.dup(agent.input), "output": os.dup(agent.output)}
    described = agent.hand_over()
    assert described is not None
    return {**remembering(host.parent), **SUDO, AGENT: json.dumps({**json.loads(described), **inherited})}


def two(host: Path) -> Callable[[], None]:
    def deploy() -> None:
        note(line=f"cat {host}/hand 2>/dev/null || true", dest=f"{host}/a")
        note(line="echo second", dest=f"{host}/b")

    return deploy


def remember(host: Path) -> None:
    loopback.run(two(host), Ours, **remembering(host.parent), **SUDO)


def test_nothing_is_asked_but_by_the_agent(host: Path, agents: list[Agent]) -> None:
    remember(host)
    run = loopback.run(two(host), Counting, **started(host, agents))
    assert (run.changes, run.commands, Counting.started) == (0, [], [])


def test_a_change_is_made_under_its_lock(host: Path, agents: list[Agent]) -> None:
    remember(host)
    (host / "hand").write_text("by hand\n")
    holders = host / "holder"

    def deploy() -> None:
        two(host)()
        note(line=f"cat {session.LOCK}", dest=str(holders))

    run = loopback.run(deploy, Counting, **started(host, agents))
    assert (run.changes, Counting.started) == (2, [])
    assert f"process {os.getpid()}" in holders.read_text()
    assert b"by hand" in state(host)["a"]


@pytest.mark.parametrize(
    "ssh", ["exit 255", "cat > /dev/null; exit 255", "echo noise; exit 1", f"({RUNS}) | head -c 20"]
)
@pytest.mark.parametrize("by_hand", [False, True])
def test_one_that_does_not_come_to_hold_the_lock_is_done_without(
    host: Path, agents: list[Agent], programs: Path, ssh: str, by_hand: bool
) -> None:
    remember(host)
    if by_hand:
        (host / "hand").write_text("by hand\n")
    write(programs / "ssh", ssh)
    run = loopback.run(two(host), Counting, **started(host, agents))
    assert run.changes == by_hand
    assert len(Counting.started) == 1


def test_one_that_ends_after_its_lock_was_held_is_replaced_before_a_change(
    host: Path, agents: list[Agent], programs: Path
) -> None:
    remember(host)
    (host / "hand").write_text("by hand\n")
    write(programs / "ssh", f"({RUNS.replace('exec ', '')}) | head -n 2")
    run = loopback.run(two(host), Counting, **started(host, agents))
    assert run.changes == 1
    assert len(Counting.started) == 1


def test_where_others_hold_the_lock_the_deploy_is_refused(host: Path, agents: list[Agent]) -> None:
    remember(host)
    other = Session(PipeStream(session.command()))
    other.open("ada", session.LOCK)
    other.held(10)
    before = state(host)
    (host / "hand").write_text("by hand\n")
    run = loopback.run(two(host), Counting, **started(host, agents))
    assert run.failed
    assert Counting.started == [], "who is refused does not come again by another way"
    other.close()
    assert {**before, "hand": b"by hand\n"} == state(host)


def test_one_that_runs_as_another_user_than_the_deploy_is_not_used(host: Path, agents: list[Agent]) -> None:
    data = started(host, agents)
    run = loopback.run(two(host), Counting, **{**data, "_sudo": False})
    assert not run.failed, "the lock is free again"
    assert len(Counting.started) == 1


def test_a_memory_that_has_changed_meanwhile_costs_answers_only(host: Path, agents: list[Agent]) -> None:
    remember(host)
    data = started(host, agents)
    (host.parent / "facts.json").unlink()
    (host / "hand").write_text("by hand\n")
    run = loopback.run(two(host), Counting, **data)
    assert (run.changes, Counting.started) == (1, [])


def test_what_it_still_reads_is_waited_for_before_a_change_though_the_memory_is_gone(
    host: Path, agents: list[Agent]
) -> None:
    read = host.parent / "read"

    def deploy() -> None:
        shell(line=f"ls {host.parent} > {host}/listing")
        note(line=f"sleep 1; touch {read}", dest=f"{host}/said")

    loopback.run(deploy, Ours, **remembering(host.parent), **SUDO)
    read.unlink()
    data = started(host, agents)
    (host.parent / "facts.json").unlink()
    loopback.run(deploy, Counting, **data)
    assert "read" in (host / "listing").read_text().split()


def test_the_host_ends_as_with_pyinfras_own_connector(host: Path, agents: list[Agent]) -> None:
    assert compared(host, two(host), lambda: (host / "hand").write_text("by hand\n")).changes == 1
    assert loopback.run(two(host), Counting, **started(host, agents)).changes == 0


def test_the_agent_does_not_run_in_this_machines_locale(
    host: Path, agents: list[Agent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    def deploy() -> None:
        note(line="echo ${LC_ALL-none}", dest=f"{host}/locale")

    loopback.run(deploy, Ours, **remembering(host.parent), **SUDO)
    loopback.run(deploy, Counting, **started(host, agents))
    assert state(host)["locale"] == b'["none"]\n'


def test_who_looks_whether_it_is_there_takes_nothing_from_who_reads() -> None:
    """Two greenlets: one waits for an answer, the other gives signs of life."""
    given, giving = os.pipe()
    taken, taking = os.pipe()
    stream = AgentStream(json.dumps({"input": taking, "output": given, "asked": 0.0}))
    lines = [b"%d\n" % number for number in range(50)]

    def write() -> None:
        for line in lines:
            os.write(giving, line)
            time.sleep(0.002)
        os.close(giving)

    def look() -> None:
        while stream.alive():
            time.sleep(0.001)

    writer, watcher = threading.Thread(target=write), threading.Thread(target=look)
    writer.start()
    watcher.start()
    assert [stream.line(10) for _ in lines] == lines
    assert stream.line(10) == b""
    writer.join(10)
    watcher.join(10)
    assert not watcher.is_alive()
    os.close(taken)


def test_without_ssh_there_is_none(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (programs / "ssh").unlink()
    monkeypatch.setenv("PATH", str(programs))
    agent = Agent()
    agent.start(["ssh", "somewhere"], [])
    assert agent.hand_over() is None


def test_one_that_nobody_wants_is_ended_and_its_lock_is_free(tmp_path: Path) -> None:
    agent = Agent()
    agent.start(["ssh", "somewhere"], [])
    deadline = time.monotonic() + 60
    while not (tmp_path / "lock").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    agent.close()
    assert agent.hand_over() is None
    other = Session(PipeStream(session.command()))
    other.open("ada", session.LOCK)
    try:
        other.held(10)
    except LockedError as error:
        pytest.fail(str(error))
    other.close()
