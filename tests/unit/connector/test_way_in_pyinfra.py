"""How plain `pyinfra` comes to a host by our inventory, by real OpenSSH servers on loopback."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pyinfra.api.exceptions import PyinfraError

from tests.needs import needs_sshd
from tests.unit.connector.way_in import LOCKED, connects, facts_of, public
from tests.unit.sshd import Client, make_key, serving
from workbench import stack

pytestmark = needs_sshd


@pytest.fixture
def context(tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What plain `pyinfra` is handed: a stack whose administrator's key is in ~/.ssh, with a passphrase."""
    config = {
        "workbench:size": "t3.large",
        "workbench:zone": "eu-west-1a",
        "workbench:sshFrom": ["203.0.113.0/24"],
        "workbench:adminSshKeys": [make_key(client.home / ".ssh" / "id_ed25519", "secret")],
    }
    path = tmp_path / "context"
    path.write_text(json.dumps({"config": config, "outputs": facts_of().model_dump(by_alias=True)}))
    monkeypatch.setenv(stack.CONTEXT_VARIABLE, str(path))


@pytest.mark.parametrize("value", ["none", "SSH_AUTH_SOCK"])
def test_the_agent_is_asked_only_where_ssh_would_ask_it(
    tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch, context: None, value: str
) -> None:
    """By the inventory: what it says is all that paramiko goes by. What a proxy asks is not for us to take away."""
    key = client.home / ".ssh" / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "secret", "-N", "", "-f", str(key)], check=True)
    make_key(tmp_path / "agents")
    with (
        serving(tmp_path / "server", [public(tmp_path / "agents")]) as server,
        client.agent(tmp_path / "agents"),
    ):
        client.configure(f"Host 127.0.0.1\n Port {server.port}\n IdentityAgent {value}")
        look = (
            "import json, os, runpy\n"
            "[(_, data)] = runpy.run_path('deploy/inventory.py')['hosts']\n"
            "print(json.dumps([data['ssh_allow_agent'], os.environ['SSH_AUTH_SOCK']]))"
        )
        said = subprocess.run([sys.executable, "-c", look], cwd=stack.ROOT, capture_output=True, text=True)
        asks, socket = json.loads(said.stdout)
        assert socket == os.environ["SSH_AUTH_SOCK"]
        if value == "none":
            with pytest.raises(PyinfraError):
                connects(tmp_path, "127.0.0.1", None, ssh_allow_agent=asks)
        else:
            connects(tmp_path, "127.0.0.1", None, ssh_allow_agent=asks)
        assert server.logins() == (0 if value == "none" else 1)


PYINFRA = [sys.executable, "-m", "pyinfra", "-y", "deploy/inventory.py", "deploy/main.py"]


@pytest.mark.usefixtures("context")
def test_plain_pyinfra_refuses_it_without_a_terminal() -> None:
    done = subprocess.run(
        PYINFRA, cwd=stack.ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    )
    assert done.returncode != 0
    assert re.search(LOCKED, done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("context")
def test_plain_pyinfra_refuses_it_at_a_terminal_and_asks_nothing() -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(stack.ROOT)
        os.execv(sys.executable, PYINFRA)
    said = b""
    while True:
        if not select.select([terminal], [], [], 60)[0]:
            os.kill(pid, signal.SIGKILL)
            pytest.fail(f"it waits for somebody: {said.decode()}")
        try:
            more = os.read(terminal, 1 << 16)
        except OSError:  # Linux's way of saying that the other end is closed
            break
        if not more:
            break
        said += more
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
    assert re.search(LOCKED, " ".join(said.decode().split()))
