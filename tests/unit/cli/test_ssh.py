"""`workbench ssh`, `status` and `users` over a real sshd; what Pulumi and AWS would say is the test's."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import cloud, common, remote, server
from cli.main import app
from tests.needs import needs_sshd
from tests.unit.connector.deploying import FACTS
from tests.unit.sshd import USER, Client, make_key, serving
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs

pytestmark = needs_sshd
FACTS_HERE = Outputs.model_validate({**FACTS, "address": "127.0.0.1"})


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    return Client(tmp_path / "client", monkeypatch)


@pytest.fixture
def reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Client) -> Iterator[Path]:
    """A server that lets ~/.ssh/id_ed25519 in; gives back that key."""
    monkeypatch.setattr(stacks, "ROOT", tmp_path)
    monkeypatch.setattr(stacks, "ADMIN", USER)
    monkeypatch.setattr(common, "enter", lambda name: "unit")
    monkeypatch.setattr(stacks, "outputs", lambda name: FACTS_HERE)
    monkeypatch.setattr(cloud, "running", lambda facts: facts)
    key = client.home / ".ssh" / "id_ed25519"
    with serving(tmp_path / "server", [make_key(key)]) as there:
        client.configure(f"Host 127.0.0.1\n Port {there.port}")
        yield key


@pytest.mark.parametrize(
    ("words", "said", "status"),
    [
        (["echo 'a  b' | tr a c; exit 7"], "c  b\n", 7),
        (["echo", "a  b", "$((1 + 1))"], "a b 2\n", 0),
        (["exit", "3"], "", 3),
        (["-o", "LogLevel=QUIET", "echo", "in"], "in\n", 0),
    ],
    ids=["a shell line", "words", "an exit status", "options of ssh"],
)
@pytest.mark.usefixtures("reached")
def test_what_is_to_run_there_is_taken_as_ssh_takes_it(
    capfd: pytest.CaptureFixture[str], words: list[str], said: str, status: int
) -> None:
    done = CliRunner().invoke(app, ["ssh", "--", *words])
    assert (capfd.readouterr().out, done.exit_code) == (said, status)


def test_a_key_that_needs_a_terminal_is_named_where_there_is_none(reached: Path) -> None:
    make_locked(reached)
    sentence = f"{reached} has a passphrase, and no ssh-agent has it: run `ssh-add {reached}`"
    done = CliRunner().invoke(app, ["ssh", "--", "true"])
    assert done.exit_code == 255
    assert sentence in done.stderr
    with pytest.raises(WorkbenchError, match=r"could not be asked for its health: .*ssh-add"):
        remote.report_of(FACTS_HERE, f"{server.HEALTH} --json", 10, "its health")


def make_locked(key: Path) -> None:
    for path in (key, key.with_name(f"{key.name}.pub")):
        path.unlink()
    make_key(key, "secret")


def test_a_status_that_is_none_of_ssh_itself_gives_no_hint(reached: Path, monkeypatch: Any) -> None:
    make_locked(reached)
    assert remote.hints(FACTS_HERE, 1) == []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert remote.hints(FACTS_HERE, 255) == [], "ssh has asked there"
