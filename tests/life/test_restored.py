"""Restores and last snapshots of the real engine's stacks, killed (kill -9 of the whole group) and brought to an end.

Nothing is configured, so that no server says who is at work (hence --force): what is on the volumes is
tests/e2e/test_snapshots.py's. Here they are counted.
"""

import json
from typing import Any

import pytest

from tests.life_in_lab import Lab, Stack
from workbench import stackfile, volumes
from workbench.stackfile import path_of

pytestmark = pytest.mark.lab

long = pytest.mark.long  # all: each step in short is tests/unit/cli/test_swapping.py's
BEFORE = [  # the state forgets the old volume: until then the program refuses to run by itself
    "A volume of the snapshot one done",
    "Stop the server",
    "Put the restored volume in the data volume's place ...",
    "Put the restored volume in the data volume's place done",
]
AFTER = "Make it so"  # it may run
LOCKED = "Volume data taken over"  # the dead engine's lock is in its way, which our own command clears


def roles(stack: Stack) -> dict[str, str]:
    """All volumes that are the stack's data, by their role."""
    found: list[dict[str, Any]] = stack.client("ec2").describe_volumes()["Volumes"]
    tags = {one["VolumeId"]: {tag["Key"]: tag["Value"] for tag in one.get("Tags", ())} for one in found}
    return {one: told["Role"] for one, told in tags.items() if told.get("Role", "root") != "root"}


def made(stack: Stack) -> str:
    """A stack that is up and has one snapshot, named one; its data volume."""
    stack.workbench("up", "--yes")
    stack.workbench("snapshot", "--name", "one")
    (volume,) = roles(stack)
    return volume


def ended(stack: Stack, old: str) -> str:
    """What has to hold in the end; the data volume's id."""
    told = roles(stack)
    (data,) = [one for one, role in told.items() if role == volumes.DATA]
    assert set(told) == {old, data}
    assert told[old] in (volumes.DATA, volumes.KEPT)
    assert stack.in_state()["aws:ebs/volume:Volume"] == {data}
    described = stack.client("ec2").describe_volumes(VolumeIds=[data])["Volumes"][0]
    assert [one["Device"] for one in described["Attachments"]] == [volumes.DEVICE]
    assert "By" not in [tag["Key"] for tag in described["Tags"]], (
        "the program has taken it over, tags and all"
    )
    return data


@long
@pytest.mark.parametrize("moment", [*BEFORE, AFTER, LOCKED])
def test_a_restore_that_was_killed_goes_on_or_back_with_the_next_up(bare_lab: Lab, moment: str) -> None:
    with bare_lab.stack() as stack:
        old = made(stack)
        run = stack.begin("workbench", "restore", "one", "--force", "--yes")
        run.until(moment)
        run.kill()
        refused = stack.pulumi("up", "--yes", "--skip-preview", check=False)
        assert "Traceback" not in refused
        assert ("A restore of stack bare has begun and not ended" in refused) == (moment in BEFORE)
        assert ("currently locked" in refused) == (moment == LOCKED)
        if moment == AFTER:
            assert ended(stack, old) != old
        stack.workbench("up", "--yes")
        assert moment in BEFORE or ended(stack, old) != old
        ended(stack, old)
        found = stack.client("ec2").describe_instances()["Reservations"]
        states = [server["State"]["Name"] for reservation in found for server in reservation["Instances"]]
        assert [state for state in states if state != "terminated"] == ["running"]


@long
def test_a_restore_that_was_killed_is_ended_by_the_same_restore(bare_lab: Lab) -> None:
    with bare_lab.stack() as stack:
        old = made(stack)
        run = stack.begin("workbench", "restore", "one", "--force", "--yes")
        run.until("Stop the server")
        run.kill()
        stack.workbench("restore", "one", "--force", "--yes")
        assert ended(stack, old) != old
        stack.workbench("delete-snapshot", old, "--yes")
        assert stack.in_account() == stack.in_state()
        assert "is well" in stack.workbench("doctor", check=False)


@long
def test_a_stack_moves_to_another_zone_by_a_snapshot(bare_lab: Lab) -> None:
    with bare_lab.stack() as stack:
        old = made(stack)
        stackfile.set_value(path_of(stack.name), "zone", "eu-west-1b")
        assert "`workbench destroy` first" in stack.workbench(
            "restore", "one", "--force", "--yes", check=False
        )
        stack.workbench("destroy", "--yes")
        assert "set workbench:zone to eu-west-1a" in stack.workbench("up", "--yes", check=False)
        stack.workbench("restore", "one", "--force", "--yes")
        stack.workbench("up", "--yes")
        data = ended(stack, old)
        assert data != old
        told = stack.client("ec2").describe_volumes(VolumeIds=[data])["Volumes"][0]
        assert told["AvailabilityZone"] == "eu-west-1b"


@long
@pytest.mark.parametrize("moment", ["A last snapshot of", "Delete the volume"])
def test_a_destroy_with_a_last_snapshot_that_was_killed_is_ended_by_the_next(
    bare_lab: Lab, moment: str
) -> None:
    with bare_lab.stack() as stack:
        old = made(stack)
        run = stack.begin("workbench", "destroy", "--data", "snapshot", "--yes")
        run.until(moment)
        run.kill()
        stack.workbench("destroy", "--data", "snapshot", "--yes")
        assert roles(stack) == {}
        assert old not in stack.in_account().get("aws:ebs/volume:Volume", ())
        told = json.loads(stack.workbench("snapshots", "--json"))["snapshots"]
        final = [one for one in told if one["made"] == "final"]
        assert {one["state"] for one in final} == {"completed"}
        assert "Nothing brings it back" in stack.workbench("delete-data", "--help")
        assert "is not the name of the stack" in stack.workbench(
            "delete-data", "--stack-name", "x", check=False
        )
        stack.workbench("delete-data", "--stack-name", stack.name)
        assert stack.in_account() == {}
