"""What people do to a stack beside up and destroy, on the real engine."""

import json

import pytest

from lab.paths import Layout
from tests.life_in_lab import HOME, Lab, Stack
from workbench import stack as stacks
from workbench import stackfile

pytestmark = pytest.mark.lab


def server_of(stack: Stack) -> tuple[str, str, str]:
    """The id of the account's only server, its type and its state."""
    (kept,) = stack.in_account()["aws:ec2/instance:Instance"]
    told = stack.client("ec2").describe_instances(InstanceIds=[kept])["Reservations"][0]["Instances"][0]
    return kept, told["InstanceType"], told["State"]["Name"]


def test_without_capacity_for_the_new_size_the_old_one_is_back_and_the_next_run_changes_nothing(
    bare_lab: Lab,
) -> None:
    faults = Layout(HOME).faults  # a stand-in for a zone of AWS that is full
    with bare_lab.stack() as stack:
        stack.workbench("up", "--yes")
        before, file = server_of(stack), stackfile.path_of(stack.name).read_text()
        faults.write_text(json.dumps({"without_capacity": ["m6i.large"]}))
        try:
            said = " ".join(stack.workbench("resize", "m6i.large", "--yes", check=False).split())
        finally:
            faults.unlink()
        assert "AWS has no capacity for m6i.large in eu-west-1a at present." in said
        assert "The server is t3.medium again and runs, and the stack file says so" in said
        assert "Traceback" not in said
        assert server_of(stack) == before
        assert stackfile.path_of(stack.name).read_text() == file
        assert "26 unchanged" in stack.workbench("up", "--yes")
        assert server_of(stack) == before
        assert "is t3.medium already" in stack.workbench("resize", "t3.medium", "--yes", check=False)
        for size, why in (("t9.colossal", "which AWS does not offer"), ("g4dn.xlarge", "has a GPU")):
            assert why in stack.workbench("resize", size, "--yes", check=False)
        assert stackfile.path_of(stack.name).read_text() == file


@pytest.mark.long
def test_a_resize_that_was_killed_is_carried_out_by_the_next_up(bare_lab: Lab) -> None:
    with bare_lab.stack() as stack:
        stack.workbench("up", "--yes")
        kept, _, _ = server_of(stack)
        run = stack.begin("pulumi", "up", "--yes", "--config", "workbench:size=m6i.large")
        run.until("aws:ec2:Instance server updating")
        run.kill()
        stack.workbench("up", "--yes")
        assert server_of(stack) == (kept, "m6i.large", "running")
        assert stack.in_account() == stack.in_state()


def test_the_address_is_kept_through_destroy_and_return_and_released_when_that_is_not_wanted(
    bare_lab: Lab,
) -> None:
    with bare_lab.stack() as stack:
        path = stackfile.path_of(stack.name)
        stack.workbench("up", "--yes")
        made = stack.in_state()
        stackfile.set_value(path, "keepAddress", True)
        assert "26 unchanged" in stack.workbench("up", "--yes"), "it is of the state alone"
        said = " ".join(stack.workbench("destroy", "--yes").split())
        assert "about 3.65 USD a month" in said
        assert "the public address 127." in said
        kept = {kind: made[kind] for kind in ("aws:ec2/eip:Eip", "aws:ebs/volume:Volume")}
        assert stack.in_account() == kept
        assert "There is no server; what is kept costs" in stack.workbench("doctor")
        stack.workbench("up", "--yes")
        assert {kind: stack.in_state()[kind] for kind in kept} == kept
        stackfile.set_value(path, "keepAddress", False)
        said = stack.workbench("destroy", "--yes")
        assert "the public address will be another" in said
        assert stack.in_account() == {"aws:ebs/volume:Volume": kept["aws:ebs/volume:Volume"]}


def test_a_stack_can_be_refreshed_stopped_renamed_and_removed(bare_lab: Lab) -> None:
    with bare_lab.stack() as stack:
        stack.workbench("up", "--yes")
        made = stack.in_state()
        stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
        assert "26 unchanged" in stack.workbench("up", "--yes")

        server = next(iter(made["aws:ec2/instance:Instance"]))
        assert "Stopped. What stays costs about" in stack.workbench("stop", "--yes")
        assert server_of(stack)[2] == "stopped"
        assert "is stopped already" in stack.workbench("stop", "--yes", check=False)
        assert f"The server {server}, which is stopped, is started." in stack.workbench("preview")
        assert f"Start the server {server}, which was stopped" in stack.workbench("up", "--yes")
        assert server_of(stack)[2] == "running"

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
