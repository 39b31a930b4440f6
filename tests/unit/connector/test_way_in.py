"""How a deploy comes to a host, by real OpenSSH servers on loopback: by which way, and with which key."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pyinfra.api.config import Config
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State, StateStage

from connector import configure, link
from connector.ssh import KEY, WorkbenchConnector
from tests.needs import needs_sshd
from tests.unit.connector.test_configure import FACTS, deploy_that
from tests.unit.sshd import USER, Client, free_port, make_key, serving
from workbench import keys, openssh, stack
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs

pytestmark = needs_sshd
SSHD_CONF = stack.ROOT / "templates" / "ssh" / "sshd.conf.j2"
FAR = "203.0.113.9"  # RFC 5737: nothing answers there


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    return Client(tmp_path / "client", monkeypatch)


class Connector(WorkbenchConnector):
    """The deploy's own; its lock is the test's."""

    lock: ClassVar[str] = ""


def connects(tmp_path: Path, address: str, key: keys.Key | None, **data: Any) -> None:
    """Connects as a deploy does, as this user. Raises PyinfraError where it does not get in."""
    way: dict[str, Any] = {
        "ssh_hostname": address,
        "ssh_user": USER,
        "ssh_config_file": os.devnull,
        "ssh_known_hosts_file": str(tmp_path / "known_hosts"),
        "ssh_strict_host_key_checking": "accept-new",
        **data,
    }
    if key is not None:
        way |= {"ssh_key": str(key.file)} if key.file else {KEY: key.fingerprint}
    Path(way["ssh_known_hosts_file"]).touch()
    inventory = Inventory((["@ssh/host"], {}), override_data=way)
    host = inventory.get_host("@ssh/host")
    Connector.lock = str(tmp_path / "lock")
    host.connector_cls = Connector
    state = State(inventory, Config(), check_for_changes=False)
    try:
        state.set_stage(StateStage.Connect)
        connect_all(state)
    finally:
        disconnect_all(state)


def six_keys(tmp_path: Path) -> list[Path]:
    """Private keys, of which the last is the right one."""
    paths = [tmp_path / "keys" / f"key{number}" for number in range(6)]
    for path in paths:
        make_key(path)
    return paths


def public(path: Path) -> str:
    return path.with_name(f"{path.name}.pub").read_text()


def test_the_key_of_the_settings_is_offered_first_wherever_the_agent_has_it(
    tmp_path: Path, client: Client
) -> None:
    paths = six_keys(tmp_path)
    with (
        serving(tmp_path / "server", [public(paths[-1])], MaxAuthTries="2") as server,
        client.agent(*paths),
    ):
        client.configure(f"Host 127.0.0.1\n Port {server.port}")
        route = openssh.route(USER, "127.0.0.1")
        key = keys.chosen([public(paths[-1])], route)
        assert key == keys.Key(keys.fingerprints([public(paths[-1])])[0])
        connects(tmp_path, "127.0.0.1", key)
        assert server.logins() == 1
        with pytest.raises(PyinfraError):
            connects(tmp_path, "127.0.0.1", None)  # in the agent's own order


def facts_of(address: str = "127.0.0.1") -> Outputs:
    return Outputs.model_validate({**FACTS, "address": address, "hostName": address})


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in a folder with all that ssh reads otherwise; the administrator of its servers is this user."""
    path = tmp_path / 'the bench %2F %d #1 "it\'s" \\ here'
    path.mkdir()
    monkeypatch.setattr(stack, "ROOT", path)
    monkeypatch.setattr(stack, "ADMIN", USER)
    monkeypatch.setattr(configure, "ADMIN", USER)
    return path


def ssh(facts: Outputs, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*stack.ssh_command(facts), *command], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def test_a_checkout_may_be_in_a_folder_of_any_name(
    root: Path, tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = root / "key"
    monkeypatch.setenv(keys.KEY_VARIABLE, str(key))
    with serving(tmp_path / "server", [make_key(key)]) as server:
        client.configure(f"Host 127.0.0.1\n Port {server.port}")
        for _ in range(2):  # the first learns the host's key, the second compares with it
            done = ssh(facts_of(), "echo", "in")
            assert (done.stdout, done.stderr) == ("in\n", "")
        known = stack.known_hosts(facts_of())
        assert known.read_text().startswith("127.0.0.1 "), "by the address, as the deploy writes it"
        assert stack.host_key_checking(facts_of()) == "yes"
        connects(tmp_path, "127.0.0.1", keys.Key("", key), ssh_known_hosts_file=str(known))
    assert not (client.home / ".ssh" / "known_hosts").exists()
    assert {path.name for path in root.iterdir()} == {".workbench", "key", "key.pub"}


def test_a_path_that_ssh_has_no_way_to_write_is_refused_in_a_sentence() -> None:
    with pytest.raises(WorkbenchError, match=r"takes `\$\{` in a path for a variable"):
        openssh.quoted(Path("/srv/${HOME}/bench"))


@pytest.mark.usefixtures("root")
def test_our_sshd_lets_an_agent_with_many_keys_come_to_the_right_one(tmp_path: Path, client: Client) -> None:
    tries = re.search(r"^MaxAuthTries (\d+)$", SSHD_CONF.read_text(), re.MULTILINE)
    assert tries is not None
    paths = six_keys(tmp_path)
    with (
        serving(tmp_path / "server", [public(paths[-1])], MaxAuthTries=tries[1]) as server,
        client.agent(*paths),
    ):
        client.configure(f"Host 127.0.0.1\n Port {server.port}")
        assert ssh(facts_of(), "echo", "in").stdout == "in\n"


LOCKED = r"The private key \S+ has a passphrase, and no ssh-agent has it: run `ssh-add \S+` first"


@pytest.mark.parametrize("named", [True, False])
def test_a_key_with_a_passphrase_and_no_agent_is_refused_before_anything_waits_for_it(
    root: Path, client: Client, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """As `pulumi up` calls it, whose plugin has no terminal that it could ask at."""
    path = client.home / ".ssh" / "id_ed25519"
    public_key = make_key(path, "secret")
    if named:
        monkeypatch.setenv(keys.KEY_VARIABLE, str(path))
    config = {
        "workbench:size": "t3.large",
        "workbench:zone": "eu-west-1a",
        "workbench:sshFrom": ["203.0.113.0/24"],
        "workbench:adminSshKeys": [public_key],
    }
    facts = facts_of(FAR).model_dump(mode="json", by_alias=True)
    began = time.monotonic()
    with pytest.raises(WorkbenchError, match=LOCKED):
        configure.from_context(json.dumps({"config": config, "outputs": facts}))
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("named", [True, False])
def test_a_key_with_a_passphrase_is_used_through_an_agent_that_has_it(
    client: Client, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    path = client.home / ".ssh" / "id_ed25519"
    public_key = make_key(path)
    if named:
        monkeypatch.setenv(keys.KEY_VARIABLE, str(path))
    with client.agent(path):
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(path)], check=True)
        route = openssh.route(USER, FAR)
        assert keys.chosen([public_key], route) == keys.Key(keys.fingerprints([public_key])[0])
        assert keys.unusable(route) == []


@pytest.mark.parametrize("in_agent", [False, True])
def test_a_key_whose_options_may_keep_a_deploy_out_is_not_offered_before_another(
    client: Client, in_agent: bool
) -> None:
    first, second = client.home / ".ssh" / "id_ecdsa", client.home / ".ssh" / "id_ed25519"
    barred, free = f'from="10.0.0.0/8" {make_key(first)}', make_key(second)
    fingerprint = keys.fingerprints([free])[0]
    with client.agent(first) if in_agent else contextlib.nullcontext():
        route = replace(openssh.route(USER, FAR), identities=(first, second))
        assert keys.chosen([barred, free], route) == keys.Key(fingerprint, second)
        only = keys.chosen([barred], route)
    assert only is not None
    assert only.fingerprint == keys.fingerprints([barred])[0]


def test_what_no_program_can_use_is_named_with_what_helps(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = client.home / ".ssh" / "id_ed25519"
    public_key = make_key(path)
    route = openssh.route(USER, FAR)
    assert keys.chosen([public_key], route) == keys.Key(keys.fingerprints([public_key])[0], path)
    assert keys.chosen(["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBFN somebody's"], route) is None
    path.chmod(0o644)
    with pytest.raises(WorkbenchError, match=r"can be read by others.*chmod 600"):
        keys.chosen([public_key], route)
    path.chmod(0o600)
    path.write_text("no key\n")
    monkeypatch.setenv(keys.KEY_VARIABLE, str(path))
    with pytest.raises(WorkbenchError, match="none that ssh-keygen can read"):
        keys.chosen([public_key], route)
    monkeypatch.setenv(keys.KEY_VARIABLE, str(path.with_name("nothing")))
    with pytest.raises(WorkbenchError, match=r"WORKBENCH_SSH_KEY names .*nothing, which is no file"):
        keys.chosen([public_key], route)


def test_who_is_not_let_in_is_told_of_the_keys_that_could_not_be_used(
    tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows that it is ours: the settings have none of this machine's."""
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    make_key(client.home / ".ssh" / "id_ed25519", "secret")
    run_of_who_is_not_let_in(tmp_path, monkeypatch, LOCKED)


@pytest.mark.usefixtures("client")
def test_who_is_not_let_in_is_told_that_the_key_they_named_is_none_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    make_key(tmp_path / "mine")
    monkeypatch.setenv(keys.KEY_VARIABLE, str(tmp_path / "mine"))
    run_of_who_is_not_let_in(
        tmp_path,
        monkeypatch,
        r"WORKBENCH_SSH_KEY names \S+mine, whose public key \(SHA256:\S+\) is none of workbench:adminSshKeys",
    )


def test_a_named_key_is_none_of_the_settings_only_where_that_can_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, others = make_key(tmp_path / "mine"), make_key(tmp_path / "others")
    assert keys.not_accepted([others]) == []
    monkeypatch.setenv(keys.KEY_VARIABLE, str(tmp_path / "mine"))
    assert keys.not_accepted([others, mine]) == []
    assert keys.not_accepted([f"cert-authority {others}"]) == []
    assert len(keys.not_accepted([others])) == 1


def run_of_who_is_not_let_in(root: Path, monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    """A deploy that the server refuses says what is told."""
    config = {
        "workbench:size": "t3.large",
        "workbench:zone": "eu-west-1a",
        "workbench:sshFrom": ["203.0.113.0/24"],
        "workbench:adminSshKeys": [make_key(root / "somebody's")],
    }
    facts = facts_of()
    lines = ["    [bench] Authentication error (username=admin)", "--> pyinfra error: No hosts remaining!"]
    deploy_that(root, monkeypatch, "".join(f"print({line!r})\n" for line in lines) + "sys.exit(1)")
    with configure.begun() as run:
        run.hand_over(json.dumps({"config": config, "outputs": facts.model_dump(by_alias=True)}), facts)
        with pytest.raises(WorkbenchError, match=told):
            run.end()


def test_options_in_front_of_a_key_and_a_comment_behind_it_do_not_hide_it(tmp_path: Path) -> None:
    line = make_key(tmp_path / "key")
    kind, blob, *_ = line.split()
    (wanted,) = keys.fingerprints([line])
    assert keys.fingerprints([f'restrict,from="10.0.0.0/8 x" {kind}\t{blob} ada', "no key", ""]) == [wanted]


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


def jumping(client: Client, target: int, *jumps: int) -> None:
    """~/.ssh/config has the far server behind jump hosts, each of them but the first behind the one before it."""
    names = [f"jump{number}" for number in range(len(jumps))]
    for name, port, before in zip(names, jumps, ["none", *names], strict=False):
        client.configure(f"Host {name}\n HostName 127.0.0.1\n Port {port}\n User {USER}\n ProxyJump {before}")
    client.configure(f"Host {FAR}\n HostName 127.0.0.1\n Port {target}\n ProxyJump {names[-1]}")


def test_a_server_behind_jump_hosts_is_waited_for_and_connected_to_through_them(
    tmp_path: Path, client: Client, root: Path
) -> None:
    key = client.home / ".ssh" / "id_ed25519"
    public_key = make_key(key)
    with (
        serving(tmp_path / "first", [public_key]) as first,
        serving(tmp_path / "second", [public_key]) as second,
        serving(tmp_path / "server", [public_key]) as server,
    ):
        jumping(client, server.port, first.port, second.port)
        configure.wait_for_ssh(FAR, timeout=20)
        assert (first.logins(), second.logins(), server.logins()) == (1, 1, 0)
        route, chosen = openssh.route(USER, FAR), keys.Key("", key)
        assert route.by == "jump1"
        connects(tmp_path, FAR, chosen)
        assert (first.logins(), second.logins(), server.logins()) == (2, 2, 1)
        assert ssh(facts_of(FAR), "echo", "in").stdout == "in\n"
        assert (tmp_path / "known_hosts").read_text().startswith(f"{FAR} ")


def test_a_server_that_boots_later_is_waited_for_and_told_of(
    tmp_path: Path, client: Client, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = make_key(client.home / ".ssh" / "id_ed25519")
    port = free_port()
    with serving(tmp_path / "jump", [key]) as jump:
        jumping(client, port, jump.port)
        why = link.silence(openssh.route(USER, FAR))
        assert why is not None
        assert "closed" in why or "refused" in why or "failed" in why
        with pytest.raises(WorkbenchError) as refused:
            configure.wait_for_ssh(FAR, timeout=1)
        assert f"{FAR} did not answer by SSH by way of jump0 (~/.ssh/config) within 1 s" in str(refused.value)
        assert "is that machine's address in workbench:sshFrom" in str(refused.value)
        with serving(tmp_path / "server", [key], Port=str(port)):
            configure.wait_for_ssh(FAR, timeout=20)


def test_a_jump_host_that_lets_nobody_through_is_what_the_sentence_names(
    tmp_path: Path, client: Client, root: Path
) -> None:
    make_key(client.home / ".ssh" / "id_ed25519")
    with serving(tmp_path / "jump", []) as jump:
        jumping(client, 22, jump.port)
        with pytest.raises(WorkbenchError, match=r"by way of jump0.*\(.*Permission denied \(publickey"):
            configure.wait_for_ssh(FAR, timeout=0)
        with pytest.raises(PyinfraError):
            connects(tmp_path, FAR, None)


def test_a_proxy_command_is_run_as_ssh_runs_it(tmp_path: Path, client: Client, root: Path) -> None:
    key = client.home / ".ssh" / "id_ed25519"
    relay = tmp_path / "relay.py"
    relay.write_text(
        "import select, socket, sys, os\n"
        "link = socket.create_connection(('127.0.0.1', int(sys.argv[2])))\n"
        f"assert sys.argv[1] == '{FAR}'\n"
        "while True:\n"
        "    for ready in select.select([link, 0], [], [])[0]:\n"
        "        data = os.read(ready if ready == 0 else link.fileno(), 65536)\n"
        "        if not data: sys.exit()\n"
        "        link.sendall(data) if ready == 0 else os.write(1, data)\n"
    )
    with serving(tmp_path / "server", [make_key(key)]) as server:
        client.configure(
            f"Host {FAR}\n Port {server.port}\n ProxyCommand {sys.executable} {relay} %h %p # 100%%"
        )
        configure.wait_for_ssh(FAR, timeout=10)
        connects(tmp_path, FAR, keys.Key("", key))
        assert server.logins() == 1


def test_a_configuration_that_ssh_cannot_read_is_said_in_a_sentence(client: Client) -> None:
    client.configure("Host *\n NoSuchThing yes")
    with pytest.raises(WorkbenchError, match=r"ssh cannot read its configuration: .*terminating"):
        openssh.route(USER, FAR)


def test_where_there_is_no_openssh_the_way_is_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    route = openssh.route(USER, FAR)
    assert (route.host, route.port, route.proxy) == (FAR, 22, ())
    assert keys.chosen(["ssh-ed25519 AAAA"], route) is None
