"""Throw-away volumes go again, whatever happens; and what a snapshot is like that was made with the filesystem frozen.

AWS is moto in this process, the server a shell script.
"""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import copies, freezing, remote
from cli.copies import Copy
from cli.described import Server
from cli.disks import Disks
from tests.unit.cli.stack_on_moto import World, account, world
from tests.unit.cli.test_doctor import FACTS
from workbench import stack as stacks
from workbench import volumes
from workbench.errors import WorkbenchError


@pytest.fixture(scope="module")
def ec2() -> Iterator[Any]:
    with account() as client:
        yield client


@pytest.fixture
def aws(ec2: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(ec2, tmp_path, monkeypatch) as made:
        yield made


def attach(facts: Any, disks: Disks, server: Server, disk: Any) -> Copy:
    disks.attach(disk.id, server.id, server.free_device())
    return Copy("/dev/copy", "workbench-data", False)


@pytest.mark.parametrize("fails", ["in use", "attaching", "not at all"])
def test_a_copy_goes_again_however_it_ended(aws: World, fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = aws.up()
    aws.snapshot(data, "one")
    disks = aws.disks()
    server, (snapshot,) = disks.server(), disks.snapshots()
    assert server is not None

    def broken(*_: Any) -> Copy:
        raise WorkbenchError("no answer")

    monkeypatch.setattr(copies, "_attach", broken if fails == "attaching" else attach)
    try:
        with copies.attached(FACTS, disks, server, snapshot) as copy:
            (made,) = disks.volumes(volumes.COPY)
            assert (made.server, made.gib, made.snapshot) == (server.id, 10, snapshot.id)
            assert copy.device == "/dev/copy"
            if fails == "in use":
                raise KeyboardInterrupt
    except (KeyboardInterrupt, WorkbenchError):
        pass
    assert aws.roles() == {data: volumes.DATA}


def test_what_a_killed_run_left_goes_and_another_machines_stays(aws: World) -> None:
    data, server = aws.up()
    left = aws.volume(volumes.COPY, By=socket.gethostname())
    aws.ec2.attach_volume(VolumeId=left, InstanceId=server, Device="/dev/sdg")
    copies.clear(aws.disks())
    assert aws.roles() == {data: volumes.DATA}
    theirs = aws.volume(volumes.COPY, By="laptop-of-grace")
    with pytest.raises(WorkbenchError, match=f"{theirs} is there, of a run on laptop-of-grace"):
        copies.clear(aws.disks())
    assert theirs in aws.roles()


def test_a_volume_that_is_no_copy_any_more_is_never_removed(aws: World) -> None:
    data = aws.volume()
    with pytest.raises(WorkbenchError, match="is no throw-away volume by its tags"):
        copies._remove(aws.disks(), data)
    assert data in aws.roles()


def test_the_second_disk_has_a_name_that_is_free(aws: World) -> None:
    _, server = aws.up()
    aws.ec2.attach_volume(VolumeId=aws.volume(), InstanceId=server, Device="/dev/sdg")
    found = aws.disks().server()
    assert found is not None
    assert found.free_device() == "/dev/sdh"


def test_a_server_that_takes_the_connection_and_hangs_is_not_waited_for(
    aws: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = aws.up()
    aws.snapshot(data, "one")
    disks = aws.disks()
    server, (snapshot,) = disks.server(), disks.snapshots()
    assert server is not None
    monkeypatch.setattr(remote, "WORDS_SECONDS", 0.2)
    monkeypatch.setattr(stacks, "ssh_command", lambda facts: ["sh", "-c", "exec sleep 30 # $0"])
    with pytest.raises(WorkbenchError, match="no answer"), copies.attached(FACTS, disks, server, snapshot):
        raise AssertionError("it is attached")
    assert aws.roles() == {data: volumes.DATA}
    with freezing.frozen(FACTS) as freeze:
        pass
    assert "did not freeze its filesystem (no answer)" in freeze.why


# Freezing: what the server says, and what is made of it.

FREEZES = 'echo \'{"frozen": true}\'; read line; echo \'{"seconds": 0.1, "asked": true}\''


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (FREEZES, ""),
        ("echo '{\"frozen\": false}'", ""),
        (
            "echo '{\"frozen\": true}'; echo '{\"asked\": false}'",
            "AWS did not answer within 20 s",
        ),
        ("echo '{\"frozen\": true}'; exit 255", "AWS did not answer"),
        (
            "echo 'sudo: freeze: command not found' >&2; exit 1",
            r"freeze: command not found\)",
        ),
        ("exit 255", r"\(no answer\)"),
    ],
)
def test_a_snapshot_is_frozen_only_if_the_server_says_so_before_and_after(
    script: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "ssh_command", lambda facts: ["sh", "-c", f"{script} # $0"])
    with freezing.frozen(FACTS) as freeze:
        assert not freeze.why, "nobody knows yet"
    assert bool(freeze.why) == bool(why)
    assert re.search(why, freeze.why)


def test_what_fails_while_it_is_frozen_has_it_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = f"echo '{{\"frozen\": true}}'; read line; touch {tmp_path}/thawed # $0"
    monkeypatch.setattr(stacks, "ssh_command", lambda facts: ["sh", "-c", script])
    with pytest.raises(ZeroDivisionError), freezing.frozen(FACTS):
        raise ZeroDivisionError
    assert (tmp_path / "thawed").exists()
