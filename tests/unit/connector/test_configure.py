"""Running the deploy: waiting for the server, what is handed over, what a failure says."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from connector import configure, memory, process, session
from connector.session import Question
from workbench import openssh, stack
from workbench.errors import WorkbenchError
from workbench.openssh import Route
from workbench.outputs import Outputs

FACTS = {
    "stack": "unit",
    "region": "eu-west-1",
    "zone": "eu-west-1a",
    "address": "127.0.0.1",
    "hostName": "127.0.0.1",
    "instanceId": "i-1",
    "instanceType": "t3.large",
    "architecture": "x86_64",
    "vcpus": 2,
    "memoryMib": 8192,
    "volumeId": "vol-1",
    "url": "https://127.0.0.1/",
    "ssh": "ssh admin@127.0.0.1",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project root of the test's own."""
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    return tmp_path


def greeting_server(greeting: bytes) -> int:
    """The port of a server that greets once."""
    server = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        connection, _ = server.accept()
        connection.sendall(greeting)
        connection.close()
        server.close()

    threading.Thread(target=greet, daemon=True).start()
    return int(server.getsockname()[1])


def route_to(monkeypatch: pytest.MonkeyPatch, port: int, *proxy: str) -> None:
    """What ssh says of the way to any host."""
    route = Route("127.0.0.1", port, proxy, (), None, "jump" if proxy else "")
    monkeypatch.setattr(openssh, "route", lambda *_: route)


def test_waiting_ends_when_an_ssh_server_greets(monkeypatch: pytest.MonkeyPatch) -> None:
    route_to(monkeypatch, greeting_server(b"SSH-2.0-OpenSSH_10.0\r\n"))
    configure.wait_for_ssh("127.0.0.1", timeout=5)


def test_a_server_that_is_not_ssh_is_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    route_to(monkeypatch, greeting_server(b"HTTP/1.1 400\r\n"))
    with pytest.raises(WorkbenchError, match=r"did not answer by SSH within 1 s.*workbench:sshFrom"):
        configure.wait_for_ssh("127.0.0.1", timeout=1)


def test_a_jump_host_is_logged_in_to_every_few_seconds_only_while_a_server_boots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configure, "PROXY_PAUSE", 1.0)
    monkeypatch.setattr(configure, "PAUSE", 0.0)
    route_to(monkeypatch, 22, "sh", "-c", f"echo login >> {tmp_path}/logins; exit 1")
    with pytest.raises(WorkbenchError, match="by way of jump"):
        configure.wait_for_ssh("127.0.0.1", timeout=0.5)
    assert (tmp_path / "logins").read_text().count("login") == 2
    assert configure.BOOT_TIMEOUT > 10 * configure.PROXY_PAUSE


def test_settings_and_facts_are_handed_over_and_never_on_the_disk(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [{"name": f"user{number}", "passwordHash": "x" * 100} for number in range(2000)]
    look = (
        "from pathlib import Path\n"
        "data = json.loads(Path(os.environ['WORKBENCH_CONTEXT']).read_text())\n"
        "assert len(data['config']['workbench:users']) == 2000 and data['outputs']['address'] == '127.0.0.1'\n"
        f"tell(**{END!r})"
    )
    deploy_that(root, monkeypatch, look)
    before = set(root.rglob("*"))
    configure.from_context(json.dumps({"config": {"workbench:users": users}, "outputs": FACTS}))
    made = {path.name for path in set(root.rglob("*")) - before if path.suffix != ".pyc" and path.is_file()}
    assert made == {"configure.log", "configure.json", "outputs.json"}


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


def test_a_deploy_that_fails_names_its_log_and_shows_its_end(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WorkbenchError) as caught:  # there is no deploy/ below this root
        deploy()
    assert "No deploy file: deploy/main.py" in str(caught.value)
    assert ".workbench/unit/configure.log" in str(caught.value)
    log = root / ".workbench" / "unit" / "configure.log"
    assert log.stat().st_mode & 0o777 == 0o600


def deploy(extent: configure.Extent = configure.WHOLE) -> None:
    """Begins with a deploy, hands it what it needs, and waits for its end."""
    with configure.begun() as run:
        run.hand_over("{}", Outputs.model_validate(FACTS), extent)
        run.end()


def deploy_that(root: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Stands in for pyinfra's command: a Python program with `tell` for events, run in its place."""
    monkeypatch.setattr(configure, "wait_for_ssh", lambda _: None)
    monkeypatch.setattr(configure, "_require_key", lambda *_: None)
    tell = (
        "import json, os, sys\n"
        "def tell(**event):\n"
        "    os.write(int(os.environ['WORKBENCH_EVENTS']), json.dumps(event).encode() + b'\\n')\n"
    )
    body = "".join(f"    {line}\n" for line in (program or "pass").splitlines())
    command = root / "pyinfra_cli" / "main.py"
    command.parent.mkdir()
    (command.parent / "__init__.py").touch()
    command.write_text(f"{tell}def main():\n{body}")


END = {
    "event": "end",
    "host": "bench",
    "operations": 9,
    "changed": [],
    "units": [],
    "failed": None,
    "lines": [],
}


def test_at_the_end_is_told_what_changed_and_what_restarted(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    end = {
        **END,
        "changed": ["a | one", "b | two"],
        "units": [["restart", "x.service"], ["start", "y.timer"]],
    }
    deploy_that(root, monkeypatch, f"assert '-y' in sys.argv\ntell(**{end!r})")
    deploy()
    said = capsys.readouterr().out
    assert "changed: a | one\nchanged: b | two\n" in said
    assert "bench: 2 of 9 operations changed anything; restarted x.service; started y.timer; " in said
    assert configure.seconds_of_last_run("unit", 0) is not None


def test_a_failure_names_operation_host_and_the_last_lines(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = {**END, "failed": "ssh | Keys", "lines": ["no space left on device"]}
    deploy_that(root, monkeypatch, f"tell(**{end!r})\nsys.exit(1)")
    with pytest.raises(WorkbenchError, match=r"`ssh \| Keys` failed on bench:\n +no space left on device"):
        deploy()


def test_a_host_that_cannot_be_connected_to_is_told_with_its_reason(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["    [bench] Another deploy is at work, by ada", "--> pyinfra error: No hosts remaining!"]
    deploy_that(root, monkeypatch, "".join(f"print({line!r})\n" for line in lines) + "sys.exit(1)")
    with pytest.raises(WorkbenchError, match="Another deploy is at work, by ada"):
        deploy()


@pytest.mark.parametrize("program", ["", "import signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_run_that_was_cut_short_is_none_that_went_well(
    root: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    deploy_that(root, monkeypatch, program)
    with pytest.raises(WorkbenchError, match="It was stopped before it was through"):
        deploy()


def test_a_dry_run_of_one_service_shows_what_it_would_do(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    would = {"event": "would", "host": "bench", "name": "proxy | page", "what": ["make it"], "perhaps": False}
    asked = "assert '--dry' in sys.argv and 'only=proxy' in sys.argv and '-y' not in sys.argv"
    deploy_that(root, monkeypatch, f"{asked}\ntell(**{would!r})")
    deploy(configure.Extent("proxy", dry=True))
    said = capsys.readouterr().out
    assert (
        "would change: proxy | page\n    make it\n1 operation would change something; nothing was changed"
        in said
    )


def test_the_digest_changes_with_any_template(root: Path) -> None:
    template = root / "templates" / "base" / "hosts.j2"
    template.parent.mkdir(parents=True)
    template.write_text("one")
    before = configure.deploy_digest()
    assert configure.deploy_digest() == before
    template.write_text("two")
    assert configure.deploy_digest() != before


def test_what_an_editor_or_python_leaves_behind_is_not_in_the_digest(root: Path) -> None:
    (root / "templates" / "base").mkdir(parents=True)
    before = configure.deploy_digest()
    for name in ("hosts.j2~", ".hosts.j2.swp", "#hosts.j2#", ".DS_Store"):
        (root / "templates" / "base" / name).write_text("stray")
    cache = root / "deploy" / "__pycache__"
    cache.mkdir(parents=True)
    (cache / "base.cpython-313.pyc").write_bytes(b"stray")
    assert configure.deploy_digest() == before


@pytest.mark.skipif(not (stack.ROOT / ".git").exists(), reason="needs the repository, to know what is in it")
def test_all_that_the_deploy_reads_is_in_the_digest() -> None:
    """Of what is committed there, only what locks are made from decides nothing on the host."""
    listed = ["git", "ls-files", "deploy", "templates", "workbench/*.py", "workbench/settings"]
    tracked = subprocess.run(listed, cwd=stack.ROOT, capture_output=True, text=True, check=True).stdout
    counted = {
        str(path.relative_to(stack.ROOT))
        for folder, pattern in configure._DECIDING
        for path in (stack.ROOT / folder).glob(pattern)
    }
    missing = {path for path in tracked.splitlines() if not path.startswith("cli/")} - counted
    assert {path for path in missing if not path.endswith(".in")} == set()


def test_the_outputs_of_a_configuration_are_digests_and_no_settings() -> None:
    inputs = {"context": '{"config": {"hash": "$2b$secret"}}', "digest": "d", "instanceId": "i-1"}
    kept = configure.remembered(inputs)
    assert "secret" not in json.dumps(kept)
    assert kept != configure.remembered({**inputs, "context": "{}"})
