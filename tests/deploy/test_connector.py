"""The connector over SSH, the lock of the host, and what a person is told of a deploy."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ruamel.yaml import YAML

from connector import memory, session
from deploy.apt import Packages
from deploy.files import FileState
from deploy.programs import Says
from deploy.units import Unit
from tests.deploy.test_jupyterhub import eventually, visit
from tests.workbench_in_lab import Applied, Workbench
from workbench import stack as stacks
from workbench import stackfile

pytestmark = pytest.mark.lab

PYINFRA = [sys.executable, "-m", "pyinfra", "-y"]
DEPLOY = [*PYINFRA, "deploy/inventory.py", "deploy/main.py"]


def commands_run(workbench: Workbench, since: str) -> list[str]:
    """The commands that sudo wrote to the host's journal."""
    said = workbench.ssh(f"journalctl -q -o cat -t sudo --since '{since}' --no-pager").stdout
    return [line.partition("COMMAND=")[2] for line in said.splitlines() if "COMMAND=" in line]


def now(workbench: Workbench) -> str:
    time.sleep(1)
    return workbench.ssh("date '+%F %T'").stdout.strip()


@contextmanager
def held(workbench: Workbench, who: str) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody else's deploy, as far as the lock goes."""
    command = [*stacks.ssh_command(workbench.outputs), f"sudo sh -c {shlex.quote(session.command())}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(session.source() + f'{{"lock": "{session.LOCK}", "who": "{who}"}}\n'.encode())
        process.stdin.flush()
        assert b"true" in process.stdout.readline()
        yield process
        process.kill()


def test_a_run_that_changes_nothing_asks_the_host_once(workbench: Workbench) -> None:
    assert workbench.apply().status == 0
    since = now(workbench)
    assert workbench.apply().changed == []
    asked = [command for command in commands_run(workbench, since) if "journalctl" not in command]
    # the agent; nothing else of the deploy went through sudo
    assert len([command for command in asked if "/usr/bin/python3 -sSP" in command]) == 1, asked
    assert len(asked) <= 3, asked


def test_the_command_connects_once_where_nothing_changes(workbench: Workbench) -> None:
    assert workbench.apply().status == 0
    since = now(workbench)
    assert "none of " in workbench.command("deploy").stdout
    said = workbench.ssh(f"journalctl -q -o cat -t sshd-session --since '{since}' --no-pager").stdout
    # the one that asked for the time, the deploy's, and this one
    assert len([line for line in said.splitlines() if line.startswith("Accepted publickey")]) <= 3, said


def test_what_is_read_together_is_what_each_says_alone(workbench: Workbench) -> None:
    assert workbench.apply().status == 0
    path = stacks.facts_memory(workbench.stack)
    many = [question for question in memory.load(path) if question.parts]
    facts: dict[str, Any] = {
        "path": FileState(),
        "packages": Packages(),
        "unit": Unit(),
        "line": Says(),
    }
    assert len(many) == len(facts)
    for question in many:
        asked = [part.arguments for part in question.parts]
        (fact,) = [fact for argument, fact in facts.items() if argument in asked[0]]
        assert fact.batch(asked) == question.command
        together = fact.split(asked, workbench.ssh(question.command).stdout.splitlines())
        alone = workbench.ssh("; echo ===; ".join(f"( {part.command} )" for part in question.parts)).stdout
        for lines, own in zip(together, alone.split("===\n"), strict=True):
            read = [fact.process(list(text)) for text in (lines, own.splitlines()) if text]
            assert len(read) in {0, 2}
            assert read[:1] == read[1:], question.command


def test_another_deploy_is_refused_and_told_whose_it_meets(workbench: Workbench) -> None:
    with held(workbench, "ada on her laptop") as holder:
        refused = workbench.apply()
        assert refused.status != 0
        assert "Another deploy is at work on this host, by ada on her laptop" in refused.output
        assert "Traceback" not in refused.output
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        assert workbench.apply().status == 0


def test_a_deploy_that_is_killed_leaves_no_lock(workbench: Workbench) -> None:
    workbench.ssh("rm /usr/local/share/workbench/site/icon.svg")  # something to do, near the end
    with subprocess.Popen(DEPLOY, cwd=stacks.ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "Beginning operation run" in line:
                break
        os.kill(process.pid, signal.SIGKILL)
    applied = workbench.apply()
    assert applied.status == 0, applied.output
    assert workbench.ssh("cat /usr/local/share/workbench/site/icon.svg").stdout


def test_both_connectors_leave_the_same_behind(workbench: Workbench) -> None:
    def ends(connector: str) -> tuple[list[list[str]], str]:
        workbench.ssh("rm -rf /run/connector-test; mkdir -m 755 /run/connector-test")
        changes = []
        for hand in ("one", "one", "two"):
            workbench.ssh(f"echo {hand} > /run/connector-test/hand")
            command = [*PYINFRA, "bench/inventory.py", "tests/deploy/connector_facts.py"]
            done = subprocess.run(
                command,
                cwd=stacks.ROOT,
                env={**os.environ, "WORKBENCH_BENCH_CONNECTOR": connector},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            changes.append(Applied(0, done.stdout + done.stderr).changed)
        return changes, workbench.ssh("cd /run/connector-test && tail -n +1 *").stdout

    stock, ours = ends("ssh"), ends("workbench")
    assert ours == stock
    assert ours[0][1:] == [[], ["What somebody wrote by hand", "What an operation before wrote"]]
    assert '["ada"' in ours[1]


def test_a_server_that_shows_another_host_key_is_refused(workbench: Workbench) -> None:
    known = stacks.known_hosts(workbench.outputs)
    before = known.read_text()
    other = "AAAAC3NzaC1lZDI1NTE5AAAAIBFNhyUtPSImEKLShYkgFxvQcZ16K5mnOlE6hLT2nQeK"
    known.write_text(f"{workbench.outputs.address} ssh-ed25519 {other}\n")
    try:
        refused = workbench.apply()
        assert refused.status != 0
        assert "Host key" in refused.output
        assert known.read_text().count("\n") == 1, "nothing was learnt"
        assert workbench.ssh("true", check=False).returncode == 255
    finally:
        known.write_text(before)


def test_a_dry_run_tells_what_would_change_without_a_secret_and_changes_nothing(
    workbench: Workbench,
) -> None:
    path = stackfile.path_of(workbench.stack)
    before = path.read_text()
    secret = "$2b$12$" + "abcdefghijklmnopqrstuu" + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcde"
    users = YAML(typ="safe").load(before)["config"]["workbench:users"]
    try:
        stackfile.set_value(path, "users", [*users, {"name": "mary", "passwordHash": secret}])
        said = workbench.command("deploy", "--dry-run").stdout
    finally:
        path.write_text(before)
    assert "would change: users | /etc/workbench/users.json" in said
    assert "would change: users | Accounts as declared\n    mary: make the account (uid " in said
    assert "restart" not in said, "another user restarts nothing"
    assert "rstudio | " not in said, "it is off, and nothing of it runs"
    assert "nothing was changed" in said
    assert secret not in said + (stacks.ROOT / ".workbench" / workbench.stack / "configure.log").read_text()
    assert workbench.ssh("getent passwd mary", check=False).stdout == ""


def test_a_dry_run_tells_whose_account_would_close_and_what_ends_and_fails_where_the_deploy_would(
    workbench: Workbench,
) -> None:
    path = stackfile.path_of(workbench.stack)
    before = path.read_text()
    users = YAML(typ="safe").load(before)["config"]["workbench:users"]

    def change(**grace: object) -> None:
        changed = [user | grace if user["name"] == "grace" else user for user in users]
        stackfile.set_value(path, "users", changed)

    workbench.ssh("systemd-run --quiet --unit=at-work --uid=grace sleep 600")
    try:
        change(removed=True)
        said = workbench.command("deploy", "--dry-run").stdout
        assert "grace: close the account, " in said
        assert "end all that runs (" in said
        assert "move the home into an archive" in said
        change(uid=2999)
        refused = workbench.command("deploy", "--dry-run", check=False)
        assert refused.returncode == 1
        assert "user grace is to have uid 2999, but has" in refused.stderr
        assert "Traceback" not in refused.stderr
    finally:
        path.write_text(before)
        workbench.ssh("systemctl stop at-work")


def test_a_failed_deploy_says_what_failed_where_and_the_next_one_repairs(workbench: Workbench) -> None:
    workbench.ssh(
        "rm /usr/local/share/workbench/site/icon.svg && mkdir /usr/local/share/workbench/site/icon.svg"
    )
    failed = workbench.command("deploy", "--only", "proxy", check=False)
    assert failed.returncode == 1
    name = "proxy | /usr/local/share/workbench/site/icon.svg"
    assert f"`{name}` failed on {workbench.outputs.host_name}:" in failed.stderr
    assert "Is a directory" in failed.stderr or "cannot overwrite directory" in failed.stderr, failed.stderr
    assert "Traceback" not in failed.stderr
    workbench.ssh("rmdir /usr/local/share/workbench/site/icon.svg")
    repaired = workbench.command("deploy", "--only", "proxy").stdout
    assert f"changed: {name}" in repaired
    assert "1 of " in repaired
    unknown = workbench.command("deploy", "--only", "nonsense", check=False)
    assert (
        "nonsense is no service of this workbench; there are apt, uv, base, temporary, storage,"
        in unknown.stderr
    )


def test_a_user_and_another_limit_restart_only_what_they_concern_and_an_open_kernel_goes_on(
    workbench: Workbench,
) -> None:
    def lives() -> dict[str, str]:
        """What systemd calls the present life of each unit; a reload is no new one."""
        names = (
            "ssh caddy systemd-journald workbench-firewall jupyter-ada-singleuser jupyterhub-proxy jupyterhub"
        )
        said = workbench.ssh(f"systemctl show -p Id,InvocationID {names}").stdout
        pairs = [dict(line.split("=", 1) for line in block.splitlines()) for block in said.split("\n\n")]
        return {pair["Id"]: pair["InvocationID"] for pair in pairs}

    users = workbench.declared_users
    with visit(workbench, "ada") as visitor:
        visitor.run_code("kept = 41")
        before = lives()
        with workbench.settings(
            users=[*users, {"name": "mary"}], services={"jupyterhub": {"namedServers": 2}}
        ) as applied:
            assert applied.status == 0, applied.output
            after = lives()
            assert {unit for unit in before if before[unit] != after[unit]} == {"jupyterhub.service"}
            assert workbench.ssh("id -un mary").stdout.strip() == "mary"
            assert eventually(lambda: visitor.run_code("print(kept + 1)")).strip() == "42"
