"""What people do to a stack beside up and destroy, on the real engine."""

import pytest

from tests.life_in_lab import Lab, Stack
from workbench import stack as stacks
from workbench import stackfile

pytestmark = pytest.mark.lab


def test_a_stack_can_be_refreshed_stopped_renamed_and_removed(bare_lab: Lab) -> None:
    with bare_lab.stack() as stack:
        stack.workbench("up", "--yes")
        made = stack.in_state()
        stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
        assert "26 unchanged" in stack.workbench("up", "--yes")

        server = next(iter(made["aws:ec2/instance:Instance"]))
        ec2 = stack.client("ec2")
        ec2.stop_instances(InstanceIds=[server])
        ec2.get_waiter("instance_stopped").wait(InstanceIds=[server], WaiterConfig={"Delay": 1})
        assert f"Start the server {server}, which was stopped" in stack.workbench("up", "--yes")
        described = ec2.describe_instances(InstanceIds=[server])["Reservations"][0]["Instances"][0]
        assert described["State"]["Name"] == "running"

        renamed = Stack("renamed", stack.environment)
        try:
            stack.pulumi("stack", "rename", renamed.name)
            assert stackfile.path_of(renamed.name).exists()
            renamed.workbench("up", "--yes")
            for kept in ("aws:ec2/instance:Instance", "aws:ebs/volume:Volume", "aws:ec2/eip:Eip"):
                assert renamed.in_state()[kept] == made[kept]
            assert renamed.in_account() == renamed.in_state()
            renamed.workbench("destroy", "--yes")
            refused = renamed.pulumi("stack", "rm", "--yes", check=False)
            assert "still has resources" in refused
        finally:
            stacks.forget(renamed.name)
