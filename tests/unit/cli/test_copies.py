"""Throw-away volumes go again, whatever happens; and what a snapshot is like that was made with the filesystem frozen.

AWS is moto in this process, the server a shell script.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import copies, remote
from cli import disks as disks_module
from cli.copies import Copy
from cli.described import Server
from cli.disks import Disks
from tests.unit.cli.stack_on_moto import DEAD, World, living, world
from tests.unit.cli.test_doctor import FACTS
from workbench import stack as stacks
from workbench import volumes
from workbench.errors import WorkbenchError


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


def test_a_copy_that_comes_later_than_the_server_waits_for_it_goes_again(
    aws: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = aws.up()
    aws.snapshot(data, "one")
    disks = aws.disks()
    server, (snapshot,) = disks.server(), disks.snapshots()
    assert server is not None
    plain, waited = disks_module.until, []

    def slow(look: Any, tell: Any, wanted: str, what: str, within: Any = None, advice: str = "") -> Any:
        if wanted != "attached":
            return plain(look, tell, wanted, what, within, advice)
        waited.append(within)
        raise WorkbenchError("it is attaching, and not attached as it should be")

    monkeypatch.setattr(disks_module, "until", slow)
    monkeypatch.setattr(stacks, "ssh_command", lambda facts: ["sh", "-c", "echo waiting; exec sleep 60 # $0"])
    with pytest.raises(WorkbenchError, match="is attaching"), copies.attached(FACTS, disks, server, snapshot):
        raise AssertionError("it is not there")
    assert waited == [copies._APPEARS_SECONDS]
    assert aws.roles() == {data: volumes.DATA}


def test_what_a_killed_run_left_goes_and_another_machines_stays(aws: World) -> None:
    data, server = aws.up()
    left = aws.volume(volumes.COPY, By=DEAD)
    aws.ec2.attach_volume(VolumeId=left, InstanceId=server, Device="/dev/sdg")
    copies.clear(aws.disks())
    assert aws.roles() == {data: volumes.DATA}
    for by, said in (("laptop-of-grace 7 2026-01-01T00:00:00+00:00", "laptop-of-grace, process 7"), living()):
        theirs = aws.volume(volumes.COPY, By=by)
        with pytest.raises(WorkbenchError, match=f"{theirs} is there, of a run on {said}"):
            copies.clear(aws.disks())
        assert theirs in aws.roles()
        aws.ec2.delete_volume(VolumeId=theirs)


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
