"""By which way a deploy comes to a host, by real OpenSSH servers on loopback."""

import sys
from pathlib import Path

import pytest
from pyinfra.api.exceptions import PyinfraError

from connector import configure, link
from tests.needs import needs_sshd
from tests.unit.connector.way_in import FAR, connects, facts_of, ssh
from tests.unit.sshd import USER, Client, free_port, make_key, serving
from workbench import keys, openssh, stack
from workbench.errors import WorkbenchError

pytestmark = needs_sshd


def test_a_checkout_may_be_in_a_folder_of_any_name(
    checkout: Path, tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = checkout / "key"
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
    assert {path.name for path in checkout.iterdir()} == {".workbench", "key", "key.pub"}


def test_a_path_that_ssh_has_no_way_to_write_is_refused_in_a_sentence() -> None:
    with pytest.raises(WorkbenchError, match=r"takes `\$\{` in a path for a variable"):
        openssh.quoted(Path("/srv/${HOME}/bench"))


def jumping(client: Client, target: int, *jumps: int) -> None:
    """~/.ssh/config has the far server behind jump hosts, each of them but the first behind the one before it."""
    names = [f"jump{number}" for number in range(len(jumps))]
    for name, port, before in zip(names, jumps, ["none", *names], strict=False):
        client.configure(f"Host {name}\n HostName 127.0.0.1\n Port {port}\n User {USER}\n ProxyJump {before}")
    client.configure(f"Host {FAR}\n HostName 127.0.0.1\n Port {target}\n ProxyJump {names[-1]}")


def test_a_server_behind_jump_hosts_is_waited_for_and_connected_to_through_them(
    tmp_path: Path, client: Client, checkout: Path
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
    tmp_path: Path, client: Client, checkout: Path, capsys: pytest.CaptureFixture[str]
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
    tmp_path: Path, client: Client, checkout: Path
) -> None:
    make_key(client.home / ".ssh" / "id_ed25519")
    with serving(tmp_path / "jump", []) as jump:
        jumping(client, 22, jump.port)
        with pytest.raises(WorkbenchError, match=r"by way of jump0.*\(.*Permission denied \(publickey"):
            configure.wait_for_ssh(FAR, timeout=0)
        with pytest.raises(PyinfraError):
            connects(tmp_path, FAR, None)


def test_a_proxy_command_is_run_as_ssh_runs_it(tmp_path: Path, client: Client, checkout: Path) -> None:
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
