"""AWS does not do as it should, or two do things at once: one sentence, the data untouched, and the next run repairs.

Each fault is a stand-in (lab/faults.py, lab/attachments.py). Kills are in test_killed.py and test_killed_at_calls.py;
what a configured host does, in tests/deploy/test_faults.py.
"""

import json

import pytest

from tests.life_in_lab import Stack, content, faults
from tests.standing import VOLUME, Standing
from workbench import volumes

pytestmark = pytest.mark.lab

long = pytest.mark.long
EXPIRED = "Your AWS credentials have expired: renew them"
NEVER = "never"


def snapshot_one(stack: Stack) -> None:
    stack.workbench("snapshot", "--name", "one")


def after_a_restore(standing: Standing, old: str) -> None:
    """The restored volume has its place, and the one of before is kept; both have the work, and both ways are gone."""
    stack = standing.stack
    assert standing.volume != old
    assert content(old) == standing.work
    stack.workbench("delete-snapshot", old, "--yes")
    stack.workbench("delete-snapshot", "one", "--yes")


def test_a_detach_that_hangs_is_said_and_the_next_up_goes_back(standing: Standing) -> None:
    stack, old = standing.stack, standing.volume
    snapshot_one(stack)
    with faults(detach_seconds=NEVER):
        server = standing.server()["InstanceId"]
        said = stack.refused(
            stack.impatient("restore", "one", "--force", "--yes"),
            f"The volume {old} is detaching, and not available as it should be",
            f"the server {server} does not let go of it; `aws ec2 detach-volume --force --volume-id {old}`",
        )
        assert "goes on" in said
        stack.refused(stack.impatient("up", "--yes"), f"The volume {old} is detaching")
    standing.repaired()
    assert standing.volume == old
    stack.workbench("delete-snapshot", "one", "--yes")


@long
def test_a_detach_that_hangs_is_ended_as_it_is_said_and_the_restore_goes_on(standing: Standing) -> None:
    stack, old = standing.stack, standing.volume
    snapshot_one(stack)
    with faults(detach_seconds=NEVER):
        stack.refused(stack.impatient("restore", "one", "--force", "--yes"), "does not let go of it")
        stack.client("ec2").detach_volume(VolumeId=old, Force=True)
        stack.workbench("restore", "one", "--force", "--yes")
    after_a_restore(standing, old)
    standing.repaired()


@long
def test_a_detach_that_is_slow_is_waited_for(standing: Standing) -> None:
    stack, old = standing.stack, standing.volume
    snapshot_one(stack)
    with faults(detach_seconds=8):
        stack.workbench("restore", "one", "--force", "--yes")
    after_a_restore(standing, old)
    standing.repaired()


@long
def test_an_attach_that_never_comes_to_an_end_is_said_and_the_next_up_goes_on(standing: Standing) -> None:
    stack, old = standing.stack, standing.volume
    snapshot_one(stack)
    with faults(attach_seconds=NEVER):
        stack.refused(
            stack.impatient("restore", "one", "--force", "--yes"),
            "is attaching, and not attached as it should be",
            "AWS does not get it to the server",
            "takes it back, then the same command tries again",
        )
    stack.workbench("up", "--yes")
    after_a_restore(standing, old)
    standing.repaired()


@long
def test_an_attach_that_is_slow_is_waited_for(standing: Standing) -> None:
    stack, old = standing.stack, standing.volume
    snapshot_one(stack)
    with faults(attach_seconds=8):
        stack.workbench("restore", "one", "--force", "--yes")
    after_a_restore(standing, old)
    standing.repaired()


@long
def test_a_volume_that_somebody_detached_is_attached_again_by_the_next_up(standing: Standing) -> None:
    """By AWS's console, or by an end of a detach that had been given up."""
    standing.stack.client("ec2").detach_volume(VolumeId=standing.volume)
    said = standing.repaired()
    assert f"The data volume {standing.volume} is attached to no server: it is attached again." in said


@long
@pytest.mark.parametrize(
    ("calls", "verb"),
    [
        (22, ("resize", "SIZE")),
        (12, ("restore", "one", "--force")),
        (25, ("restore", "one", "--force")),
        (12, ("destroy",)),
        (30, ("destroy",)),
        (2, ("stop",)),
    ],
)
def test_credentials_that_expire_in_the_middle_of_a_verb(
    standing: Standing, calls: int, verb: tuple[str, ...]
) -> None:
    stack, command = standing.stack, [standing.other_size() if word == "SIZE" else word for word in verb]
    if verb[0] == "restore":
        snapshot_one(stack)
    with faults(expires_after=calls):
        stack.refused(stack.begin("workbench", *command, "--yes"), EXPIRED)
    if verb[0] == "restore":
        stack.workbench("up", "--yes")
        kept = [{"Name": "tag:Role", "Values": [volumes.KEPT]}]
        for one in stack.client("ec2").describe_volumes(Filters=kept)["Volumes"]:
            assert content(one["VolumeId"]) == standing.work
            stack.workbench("delete-snapshot", one["VolumeId"], "--yes")
        stack.workbench("delete-snapshot", "one", "--yes")
    standing.repaired()


@long
@pytest.mark.parametrize("command", [("snapshot",), ("snapshots",), ("cost",), ("doctor",), ("start",)])
def test_credentials_that_have_expired_are_said_by_whatever_asks_aws(
    standing: Standing, command: tuple[str, ...]
) -> None:
    with faults(expires_after=0):
        standing.stack.refused(standing.stack.begin("workbench", *command), EXPIRED)
    standing.in_order()


@long
def test_a_snapshot_that_fails_says_why_and_the_volume_stays(standing: Standing) -> None:
    stack = standing.stack
    with faults(snapshot_error="Given key ID is not accessible"):
        stack.refused(
            stack.begin("workbench", "snapshot", "--name", "one"),
            "AWS could not make the snapshot one",
            "(Given key ID is not accessible); nothing else was changed.",
        )
        stack.refused(stack.begin("workbench", "restore", "one", "--force", "--yes"), "choose another.")
        stack.refused(
            stack.begin("workbench", "destroy", "--data", "snapshot", "--yes"),
            "AWS could not make the snapshot final-",
        )
    (volume,) = stack.in_account()[VOLUME]
    assert content(volume) == standing.work
    found = json.loads(stack.workbench("snapshots", "--json"))["snapshots"]
    assert [one["state"] for one in found] == ["error", "error"]
    for one in found:
        stack.workbench("delete-snapshot", one["id"], "--yes")
    standing.repaired()


@long
def test_without_capacity_a_stopped_server_stays_stopped_and_the_next_run_starts_it(
    standing: Standing,
) -> None:
    stack = standing.stack
    stack.workbench("stop", "--yes")
    with faults(without_capacity=[standing.server()["InstanceType"]]):
        said = "The server {} could not be started: We currently do not have sufficient"
        server = standing.server()["InstanceId"]
        stack.refused(stack.begin("workbench", "start"), said.format(server))
        stack.refused(stack.begin("workbench", "up", "--yes"), said.format(server))
    assert standing.state == "stopped"
    standing.repaired()


def test_of_two_commands_at_once_the_second_is_refused_and_the_first_ends_well(standing: Standing) -> None:
    stack = standing.stack
    with faults(hold={"StopInstances": "before"}) as held:
        first = stack.begin("workbench", "stop", "--yes")
        held(first)
        for second in (
            ("up", "--yes"),
            ("restore", "one", "--force", "--yes"),
            ("destroy", "--yes"),
            ("start",),
        ):
            stack.refused(
                stack.begin("workbench", *second),
                f"Another workbench command is at work on stack {stack.name} (pid {first.process.pid}, "
                "`workbench stop`); wait for it to end.",
            )
    assert first.end() == 0, first.output
    assert standing.state == "stopped"
    standing.repaired()


@long
def test_beside_a_run_of_plain_pulumi_nothing_is_done(standing: Standing) -> None:
    stack = standing.stack
    with faults(hold={"StopInstances": "before"}) as held:
        first = stack.begin("pulumi", "up", "--yes", "--config", f"workbench:size={standing.other_size()}")
        held(first)
        for second in (("up", "--yes"), ("destroy", "--yes"), ("restore", "one", "--force", "--yes")):
            stack.refused(stack.begin("workbench", *second), "is locked by another run")
    assert first.end() == 0, first.output
    standing.repaired()
