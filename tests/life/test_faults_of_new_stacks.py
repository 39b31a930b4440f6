"""Faults of stacks that are just made, of one whose state is lost, and of one whose disk grows: of a stack each.

The same as in test_faults.py, where many share one.
"""

import pytest

from tests.life_in_lab import Lab, faults
from tests.standing import SERVER, Standing
from workbench import stackfile

pytestmark = pytest.mark.lab

long = pytest.mark.long
EXPIRED = "Your AWS credentials have expired: renew them"


@pytest.mark.parametrize("calls", [30, *(pytest.param(calls, marks=long) for calls in (0, 70))])
def test_an_up_whose_credentials_expire_half_way_is_ended_by_the_next(bare_lab: Lab, calls: int) -> None:
    with bare_lab.stack() as stack:
        with faults(expires_after=calls):
            stack.refused(stack.begin("workbench", "up", "--yes"), EXPIRED)
        standing = Standing(stack)
        standing.repaired()


@long
def test_without_capacity_nothing_is_made_twice_and_the_next_run_ends_it(bare_lab: Lab) -> None:
    with bare_lab.stack() as stack:
        with faults(without_capacity=["t3.medium"]):
            stack.refused(stack.begin("workbench", "up", "--yes"), "InsufficientInstanceCapacity")
        Standing(stack).repaired()


@long
def test_a_state_that_is_lost_is_taken_back_with_the_data(bare_lab: Lab) -> None:
    with bare_lab.stack() as stack:
        made = Standing(stack)
        tags = stack.client("ec2").describe_volumes(VolumeIds=[made.volume])["Volumes"][0]["Tags"]
        (stack_id,) = [tag["Value"] for tag in tags if tag["Key"] == "StackId"]
        made.stack = stack.elsewhere()
        made.stack.refused(
            made.stack.begin("workbench", "up", "--yes"), f"{stack_id}: ", "its state was lost"
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


@long
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_growth_that_was_killed(bare_lab: Lab, when: str) -> None:
    """A stack of its own each: AWS takes one change of a volume in six hours."""
    with bare_lab.stack() as stack:
        standing = Standing(stack)
        stackfile.set_value(stackfile.path_of(stack.name), "dataVolumeGib", 5)
        stack.killed_at("ModifyVolume", when, "up", "--yes")
        standing.repaired()
        assert stack.client("ec2").describe_volumes(VolumeIds=[standing.volume])["Volumes"][0]["Size"] == 5
