"""AWS does not do as it should, or two do things at once: one sentence, the data untouched, and the next run repairs.

Each fault is a stand-in (lab/faults.py, lab/attachments.py). Kills are in test_killed.py and test_killed_at_calls.py;
what a configured host does, in tests/deploy/test_faults.py.
"""

import json

import pytest

from tests.life_in_lab import Lab, Stack, content, faults
from tests.standing import SERVER, VOLUME, Standing
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
            stack.impatient("restore", "one", "--yes"),
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
        stack.refused(stack.impatient("restore", "one", "--yes"), "does not let go of it")
        stack.client("ec2").detach_volume(VolumeId=old, Force=True)
        stack.workbench("restore", "one", "--yes")
    after_a_restore(standing, old)
    standing.repaired()


@long
def test_a_detach_that_is_slow_is_waited_for(standing: Standing) -> None:
    stack, old = standing.stack, standing.volume
    snapshot_one(stack)
    with faults(detach_seconds=8):
        stack.workbench("restore", "one", "--yes")
    after_a_restore(standing, old)
    standing.repaired()


@long
def test_an_attach_that_never_comes_to_an_end_is_said_and_the_next_up_goes_on(standing: Standing) -> None:
    stack, old = standing.stack, standing.volume
    snapshot_one(stack)
    with faults(attach_seconds=NEVER):
        stack.refused(
            stack.impatient("restore", "one", "--yes"),
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
        stack.workbench("restore", "one", "--yes")
    after_a_restore(standing, old)
    standing.repaired()


def test_a_volume_that_somebody_detached_is_attached_again_by_the_next_up(standing: Standing) -> None:
    """By AWS's console, or by an end of a detach that had been given up."""
    standing.stack.client("ec2").detach_volume(VolumeId=standing.volume)
    said = standing.repaired()
    assert f"The data volume {standing.volume} is attached to no server: it is attached again." in said


@pytest.mark.parametrize("calls", [30, *(pytest.param(calls, marks=long) for calls in (0, 8, 60, 90))])
def test_an_up_whose_credentials_expire_half_way_is_ended_by_the_next(bare_lab: Lab, calls: int) -> None:
    with bare_lab.stack() as stack:
        with faults(expires_after=calls):
            stack.refused(stack.begin("workbench", "up", "--yes"), EXPIRED)
        standing = Standing(stack)
        standing.repaired()


@long
@pytest.mark.parametrize(
    ("calls", "verb"),
    [
        (2, ("resize", "m6i.large")),
        (22, ("resize", "m6i.large")),
        (9, ("restore", "one")),
        (14, ("restore", "one")),
        (25, ("restore", "one")),
        (12, ("destroy",)),
        (30, ("destroy",)),
        (25, ("destroy", "--data", "snapshot")),
        (2, ("stop",)),
        (0, ("snapshot",)),
    ],
)
def test_credentials_that_expire_in_the_middle_of_a_verb(
    bare_lab: Lab, calls: int, verb: tuple[str, ...]
) -> None:
    with bare_lab.stack() as stack:
        standing = Standing(stack)
        if verb[0] == "restore":
            snapshot_one(stack)
        command = [*verb, *(() if verb[0] == "snapshot" else ("--yes",))]
        with faults(expires_after=calls):
            stack.refused(stack.begin("workbench", *command), EXPIRED)
        if verb[0] == "restore":
            stack.workbench("up", "--yes")
            for kept in stack.client("ec2").describe_volumes(
                Filters=[{"Name": "tag:Role", "Values": [volumes.KEPT]}]
            )["Volumes"]:
                stack.workbench("delete-snapshot", kept["VolumeId"], "--yes")
        standing.repaired()


@long
def test_a_snapshot_that_fails_says_why_and_the_volume_stays(standing: Standing) -> None:
    stack = standing.stack
    with faults(snapshot_error="Given key ID is not accessible"):
        stack.refused(
            stack.begin("workbench", "snapshot", "--name", "one"),
            "AWS could not make the snapshot one",
            "(Given key ID is not accessible); nothing else was changed.",
        )
        stack.refused(stack.begin("workbench", "restore", "one", "--yes"), "choose another.")
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


@long
def test_without_capacity_nothing_is_made_twice_and_the_next_run_ends_it(bare_lab: Lab) -> None:
    with bare_lab.stack() as stack:
        with faults(without_capacity=["t3.medium"]):
            stack.refused(stack.begin("workbench", "up", "--yes"), "InsufficientInstanceCapacity")
        Standing(stack).repaired()


def test_of_two_commands_at_once_the_second_is_refused_and_the_first_ends_well(standing: Standing) -> None:
    stack = standing.stack
    with faults(hold={"StopInstances": "before"}) as held:
        first = stack.begin("workbench", "stop", "--yes")
        held(first)
        for second in (("up", "--yes"), ("restore", "one", "--yes"), ("destroy", "--yes"), ("start",)):
            stack.refused(
                stack.begin("workbench", *second),
                f"Another command is at the volumes of stack {stack.name} already; wait for it to end.",
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
        for second in (("up", "--yes"), ("destroy", "--yes"), ("restore", "one", "--yes")):
            stack.refused(stack.begin("workbench", *second), "is locked by another run")
    assert first.end() == 0, first.output
    standing.repaired()


@long
def test_a_state_that_is_lost_is_taken_back_with_the_data(bare_lab: Lab) -> None:
    with bare_lab.stack() as stack:
        made = Standing(stack)
        tags = stack.client("ec2").describe_volumes(VolumeIds=[made.volume])["Volumes"][0]["Tags"]
        (stack_id,) = [tag["Value"] for tag in tags if tag["Key"] == "StackId"]
        made.stack = stack.elsewhere()
        made.stack.refused(
            made.stack.begin("workbench", "up", "--yes"), f"{stack_id}: ", "Nothing was changed"
        )
        (server,) = stack.in_account()[SERVER]
        made.stack.workbench("up", "--yes", "--adopt", stack_id)
        # A key pair cannot be taken back: another is made, and the one of before goes by its name.
        left = (
            stack.in_account()["aws:ec2/keyPair:KeyPair"] - made.stack.in_state()["aws:ec2/keyPair:KeyPair"]
        )
        for key in left:
            made.stack.workbench("doctor", "--remove", key, "--yes")
        made.repaired()
        assert made.server()["InstanceId"] == server
