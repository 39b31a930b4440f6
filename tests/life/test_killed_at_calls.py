"""Every verb, dead by kill -9 of its whole group at a call of AWS: before it is done, or after, and never told.

The lab has the call stand still meanwhile (lab/faults.py, a stand-in), so that nothing of it is a matter of luck. What
is on the data volume is compared byte by byte. Of a configured host's files tests/deploy/test_faults.py has the same.
"""

import json

import pytest

from tests.life_in_lab import content
from tests.standing import SERVER, VOLUME, Standing, write_work
from workbench import volumes

pytestmark = pytest.mark.lab

long = pytest.mark.long
BEFORE, AFTER = "before", "after"


def also(action: str, when: str) -> object:
    """One that only `make test-long` runs."""
    return pytest.param(action, when, marks=long)


@long
@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_a_stop_that_was_killed(standing: Standing, when: str) -> None:
    standing.stack.killed_at("StopInstances", when, "stop", "--yes")
    assert standing.state in ("stopped", "stopping")
    standing.stack.workbench("start")
    standing.repaired()


@long
@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_a_start_that_was_killed(standing: Standing, when: str) -> None:
    standing.stack.workbench("stop", "--yes")
    standing.stack.killed_at("StartInstances", when, "start")
    standing.repaired()


@long
@pytest.mark.parametrize(
    ("action", "when"),
    [
        ("StopInstances", AFTER),
        ("ModifyInstanceAttribute", AFTER),
        ("StartInstances", BEFORE),
        ("StartInstances", AFTER),
    ],
)
def test_a_resize_that_was_killed(standing: Standing, action: str, when: str) -> None:
    size, server = standing.other_size(), standing.server()["InstanceId"]
    standing.stack.killed_at(action, when, "resize", size, "--yes")
    standing.repaired()
    assert (standing.server()["InstanceId"], standing.server()["InstanceType"]) == (server, size)


@long
@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_a_snapshot_that_was_killed(standing: Standing, when: str) -> None:
    stack, name = standing.stack, f"killed-{when}"
    stack.killed_at("CreateSnapshot", when, "snapshot", "--name", name)
    again = stack.begin("workbench", "snapshot", "--name", name)
    if again.end():  # it was made all the same
        stack.refused(again, f"has a snapshot named {name} already; choose another name.")
    found = json.loads(stack.workbench("snapshots", "--json"))["snapshots"]
    assert [one["state"] for one in found if one["name"] == name] == ["completed"]
    stack.workbench("delete-snapshot", name, "--yes")
    standing.repaired()


@pytest.mark.parametrize(
    ("action", "when"),
    [
        also("CreateVolume", AFTER),
        also("StopInstances", AFTER),
        also("DetachVolume", AFTER),
        also("AttachVolume", BEFORE),
        also("AttachVolume", AFTER),
        ("CreateTags", AFTER),
    ],
)
def test_a_restore_that_was_killed(standing: Standing, action: str, when: str) -> None:
    stack, old = standing.stack, standing.volume
    stack.workbench("snapshot", "--name", "one")
    stack.killed_at(action, when, "restore", "one", "--force", "--yes")
    assert content(old) == standing.work
    stack.workbench("up", "--yes")
    found = stack.client("ec2").describe_volumes(
        Filters=[{"Name": "tag:Role", "Values": [volumes.INCOMING, volumes.KEPT]}]
    )
    for kept in found["Volumes"]:
        assert content(kept["VolumeId"]) == standing.work
        stack.workbench("delete-snapshot", kept["VolumeId"], "--yes")
    stack.workbench("delete-snapshot", "one", "--yes")
    standing.repaired()


@long
@pytest.mark.parametrize(
    ("action", "when"),
    [
        ("StopInstances", AFTER),
        ("DetachVolume", AFTER),
        ("TerminateInstances", AFTER),
        ("DeleteVpc", BEFORE),
    ],
)
def test_a_destroy_that_was_killed(standing: Standing, action: str, when: str) -> None:
    volume = standing.volume
    standing.stack.killed_at(action, when, "destroy", "--yes")
    assert content(volume) == standing.work
    standing.repaired()
    assert standing.volume == volume


@pytest.mark.parametrize(
    ("action", "when"),
    [
        also("CreateSnapshot", AFTER),
        ("DeleteVolume", BEFORE),
        also("DeleteVolume", AFTER),
    ],
)
def test_a_destroy_with_a_last_snapshot_that_was_killed(standing: Standing, action: str, when: str) -> None:
    """The data are in the last snapshot whichever moment it was, and come back from there."""
    stack, volume = standing.stack, standing.volume
    stack.killed_at(action, when, "destroy", "--data", "snapshot", "--yes")
    if action != "DeleteVolume":
        assert content(volume) == standing.work
    stack.workbench("destroy", "--data", "snapshot", "--yes")
    assert VOLUME not in stack.in_account()
    stack.refused(stack.begin("workbench", "up", "--yes"), "makes the data volume of it again")
    found = json.loads(stack.workbench("snapshots", "--json"))["snapshots"]
    stack.workbench("restore", found[-1]["id"], "--force", "--yes")
    standing.repaired()
    for one in found:
        stack.workbench("delete-snapshot", one["id"], "--yes")


@long
@pytest.mark.parametrize(
    ("action", "when"), [("DeleteVolume", BEFORE), ("DeleteVolume", AFTER), ("DeleteSnapshot", BEFORE)]
)
def test_a_deletion_of_the_data_that_was_killed(standing: Standing, action: str, when: str) -> None:
    """What was to go goes with the next run, and nothing else: the stack begins anew."""
    stack, deletion = standing.stack, ("delete-data", "--stack-name", standing.stack.name)
    stack.workbench("snapshot", "--name", "one")
    stack.refused(stack.begin("workbench", *deletion), "end it first with `workbench destroy`")
    stack.workbench("destroy", "--yes")
    stack.killed_at(action, when, *deletion)
    assert SERVER not in stack.in_account()
    stack.workbench(*deletion)
    assert stack.in_account() == {}
    assert "has no data" in stack.workbench(*deletion, check=False)
    stack.workbench("up", "--yes")
    write_work(standing.volume)
    standing.work = content(standing.volume)
    standing.repaired()
