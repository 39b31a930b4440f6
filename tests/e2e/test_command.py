"""The `workbench` command on a workbench that lives."""

import json
import os
import signal
import socket
import subprocess
import sys

import boto3
import pytest

from cli import statefile
from tests import workbench_in_lab
from tests.workbench_in_lab import STACK, Workbench, run
from workbench import stackfile

pytestmark = pytest.mark.lab


def refused(workbench: Workbench, *arguments: str) -> str:
    """What the command says when it refuses; that it does, in a sentence and without a traceback."""
    done = workbench.command(*arguments, check=False)
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def test_status_is_there_for_programs(workbench: Workbench) -> None:
    report = json.loads(workbench.command("status", "--json").stdout)
    facts = workbench.outputs
    assert (report["stack"], report["url"], report["address"]) == (STACK, facts.url, facts.address)
    assert report["instance"] == {"id": facts.instance_id, "type": facts.instance_type, "state": "running"}
    assert {name: service["state"] for name, service in report["services"].items()} == {
        "jupyterhub": "up",
        "shiny": "up",
        "fail2ban": "up",
        "proxy": "up",
    }
    assert report["disk"]
    assert report["memory"]


def test_status_is_there_for_people(workbench: Workbench) -> None:
    said = workbench.command("status").stdout
    assert workbench.url in said
    assert "jupyterhub" in said


def test_the_exit_status_of_a_remote_command_is_the_commands(workbench: Workbench) -> None:
    command = [sys.executable, "-m", "cli", "ssh", "--stack", STACK, "--"]
    assert run([*command, "echo", "a  b", "$HOME"]).stdout == "a b /var/lib/admin\n", "as ssh has it"
    assert run([*command, "echo 'a  b' | tr a c; exit 7"], check=False).stdout == "c  b\n"
    assert run([*command, "exit", "7"], check=False).returncode == 7


def test_a_second_up_changes_nothing(workbench: Workbench) -> None:
    before = workbench_in_lab.resources()
    started = workbench.ssh("systemctl show -p ActiveEnterTimestamp jupyterhub caddy").stdout
    said = run(["pulumi", "up", "--yes", "--stack", STACK, "--expect-no-changes"]).stdout
    assert "unchanged" in said
    assert workbench_in_lab.resources() == before
    assert workbench.ssh("systemctl show -p ActiveEnterTimestamp jupyterhub caddy").stdout == started


def test_no_secret_is_in_the_state_in_the_clear(workbench: Workbench) -> None:
    exported = run(["pulumi", "stack", "export", "--stack", STACK]).stdout
    for user in workbench.settings_now.users:
        assert user.password_hash is not None
        assert user.password_hash.get_secret_value() not in exported
        assert workbench.password(user.name) not in exported
    logs = workbench_in_lab.ROOT / ".workbench" / STACK / "configure.log"
    assert "$2b$" not in logs.read_text()


def type_of_server(workbench: Workbench) -> str:
    """The instance type, asked of the API itself."""
    found = boto3.client("ec2").describe_instances(InstanceIds=[workbench.outputs.instance_id])
    return str(found["Reservations"][0]["Instances"][0]["InstanceType"])


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        ("huge", "no instance type"),
        pytest.param("t3.micro", "but the enabled services", marks=pytest.mark.long),
        pytest.param("t9.colossal", "which AWS does not offer", marks=pytest.mark.long),
        ("t4g.large", "which is arm64, but the server runs x86_64"),
    ],
)
def test_a_size_that_cannot_be_is_refused_and_nothing_is_changed(
    workbench: Workbench, size: str, sentence: str
) -> None:
    path = stackfile.path_of(STACK)
    before = path.read_text()
    assert sentence in refused(workbench, "up", "--yes", "--size", size)
    assert path.read_text() == before
    assert type_of_server(workbench) == "t3.medium"


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("dataVolumeGib", 2, "can only grow; set workbench:dataVolumeGib to at least"),
        pytest.param(
            *("rootVolumeGib", 10, "can only grow; set workbench:rootVolumeGib to at least 20"),
            marks=pytest.mark.long,
        ),
        pytest.param("zone", "eu-west-1b", "set workbench:zone to eu-west-1a", marks=pytest.mark.long),
        pytest.param(
            "domain", "bench.nowhere.example", "no Route 53 zone for it exists", marks=pytest.mark.long
        ),
    ],
)
def test_settings_that_do_not_fit_what_there_is_are_refused(
    workbench: Workbench, key: str, value: object, sentence: str
) -> None:
    path = stackfile.path_of(STACK)
    before, state = path.read_text(), workbench_in_lab.resources()
    try:
        stackfile.set_value(path, key, value)
        assert sentence in refused(workbench, "up", "--yes")
    finally:
        path.write_text(before)
    assert workbench_in_lab.resources() == state


def test_what_no_rule_allows_is_refused(workbench: Workbench) -> None:
    address = workbench.outputs.address
    for port in (8000, 8081, 8001, 111):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, port), timeout=5)


def test_a_second_run_at_the_same_time_is_refused(workbench: Workbench) -> None:
    first = subprocess.Popen(
        ["pulumi", "refresh", "--yes", "--stack", STACK],
        cwd=workbench_in_lab.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert first.stdout is not None
    state = statefile.folder_of(os.environ["PULUMI_BACKEND_URL"])
    assert state is not None
    while not list((state / f"locks/organization/workbench/{STACK}").glob("*.json")):
        assert first.poll() is None
    first.send_signal(signal.SIGSTOP)  # so that it has the lock for as long as it takes
    try:
        said = refused(workbench, "up", "--yes")
    finally:
        first.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    assert f"process {first.pid}, since" in said
    assert f"`pulumi cancel --stack {STACK}`" in said
