"""Getting in: who may, with what, and whom the host says it is."""

import re
import subprocess
from collections.abc import Iterator

import paramiko
import pytest

from tests.needs import needs
from tests.workbench_in_lab import Workbench
from workbench import keys
from workbench import stack as stacks

pytestmark = pytest.mark.lab


def ssh(workbench: Workbench, user: str, *options: str) -> subprocess.CompletedProcess[str]:
    """`id -un` as another user, with the key of the tests."""
    command = stacks.ssh_command(workbench.outputs)
    target = f"{user}@{workbench.outputs.address}"
    return subprocess.run(
        [*command[:-1], *options, target, "id -un"], capture_output=True, text=True, check=False
    )


def test_a_user_gets_in_with_a_declared_key(workbench: Workbench) -> None:
    assert ssh(workbench, "grace").stdout.strip() == "grace"


def test_a_user_without_a_declared_key_does_not_get_in_with_one(workbench: Workbench) -> None:
    refused = ssh(workbench, "ada", "-o", "BatchMode=yes")
    assert refused.returncode == 255
    assert "Permission denied (publickey)" in refused.stderr


def test_root_does_not_get_in(workbench: Workbench) -> None:
    assert ssh(workbench, "root", "-o", "BatchMode=yes").returncode == 255


def test_the_administrators_keys_are_those_of_the_settings_exactly(workbench: Workbench) -> None:
    said = workbench.ssh(
        "cat /var/lib/admin/.ssh/authorized_keys; stat -c %a:%U /var/lib/admin/.ssh/authorized_keys"
    )
    *keys, state = said.stdout.splitlines()
    assert keys == workbench.settings_now.admin_ssh_keys
    assert state == "600:admin"


def test_the_host_shows_the_keys_of_the_volume_and_this_machine_knows_all_of_them(
    workbench: Workbench,
) -> None:
    same = workbench.ssh(
        "cd /etc/ssh && for key in ssh_host_*_key; do cmp $key /srv/workbench/ssh/$key || exit 1; done"
    )
    assert same.returncode == 0
    public = workbench.ssh("cat /etc/ssh/ssh_host_*_key.pub").stdout.splitlines()
    known = stacks.known_hosts(workbench.outputs).read_text().splitlines()
    address = workbench.outputs.address
    assert sorted(known) == sorted(f"{address} {' '.join(key.split()[:2])}" for key in public)


@needs("ssh-keygen")
def test_keys_of_the_first_boot_give_way_to_those_of_the_volume_and_both_clients_follow(
    workbench: Workbench,
) -> None:
    """What a rebuilt server comes with: other host keys, known here by the first connection."""
    facts = workbench.outputs
    kept = workbench.ssh("cat /srv/workbench/ssh/ssh_host_ed25519_key.pub").stdout.split()[1]
    shown = (
        'ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null | grep -qF "$(cut -d" " -f2 ssh_host_ed25519_key.pub)"'
    )
    renew = "cd /etc/ssh && rm ssh_host_* && ssh-keygen -A > /dev/null && systemctl reload ssh"
    workbench.ssh(f"{renew} && until {shown}; do sleep 0.1; done")  # a reload has only begun when it returns
    path = stacks.known_hosts(facts)
    path.unlink()
    assert kept not in ssh(workbench, "admin").stdout + path.read_text(), "the fresh keys are in use"
    applied = workbench.apply()
    assert applied.status == 0, applied.output
    assert "ssh | Show the data volume's host keys" in applied.changed
    assert ssh(workbench, "admin", "-o", "StrictHostKeyChecking=yes").stdout.strip() == "admin"
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(path))
        client.connect(facts.address, username="admin", key_filename=str(keys.named()), allow_agent=False)
    assert kept in path.read_text()
    assert workbench.apply().changed == []


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An ssh-agent that holds the administrator's key, which no variable names."""
    told = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    for name, value in re.findall(r"(SSH_\w+)=([^;]+);", told):
        monkeypatch.setenv(name, value)
    try:
        subprocess.run(["ssh-add", "-q", str(keys.named())], check=True)
        monkeypatch.delenv(keys.KEY_VARIABLE)
        yield
    finally:
        subprocess.run(["ssh-agent", "-k"], capture_output=True, check=True)


@pytest.mark.usefixtures("agent")
@needs("ssh-agent")
def test_a_deploy_that_would_lock_itself_out_is_refused_wherever_its_key_comes_from(
    workbench: Workbench,
) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBFNhyUtPSImEKLShYkgFxvQcZ16K5mnOlE6hLT2nQeK test"
    with workbench.settings(adminSshKeys=[other]) as applied:
        assert applied.refused
        assert "adminSshKeys lacks" in applied.output
        assert "Traceback" not in applied.output
        assert ssh(workbench, "admin").returncode == 0
