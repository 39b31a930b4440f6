"""Bakes on the real engine's stacks, killed (kill -9 of the whole group) at each stage, refused, and brought to an end.

The stack's own server is not configured, and of the services of the builder all are off that can be: what is on an
image, tests/e2e/test_images.py sees. Here builders, images and snapshots are counted.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab.paths import Layout
from tests.life_in_lab import HOME, Lab, Run, Stack
from workbench import stackfile, volumes

pytestmark = pytest.mark.lab

FEW = {"services": {name: {"enabled": False} for name in ("python", "r", "jupyterhub", "rstudio", "shiny")}}
PENDING = "%\n"  # how far AWS is with the image
EARLY = [
    "A builder (t3.medium) ...",
    "A builder (t3.medium) done",
    "[1/",
    "Configure the builder done",
    "Install security fixes done",
]
LATE = ["Clean the builder done", "Stop the builder done", PENDING, "End the builder ..."]
LIVING = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]


@contextmanager
def going_wrong(**faults: Any) -> Iterator[None]:
    """A stand-in for what AWS does now and then (lab/faults.py)."""
    file = Layout(HOME).faults
    file.write_text(json.dumps(faults))
    try:
        yield
    finally:
        file.unlink()


def of_role(stack: Stack, role: str) -> list[dict[str, Any]]:
    """The living servers of a role."""
    filters = [*LIVING, {"Name": "tag:Role", "Values": [role]}]
    told = stack.client("ec2").describe_instances(Filters=filters)["Reservations"]
    return [one for reservation in told for one in reservation["Instances"]]


def images(stack: Stack) -> dict[str, str]:
    """The account's own images, and the snapshot of each."""
    told = stack.client("ec2").describe_images(Owners=["self"])["Images"]
    return {one["ImageId"]: one["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"] for one in told}


def is_clean(stack: Stack) -> None:
    """Nothing of a builder is left, and no snapshot without its image."""
    ec2 = stack.client("ec2")
    assert of_role(stack, "builder") == []
    tagged = [{"Name": "tag:Role", "Values": [volumes.BUILDER]}]
    assert ec2.describe_volumes(Filters=tagged)["Volumes"] == []
    filters = [{"Name": "tag:Role", "Values": ["image"]}]
    snapshots = ec2.describe_snapshots(Filters=filters)["Snapshots"]
    assert {one["SnapshotId"] for one in snapshots} == set(images(stack).values())
    assert "in AWS that its state does not know" in stack.workbench("doctor", check=False)


def killed(stack: Stack, moment: str) -> Run:
    run = stack.begin("workbench", "bake")
    run.until(moment)
    run.kill()
    return run


@pytest.mark.long
@pytest.mark.parametrize("moments", [EARLY, LATE], ids=["early", "late"])
def test_a_bake_that_was_killed_at_any_stage_is_taken_back_by_the_next(
    bare_lab: Lab, moments: list[str]
) -> None:
    with bare_lab.stack(**FEW) as stack:
        stack.workbench("up", "--yes")
        stack.workbench("bake")
        (first,) = images(stack)
        for moment in moments:
            with going_wrong(snapshot_seconds=30 if moment == PENDING else 0):
                killed(stack, moment)
            assert first in images(stack), "the older image stays"
            told = " ".join(stack.workbench("doctor", check=False).split())
            for builder in of_role(stack, "builder"):
                assert f"builder {builder['InstanceId']} (t3.medium, {builder['State']['Name']})" in told
        said = stack.workbench("bake")
        assert "A bake that died is taken back: the builder" in said
        is_clean(stack)
        assert len(images(stack)) == 2
        listed = json.loads(stack.workbench("images", "--json"))["images"]
        assert {one["id"] for one in listed} == set(images(stack))
        assert {one["state"] for one in listed} == {"available"}


def test_a_builder_that_is_left_goes_with_the_next_destroy(bare_lab: Lab) -> None:
    with bare_lab.stack(**FEW) as stack:
        refused = stack.workbench("bake", check=False)
        assert "has no network at present" in refused
        assert "Traceback" not in refused
        stack.workbench("up", "--yes")
        run = stack.begin("workbench", "bake")
        run.until("A builder (t3.medium) done")
        assert len(of_role(stack, "builder")) == 1
        second = stack.workbench("bake", check=False)
        assert "Another workbench command is at work on stack bare" in second
        assert "Traceback" not in second
        run.kill()
        told = " ".join(stack.workbench("doctor", check=False).split())
        assert "In AWS, and not in the stack's state" in told
        assert "USD a month" in told
        said = stack.workbench("destroy", "--yes")
        assert "A bake that died is taken back" in said
        assert set(stack.in_account()) == {"aws:ebs/volume:Volume"}


def test_what_a_bake_cannot_do_is_said_in_a_sentence_and_leaves_nothing(bare_lab: Lab) -> None:
    with bare_lab.stack(**FEW) as stack:
        stack.workbench("up", "--yes")
        with going_wrong(without_capacity=["t3.medium"]):
            said = stack.workbench("bake", check=False)
        assert "We currently do not have sufficient t3.medium capacity" in said
        assert "Traceback" not in said
        is_clean(stack)
        path = stackfile.path_of(stack.name)
        stackfile.set_value(path, "mirrors", {"debian": "http://127.0.0.1:9/debian"})
        said = stack.workbench("bake", check=False)
        assert "workbench:mirrors.debian is http://127.0.0.1:9/debian" in said
        assert ".workbench/bare@builder/configure.log" in said
        assert "Traceback" not in said
        assert images(stack) == {}
        is_clean(stack)
