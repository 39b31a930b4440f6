"""Whose a lock is, and what becomes of one that a dead run left. The processes are real ones."""

import json
import os
import socket
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import boto3
import psutil
import pytest
from moto import mock_aws

from cli import locks
from cli.locks import Holder
from workbench.errors import WorkbenchError

HERE = socket.gethostname()
# What the CLI 3.260 said of the lock of a run that was killed.
SAID = """\
error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock \
file with `pulumi cancel`.
  file:///srv/state/.pulumi/locks/organization/tiny/dev/d3ca9758-150e-4280-9baf-6fc82adc3096.json?no_tmp_dir=true: \
created by root@vm (pid 12561) at 2026-11-27T13:11:20Z
"""
IN_S3 = """\
error: the stack is currently locked by 2 lock(s). Either wait for the other process(es) to end or delete the lock \
file with `pulumi cancel`.
  s3://state?region=us-west-2&awssdk=v2/.pulumi/locks/organization/cd/prod/ec3a.json: created by \
root@ip-10-0-42-235.us-west-2.compute.internal (pid 478) at 2024-05-16T20:31:35Z
  s3://state?region=us-west-2&awssdk=v2/.pulumi/locks/organization/cd/prod/77ab.json: created by \
ada lovelace@laptop (pid 12) at 2024-05-16T22:31:35+02:00
"""


def holder(pid: int, since: datetime | None = None, host: str = HERE) -> Holder:
    return Holder("ada", host, pid, since or datetime.now(UTC))


@pytest.fixture
def dead() -> int:
    """The number of a process that is no more."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def test_who_holds_it_is_read_from_what_the_cli_says() -> None:
    assert locks.holders(SAID) == [
        Holder("root", "vm", 12561, datetime(2026, 11, 27, 13, 11, 20, tzinfo=UTC))
    ]
    first, second = locks.holders(IN_S3)
    assert first.host == "ip-10-0-42-235.us-west-2.compute.internal"
    assert (second.user, second.host) == ("ada lovelace", "laptop")
    assert first.since == second.since


def test_another_failure_has_no_holder() -> None:
    assert locks.holders("error: failed to load checkpoint: EOF\n") == []


@pytest.mark.parametrize(
    "said",
    [
        f"error: an AWS text: created by eve@{HERE} (pid 999999) at 2020-01-01T00:00:00Z\n",
        f"  eve's tag: created by eve@{HERE} (pid 999999) at 2020-01-01T00:00:00Z\nerror: update failed\n",
        "error: created by me at first, created by a@b (pid 1) at noon\n",
    ],
)
def test_what_somebody_else_had_printed_is_no_lock(said: str) -> None:
    assert locks.holders(said) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"pid": 1}',
        '{"pid": -1, "username": "e", "hostname": "h", "timestamp": "2026-01-01T00:00:00Z"}',
        '{"pid": 1, "username": "e", "hostname": "h", "timestamp": "noon"}',
        '{"pid": 1, "username": "e", "hostname": "h", "timestamp": "2026-01-01T00:00:00"}',
    ],
)
def test_a_lock_file_that_pulumi_did_not_write_is_one_sentence(text: str) -> None:
    with pytest.raises(WorkbenchError, match="none that Pulumi writes"):
        locks._noted(text)


def test_a_terminal_obeys_nothing_in_a_holders_name() -> None:
    told = {
        "pid": 1,
        "username": "\x1b]0;e\x07[/red]\n",
        "hostname": "h\x1b[2J",
        "timestamp": "2026-01-01T00:00:00Z",
    }
    assert str(locks._noted(json.dumps(told))).startswith("]0;e[/red]@h[2J, process 1, ")


def test_a_living_process_that_proc_hides_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """As another user's is where /proc is mounted with hidepid; what hides it here stands in for that."""

    def hidden(pid: int) -> psutil.Process:
        raise psutil.NoSuchProcess(pid)

    monkeypatch.setattr(psutil, "Process", hidden)
    assert not holder(os.getpid()).is_dead()


def test_a_number_that_no_process_can_have_is_not_judged() -> None:
    assert not holder(10**30).is_dead()


def test_a_process_that_is_no_more_is_dead_and_one_that_runs_is_not(dead: int) -> None:
    assert holder(dead).is_dead()
    assert not holder(os.getpid()).is_dead()


def test_a_number_that_another_process_has_by_now_is_dead() -> None:
    assert holder(os.getpid(), datetime(2020, 1, 1, tzinfo=UTC)).is_dead()


def test_what_nobody_has_fetched_the_end_of_is_dead() -> None:
    with subprocess.Popen(["true"]) as process:
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)
        assert holder(process.pid).is_dead()


@pytest.mark.parametrize("host", ["another.example.org", "localhost"])
def test_of_another_machine_nothing_is_known(dead: int, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if host == "localhost":  # which many machines call themselves
        monkeypatch.setattr(socket, "gethostname", lambda: "localhost")
    assert not holder(dead, host=host).is_dead()


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a stand-in for `pulumi`, with a backend of files, notes what it was asked."""
    command = tmp_path / "bin" / "pulumi"
    command.parent.mkdir()
    backend = f'{{"user": "ada", "url": "file://{tmp_path}/states"}}'
    command.write_text(
        f'#!/bin/sh\nif [ "$1" = whoami ]; then echo \'{backend}\'; else echo "$@" >> {tmp_path}/asked; fi\n'
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "Pulumi.yaml").write_text("name: workbench\n")
    monkeypatch.setattr("workbench.stack.ROOT", tmp_path)
    return tmp_path / "asked"


def put_lock(folder: Path, pid: int) -> None:
    """A lock as the CLI 3.260 writes it in a backend of files."""
    path = folder / "states/.pulumi/locks/organization/workbench/prod/d3ca9758.json"
    path.parent.mkdir(parents=True)
    lock = {
        "pid": pid,
        "username": "ada",
        "hostname": socket.gethostname(),
        "timestamp": "2026-11-27T12:00:00Z",
    }
    path.write_text(json.dumps(lock))


def test_a_dead_runs_lock_is_removed(dead: int, asked: Path) -> None:
    put_lock(asked.parent, dead)
    locks.clear("prod", [holder(dead)])
    assert asked.read_text().split() == ["cancel", "--yes", "--non-interactive", "--stack", "prod"]


@pytest.mark.parametrize("backend", ["file://~", "file://./states", "file://~/states"])
def test_a_dead_runs_lock_is_found_wherever_its_files_are(
    dead: int, asked: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `pulumi login --local`, the README's way, and a folder's name have it; what whoami then says is the same."""
    home = asked.parent / "states" if backend == "file://~" else asked.parent
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir("/")
    command = asked.parent / "bin" / "pulumi"
    command.write_text(command.read_text().replace(f"file://{asked.parent}/states", backend))
    put_lock(asked.parent, dead)
    assert locks.of("prod") == [holder(dead, datetime(2026, 11, 27, 12, tzinfo=UTC))]
    locks.clear("prod", [holder(dead)])
    assert asked.exists()


def test_a_lock_in_s3_is_read_as_whom_the_backends_address_names(
    asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 is moto in this process; the environment names nobody, the address a profile and a region."""
    backend = "s3://states/ours?region=eu-central-1&awssdk=v2&profile=keeper"
    command = asked.parent / "bin" / "pulumi"
    command.write_text(command.read_text().replace(f"file://{asked.parent}/states", backend))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    credentials = asked.parent / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    lock = {"pid": 7, "username": "ada", "hostname": "laptop", "timestamp": "2026-11-27T12:00:00.123456789Z"}
    with mock_aws(config={"core": {"mock_credentials": False}}):
        with pytest.raises(WorkbenchError, match="keeper"):
            locks.of("prod")
        credentials.write_text("[keeper]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
        s3 = boto3.Session(profile_name="keeper").client("s3", region_name="eu-central-1")
        s3.create_bucket(Bucket="states", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        key = "ours/.pulumi/locks/organization/workbench/prod/d3ca.json"
        s3.put_object(Bucket="states", Key=key, Body=json.dumps(lock))
        found = locks.of("prod")
    assert found is not None
    assert [(one.host, one.pid) for one in found] == [("laptop", 7)]


def test_the_lock_of_a_run_that_was_quicker_stays(dead: int, asked: Path) -> None:
    put_lock(asked.parent, os.getpid())
    locks.clear("prod", [holder(dead)])
    assert not asked.exists()


def test_where_one_of_two_holders_lives_nothing_is_removed(dead: int, asked: Path) -> None:
    with pytest.raises(
        WorkbenchError, match=rf"locked by another run \(ada@.*process {os.getpid()}, since 20"
    ):
        locks.clear("prod", [holder(dead), holder(os.getpid())])
    assert not asked.exists()
