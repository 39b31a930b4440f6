"""What is begun before the order to deploy: the deploy's process, and the agent on a host that is known."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from connector import configure, memory, process, session
from connector.session import Question
from tests.unit.connector.deploying import END, FACTS, deploy, deploy_that
from workbench import stack
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs


def test_a_deploy_that_is_not_wanted_after_all_is_ended(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy_that(root, monkeypatch, "open('went-on', 'w')")
    with pytest.raises(WorkbenchError, match="no such setting"), configure.begun() as run:
        raise WorkbenchError("no such setting")
    assert run._process.wait() != 0
    assert not (root / "went-on").exists()


def test_a_process_that_was_begun_ahead_is_taken_and_one_that_nobody_took_is_ended(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy_that(root, monkeypatch, f"tell(**{END!r})")
    process.prestart(root)
    [prestarted] = process._prestarted
    process.prestart(root)
    [_, taken] = process._prestarted
    deploy()
    assert taken.wait() == 0
    process.stop_prestarted()
    assert prestarted.wait() != 0


@pytest.fixture
def early(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that is needed for an agent to be started ahead; an `ssh` that notes how it was called."""
    facts = Outputs.model_validate(FACTS)
    memory.save(stack.facts_memory(facts.stack), [Question("true")])
    stack.known_hosts(facts).write_text("127.0.0.1 ssh-ed25519 AAAA\n")
    stack.note_outputs(facts)
    command = root / "bin" / "ssh"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\necho "$@" >> {root}/called\nexec cat > {root}/sent\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    deploy_that(
        root, monkeypatch, f"open('agent', 'w').write(os.environ.get('WORKBENCH_AGENT', ''))\ntell(**{END!r})"
    )
    return root


def reach_and_deploy(noted: Outputs | None, facts: Outputs) -> None:
    with configure.begun() as run:
        run.reach(noted)
        run.reach(facts)
        run.hand_over("{}", facts)
        run.end()


def test_an_agent_is_started_once_for_a_host_that_is_known(early: Path) -> None:
    facts = Outputs.model_validate(FACTS)
    reach_and_deploy(stack.noted_outputs("unit"), facts)
    called = (early / "called").read_text()
    assert called.count("BatchMode=yes") == 1
    assert "StrictHostKeyChecking=yes" in called
    assert "admin@127.0.0.1" in called
    assert set(json.loads((early / "agent").read_text())) == {"input", "output", "asked"}
    assert (early / "sent").read_bytes().startswith(session.source())


def test_an_agent_on_the_server_that_was_before_is_not_used(early: Path) -> None:
    noted = stack.noted_outputs("unit")
    assert noted is not None
    reach_and_deploy(noted, noted.model_copy(update={"instance_id": "i-2"}))
    assert (early / "agent").read_text() == ""
    assert stack.noted_outputs("unit") != noted


@pytest.mark.parametrize("missing", ["known hosts", "memory", "notes"])
def test_no_agent_is_started_where_something_is_not_known(early: Path, missing: str) -> None:
    facts = Outputs.model_validate(FACTS)
    if missing == "known hosts":
        stack.known_hosts(facts).unlink()
    elif missing == "memory":
        stack.facts_memory(facts.stack).write_text("{")
    else:
        (stack.state_folder("unit") / stack.NOTED).write_text("{}")
    noted = stack.noted_outputs("unit")
    assert (noted is None) == (missing == "notes")
    reach_and_deploy(noted, facts)
    assert (early / "called").exists() == (missing == "notes"), (
        "as soon as `pulumi` has said where the server is"
    )


def test_what_is_noted_of_a_stack_that_is_none_leaves_no_trace(root: Path) -> None:
    assert stack.noted_outputs("nonsense") is None
    assert list(root.iterdir()) == []


def ignores(pid: int, number: signal.Signals) -> bool:
    """Whether a process that lives ignores a signal, as proc(5) says."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    said = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert not said["State"].startswith("Z")
    return bool(int(said["SigIgn"], 16) >> (number - 1) & 1)


def test_an_interrupt_before_the_order_is_its_givers_business(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    deploy_that(root, monkeypatch, f"tell(**{END!r})")
    with configure.begun() as run:
        pid = run._process._process.pid
        while not ignores(pid, signal.SIGINT):
            time.sleep(0.05)
        os.kill(pid, signal.SIGINT)
        run.hand_over("{}", Outputs.model_validate(FACTS))
        run.end()
    assert "Traceback" not in capfd.readouterr().err


def test_a_process_whose_parent_is_no_more_ends_by_itself(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy_that(root, monkeypatch, "open('went-on', 'w')")
    begun = process.Process(root)
    os.close(begun._giving)
    begun._giving = process.CLOSED
    assert begun.wait() == 0
    begun.stop()
    assert not (root / "went-on").exists()
