"""Rebuilds of the real engine's stacks: through, refused by AWS, and killed (kill -9 of the whole group).

Nothing is configured: a rebuild of a configured workbench is tests/e2e/test_rebuild.py's. Debian's newer image is a
stand-in of the lab's (lab/faults.py), which boots the same system for every image.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.paths import Layout
from tests.life_in_lab import HOME, Lab, Stack
from workbench import servers, stackfile, volumes

pytestmark = pytest.mark.lab

long = pytest.mark.long  # all: each step in short is tests/unit/cli/test_rebuilding.py's
NEWER = "20261123-2300"
SCHEDULE = {"stop": "20:00", "days": ["mon"], "timeZone": "Europe/Madrid"}
BESIDE = [  # the server from before is as it was, or still to be put back
    "Make a new server beside the present one ...",
    "Instance server created",
    "Wait until the new server",
    "Stop the former server",
    "Make it so ...",
    "VolumeAttachment data created",
]
AFTER = "End the former server"
ON = ["Wait until the new server", "VolumeAttachment data created", AFTER]


@pytest.fixture
def newer(bare_lab: Lab) -> Iterator[None]:
    """Debian has published another image since the servers of these tests were made."""
    yield
    Layout(HOME).faults.unlink(missing_ok=True)


def publish(**more: Any) -> None:
    Layout(HOME).faults.write_text(json.dumps({"debian": NEWER, **more}))


def living(stack: Stack) -> list[dict[str, Any]]:
    """All servers of the account that are not gone."""
    found = stack.client("ec2").describe_instances()["Reservations"]
    there = [one for reservation in found for one in reservation["Instances"]]
    return [one for one in there if one["State"]["Name"] != "terminated"]


def made(stack: Stack) -> tuple[dict[str, Any], dict[str, set[str]]]:
    """A stack that is up: its server as AWS describes it, and what its state has."""
    stack.workbench("up", "--yes")
    (server,) = living(stack)
    return server, stack.in_state()


def whole(stack: Stack, before: dict[str, set[str]]) -> dict[str, Any]:
    """What has to hold in the end, whichever server it is; that server."""
    (server,) = living(stack)
    tags = {tag["Key"]: tag["Value"] for tag in server["Tags"]}
    assert (server["State"]["Name"], tags["Role"]) == ("running", servers.SERVER)
    assert not {"By", servers.REPLACED_BY} & tags.keys()
    ec2, now = stack.client("ec2"), stack.in_state()
    assert stack.in_account() == now
    for kept in ("aws:ebs/volume:Volume", "aws:ec2/eip:Eip", "aws:ec2/vpc:Vpc"):
        assert now[kept] == before[kept], kept
    assert now["aws:ec2/instance:Instance"] == {server["InstanceId"]}
    (volume,) = now["aws:ebs/volume:Volume"]
    (held,) = ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"]
    assert (held["InstanceId"], held["Device"]) == (server["InstanceId"], volumes.DEVICE)
    (address,) = ec2.describe_addresses()["Addresses"]
    assert address["InstanceId"] == server["InstanceId"]
    return server


def snapshots(stack: Stack) -> list[str]:
    told = json.loads(stack.workbench("snapshots", "--json"))["snapshots"]
    return [f"{one['name'][:8]} {one['made']} {one['state']}" for one in told]


def settled(stack: Stack) -> None:
    """Nothing is left to do, and nobody finds anything to say."""
    assert not {"created", "updated", "replaced", "deleted", "imported"} & set(
        stack.workbench("up", "--yes").split()
    )
    assert f"Stack {stack.name} is well" in stack.workbench("doctor", check=False)


def test_a_rebuild_makes_another_server_of_the_newest_image_with_the_same_volume_and_address(
    bare_lab: Lab, newer: None
) -> None:
    with bare_lab.stack(schedule=SCHEDULE) as stack:
        old, before = made(stack)
        publish()
        said = " ".join(stack.workbench("rebuild", "--yes").split())
        new = whole(stack, before)
        assert new["InstanceId"] != old["InstanceId"]
        assert new["ImageId"] != old["ImageId"]
        assert f"of debian-13-amd64-{NEWER} ({new['ImageId']}), not debian-13-amd64-" in said
        assert snapshots(stack) == ["rebuild- by hand completed"]
        for one in before["aws:scheduler/schedule:Schedule"]:
            group, name = one.split("/")
            told = stack.client("scheduler").get_schedule(GroupName=group, Name=name)["Target"]["Input"]
            assert new["InstanceId"] in told
        settled(stack)
        assert "as the one before. It took" in stack.workbench("rebuild", "--yes")


def test_without_capacity_for_another_server_nobody_notices_anything(bare_lab: Lab, newer: None) -> None:
    with bare_lab.stack() as stack:
        old, before = made(stack)
        publish(without_capacity=["t3.medium"])
        said = " ".join(stack.workbench("rebuild", "--yes", check=False).split())
        assert "We currently do not have sufficient t3.medium capacity" in said
        assert f"The server {old['InstanceId']} runs on as it was; nothing is lost." in said
        assert "Traceback" not in said
        now = whole(stack, before)
        for same in ("InstanceId", "ImageId", "LaunchTime"):
            assert now[same] == old[same]
        publish()
        settled(stack)


def all_others_refuse(stack: Stack) -> None:
    """Plain Pulumi, and our commands but those that settle it."""
    refused = stack.pulumi("up", "--yes", "--skip-preview", check=False)
    assert "Traceback" not in refused
    assert "A rebuild of stack bare has begun and not ended" in refused or "currently locked" in refused
    for command in (["stop", "--yes"], ["start"], ["resize", "m6i.large", "--yes"], ["doctor"]):
        assert "has begun and not ended" in stack.workbench(*command, check=False), command


@long
@pytest.mark.parametrize(
    ("moment", "then"),
    [*((moment, "up") for moment in [*BESIDE, AFTER]), *((moment, "rebuild") for moment in ON)],
)
def test_a_rebuild_that_was_killed_goes_on_or_back(
    bare_lab: Lab, newer: None, moment: str, then: str
) -> None:
    with bare_lab.stack() as stack:
        old, before = made(stack)
        publish()
        run = stack.begin("workbench", "rebuild", "--yes")
        run.until(moment)
        run.kill()
        if moment != AFTER:  # by then the former one may be gone
            all_others_refuse(stack)
        stack.workbench(then, "--yes")
        now = whole(stack, before)
        forward = then == "rebuild" or moment == AFTER
        assert (now["InstanceId"] != old["InstanceId"]) == forward
        settled(stack)


@long
def test_a_destroy_in_the_middle_of_a_dead_rebuild_leaves_no_server(bare_lab: Lab, newer: None) -> None:
    with bare_lab.stack() as stack:
        _, before = made(stack)
        publish()
        run = stack.begin("workbench", "rebuild", "--yes")
        run.until("Make it so ...")
        run.kill()
        said = " ".join(stack.workbench("destroy", "--yes").split())
        assert "former server of a rebuild that has not ended" in said
        assert living(stack) == []
        assert stack.in_account() == {"aws:ebs/volume:Volume": before["aws:ebs/volume:Volume"]}
        stack.workbench("up", "--yes")
        assert stack.in_state()["aws:ebs/volume:Volume"] == before["aws:ebs/volume:Volume"]


@long
def test_settings_that_changed_come_with_a_rebuild_and_those_that_cannot_be_are_refused_before(
    bare_lab: Lab, newer: None
) -> None:
    with bare_lab.stack() as stack:
        old, before = made(stack)
        path = stackfile.path_of(stack.name)
        stackfile.set_value(path, "size", "t9.colossal")
        assert "which AWS does not offer" in stack.workbench("rebuild", "--yes", check=False)
        assert [one["InstanceId"] for one in living(stack)] == [old["InstanceId"]]
        assert snapshots(stack) == []
        stackfile.set_value(path, "size", "m6i.large")
        said = " ".join(stack.workbench("rebuild", "--yes").split())
        assert "The settings have changed since the last `up`, which comes with it" in said
        assert whole(stack, before)["InstanceType"] == "m6i.large"
