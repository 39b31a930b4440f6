"""With which key a deploy comes to a host, by real OpenSSH servers on loopback."""

import contextlib
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from pyinfra.api.exceptions import PyinfraError

from tests.needs import needs_sshd
from tests.unit.connector.way_in import FAR, connects, facts_of, public, ssh
from tests.unit.sshd import USER, Client, make_key, serving
from workbench import keys, openssh, stack
from workbench.errors import WorkbenchError

pytestmark = needs_sshd
SSHD_CONF = stack.ROOT / "templates" / "ssh" / "sshd.conf.j2"


def six_keys(tmp_path: Path) -> list[Path]:
    """Private keys, of which the last is the right one."""
    paths = [tmp_path / "keys" / f"key{number}" for number in range(6)]
    for path in paths:
        make_key(path)
    return paths


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


@pytest.mark.usefixtures("checkout")
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


def test_a_named_key_is_none_of_the_settings_only_where_that_can_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, others = make_key(tmp_path / "mine"), make_key(tmp_path / "others")
    assert keys.not_accepted([others]) == []
    monkeypatch.setenv(keys.KEY_VARIABLE, str(tmp_path / "mine"))
    assert keys.not_accepted([others, mine]) == []
    assert keys.not_accepted([f"cert-authority {others}"]) == []
    assert len(keys.not_accepted([others])) == 1


def test_options_in_front_of_a_key_and_a_comment_behind_it_do_not_hide_it(tmp_path: Path) -> None:
    line = make_key(tmp_path / "key")
    kind, blob, *_ = line.split()
    (wanted,) = keys.fingerprints([line])
    assert keys.fingerprints([f'restrict,from="10.0.0.0/8 x" {kind}\t{blob} ada', "no key", ""]) == [wanted]
