"""A restore that is killed after any of its steps: nothing of either volume is lost, and the next run goes on or back.

AWS is moto in this process, the engine a stand-in (tests/unit/cli/stack_on_moto.py).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import activity, cloud, makers, restore, snapshots, stack, swapping
from cli.disks import Disks
from tests.unit.cli.stack_on_moto import DEAD, STACK, KilledError, World, living, world
from workbench import stack as stacks
from workbench import volumes
from workbench.errors import WorkbenchError

STEPS = range(1, 12)


class Settings:
    """Those that a restore reads."""

    zone = "eu-west-1a"
    data_volume_gib = 10


@pytest.fixture
def aws(ec2: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(stacks, "settings", lambda stack: Settings())
    monkeypatch.setattr(activity, "people", lambda facts: [])
    with world(ec2, tmp_path, monkeypatch) as made:
        yield made


def restored(**more: Any) -> None:
    restore.restore("one", yes=True, **more)


def test_the_restored_volume_takes_the_place_and_the_old_one_is_kept(
    aws: World, capsys: pytest.CaptureFixture[str]
) -> None:
    old, server = aws.up()
    aws.snapshot(old, "one")
    restored()
    (new,) = [one for one, role in aws.roles().items() if role == volumes.DATA]
    assert aws.roles() == {old: volumes.KEPT, new: volumes.DATA}
    assert (aws.holder(new), aws.holder(old), aws.state["data"]) == (server, "", new)
    assert aws.configured == 1
    assert f"Kept: the volume {old}" in capsys.readouterr().out
    named = {
        tag["Key"]: tag["Value"] for tag in aws.ec2.describe_volumes(VolumeIds=[new])["Volumes"][0]["Tags"]
    }
    assert named["Name"] == f"workbench-{STACK}-data"


def killed(aws: World, after: int) -> bool:
    """Whether the restore died after so many of its changes."""
    aws.dies(after)
    try:
        restored()
    except KilledError:
        aws.dies(-1)
        return True
    aws.dies(-1)
    return False


def settled(aws: World, old: str, server: str) -> str:
    """What has to hold when all has ended, one way or the other; the data volume's id."""
    roles = aws.roles()
    (data,) = [one for one, role in roles.items() if role == volumes.DATA]
    assert set(roles.values()) <= {volumes.DATA, volumes.KEPT}
    assert roles[old] == (volumes.DATA if data == old else volumes.KEPT)
    assert aws.holder(data) == server
    assert aws.state["data"] == data
    return data


@pytest.mark.parametrize("after", STEPS)
def test_killed_after_any_step_the_next_up_goes_on_or_back(aws: World, after: int) -> None:
    old, server = aws.up()
    aws.snapshot(old, "one")
    if killed(aws, after):
        assert list(aws.roles().values()).count(volumes.DATA) <= 1
        assert old in aws.roles()
        stack.make(STACK, True, {})
    settled(aws, old, server)


@pytest.mark.parametrize("after", STEPS)
def test_killed_after_any_step_the_next_restore_ends_it(aws: World, after: int) -> None:
    old, server = aws.up()
    aws.snapshot(old, "one")
    if killed(aws, after):
        restored()
    assert settled(aws, old, server) != old
    assert len([role for role in aws.roles().values() if role == volumes.KEPT]) == 1


@pytest.mark.parametrize("stale", ["nothing", "both"])
def test_tags_that_show_late_are_waited_for(aws: World, stale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old, server = aws.up()
    aws.snapshot(old, "one")
    plain_retag, plain, late = Disks.retag, Disks.volumes, []

    def retag(self: Disks, volume_id: str, tags: Any) -> None:
        plain_retag(self, volume_id, tags)
        if tags.get("Role") == volumes.DATA:
            late.extend([stale] * 3)  # answers

    def found(self: Disks, *roles: str) -> list[Any]:
        if roles == (volumes.DATA,) and late:
            return [] if late.pop() == "nothing" else plain(self, volumes.DATA, volumes.KEPT)
        return plain(self, *roles)

    monkeypatch.setattr(Disks, "retag", retag)
    monkeypatch.setattr(Disks, "volumes", found)
    monkeypatch.setattr(cloud, "POLL_SECONDS", 0)
    restored()
    assert "drop" in aws.calls
    assert settled(aws, old, server) != old


def test_tags_that_never_show_are_said(aws: World, monkeypatch: pytest.MonkeyPatch) -> None:
    old, _ = aws.up()
    aws.snapshot(old, "one")
    monkeypatch.setattr(Disks, "retag", lambda *_: None)
    monkeypatch.setattr(cloud, "POLL_SECONDS", 0)
    monkeypatch.setattr(swapping, "KNOWN_SECONDS", 0)
    with pytest.raises(WorkbenchError, match=rf"data volume by its tags is {old}, and not vol-"):
        restored()


def test_a_restore_has_as_many_steps_as_are_tried(aws: World) -> None:
    old, _ = aws.up()
    aws.snapshot(old, "one")
    aws.dies(-1)
    restored()
    assert len(aws.calls) < max(STEPS)
    assert aws.calls[:1] == ["create_volume"]


def test_a_stack_without_a_server_gets_its_volume_back_also_in_another_zone(
    aws: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = aws.volume()
    aws.state["data"] = old
    aws.snapshot(old, "one")
    monkeypatch.setattr(Settings, "zone", "eu-west-1b")
    restored()
    (new,) = aws.disks().volumes(volumes.DATA)
    assert (new.zone, aws.roles()[old], aws.state) == ("eu-west-1b", volumes.KEPT, {})
    assert "`workbench up` makes a server for it" in capsys.readouterr().out
    assert aws.configured == 0


def test_a_stack_of_which_only_a_snapshot_is_left_gets_a_volume_again(aws: World) -> None:
    gone = aws.volume()
    aws.snapshot(gone, "one", volumes.FINAL)
    aws.ec2.delete_volume(VolumeId=gone)
    restored()
    assert list(aws.roles().values()) == [volumes.DATA]


def test_another_machines_restore_is_not_taken_for_a_dead_one(aws: World) -> None:
    old, _ = aws.up()
    snapshot = aws.snapshot(old, "one")
    begun = aws.volume(
        volumes.INCOMING, By="laptop-of-grace 7 2026-01-01T00:00:00+00:00", RestoredFrom=snapshot
    )
    with pytest.raises(
        WorkbenchError,
        match=rf"begun on laptop-of-grace, process 7 .* `workbench restore {snapshot}` goes on",
    ):
        stack.make(STACK, True, {})
    assert aws.roles() == {old: volumes.DATA, begun: volumes.INCOMING}
    restored()
    assert aws.roles() == {old: volumes.KEPT, begun: volumes.DATA}


def test_a_restore_that_lives_in_another_checkout_is_not_taken_for_a_dead_one(aws: World) -> None:
    old, _ = aws.up()
    snapshot = aws.snapshot(old, "one")
    by, said = living()
    begun = aws.volume(volumes.INCOMING, By=by, RestoredFrom=snapshot)
    with pytest.raises(WorkbenchError, match=f"has begun on {said} and not ended"):
        stack.make(STACK, True, {})
    with pytest.raises(WorkbenchError, match=rf"is at work \({said}\); wait"):
        restored()
    assert aws.roles() == {old: volumes.DATA, begun: volumes.INCOMING}


def test_a_dead_restore_that_is_resumed_is_its_new_processs(aws: World) -> None:
    old, _ = aws.up()
    snapshot = aws.snapshot(old, "one")
    begun = aws.volume(volumes.INCOMING, By=DEAD, RestoredFrom=snapshot)
    aws.dies(1)
    with pytest.raises(KilledError):
        restored()
    (one,) = aws.disks().volumes(volumes.INCOMING)
    assert (one.id, one.by) == (begun, makers.this())
    aws.dies(-1)
    aws.ec2.create_tags(Resources=[begun], Tags=[{"Key": "By", "Value": DEAD}])
    stack.make(STACK, True, {})
    assert aws.roles() == {old: volumes.DATA}


def test_a_restore_of_another_snapshot_begins_anew(aws: World) -> None:
    old, _ = aws.up()
    aws.snapshot(old, "one")
    aws.snapshot(old, "two")
    aws.dies(1)
    with pytest.raises(KilledError):
        restore.restore("two", yes=True)
    aws.dies(-1)
    (before,) = aws.disks().volumes(volumes.INCOMING)
    restored()
    assert before.id not in aws.roles()


def test_two_at_once_are_refused(aws: World) -> None:
    old, _ = aws.up()
    aws.snapshot(old, "one")
    with swapping.alone(STACK, "up"):
        for command in (restored, lambda: snapshots.delete_snapshot("one", yes=True)):
            said = rf"Another workbench command is at work on stack prod \(pid {os.getpid()}, `workbench up`\); wait"
            with pytest.raises(WorkbenchError, match=said):
                command()


@pytest.mark.parametrize("noted", ["", "999999999 workbench up", "7 rm -rf", "\x1b[2J"])
def test_a_command_whose_name_is_not_known_yet_is_told_without_it(aws: World, noted: str) -> None:
    with swapping.alone(STACK, "up"):
        (stacks.state_folder(STACK) / "command.lock").write_text(noted)
        with pytest.raises(WorkbenchError, match=r"is at work on stack prod; wait for it to end\.$"):
            restored()
    with swapping.alone(STACK, "resize"):
        said = (stacks.state_folder(STACK) / "command.lock").read_text()
    assert said == f"{os.getpid()} workbench resize"


def test_a_server_that_was_started_meanwhile_keeps_its_volume(
    aws: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, server = aws.up()
    aws.snapshot(old, "one")
    plain = Disks.stop

    def stop(self: Disks, one: Any) -> None:
        plain(self, one)
        aws.ec2.start_instances(InstanceIds=[server])

    monkeypatch.setattr(Disks, "stop", stop)
    with pytest.raises(WorkbenchError, match=rf"{server} was started meanwhile .it is running"):
        restored()
    assert aws.holder(old) == server


def test_going_back_is_refused_where_the_snapshot_is_gone(aws: World) -> None:
    """What is on the incoming volume may be nowhere else."""
    old, _ = aws.up()
    snapshot = aws.snapshot(old, "one")
    killed(aws, 1)
    aws.ec2.delete_snapshot(SnapshotId=snapshot)
    with pytest.raises(WorkbenchError, match="that snapshot is gone"):
        stack.make(STACK, True, {})
    assert volumes.INCOMING in aws.roles().values()
