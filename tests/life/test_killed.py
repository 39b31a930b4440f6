"""Runs of the real engine that die, by kill -9 of their whole process group: the next `workbench up` repairs it all.

After each, all that the account has is what the state has.
"""

import signal

import pytest

from tests.life_in_lab import Lab, Run, Stack

pytestmark = pytest.mark.lab

long = pytest.mark.long
SAID = [
    "aws:ec2:Vpc vpc created",
    pytest.param("aws:ec2:Eip address created", marks=long),
    "aws:ec2:Instance server creating",
    pytest.param("aws:ec2:VolumeAttachment data creating", marks=long),
]
SECONDS = [pytest.param(seconds, marks=long) for seconds in (2, 4, 6, 8, 10, 12)]


def killed(run: Run, moment: str | int) -> None:
    """Kills a run once it has said something, or so many seconds after its start."""
    if isinstance(moment, str):
        run.until(moment)
    else:
        run.after(moment)
    run.kill()


def repaired(stack: Stack, *options: str) -> str:
    """The next run, which has to end well by itself and to leave nothing that the state does not know."""
    said = stack.workbench("up", "--yes", *options)
    assert stack.in_account() == stack.in_state()
    # Of the server, which may be booting still, it may have something to say.
    assert f"Stack {stack.name} is well" in stack.workbench("doctor", check=False)
    return said


@pytest.mark.parametrize("moment", [*SAID, *SECONDS])
def test_an_up_that_was_killed_is_repaired_by_the_next(bare_lab: Lab, moment: str | int) -> None:
    with bare_lab.stack() as stack:
        killed(stack.begin("pulumi", "up", "--yes"), moment)
        repaired(stack)


@long
def test_an_up_of_our_own_command_is_repaired_just_so(bare_lab: Lab) -> None:
    with bare_lab.stack() as stack:
        killed(stack.begin("workbench", "up", "--yes"), "SecurityGroup group created")
        assert "died" in repaired(stack)


@pytest.mark.parametrize(
    "moment",
    ["aws:ec2:Instance server deleting", pytest.param("aws:ec2:Instance server deleted", marks=long)],
)
def test_a_destroy_that_was_killed_is_repaired_by_the_next_up(bare_lab: Lab, moment: str) -> None:
    with bare_lab.stack() as stack:
        stack.workbench("up", "--yes")
        volume = stack.in_state()["aws:ebs/volume:Volume"]
        killed(stack.begin("pulumi", "destroy", "--yes", "--exclude-protected"), moment)
        repaired(stack)
        assert stack.in_state()["aws:ebs/volume:Volume"] == volume


@long
def test_a_destroy_after_a_killed_up_takes_along_what_no_state_knew(bare_lab: Lab) -> None:
    with bare_lab.stack() as stack:
        killed(stack.begin("pulumi", "up", "--yes"), "aws:ec2:Instance server creating")
        stack.workbench("destroy", "--yes")
        assert set(stack.in_account()) <= {"aws:ebs/volume:Volume"}
        assert stack.in_account() == stack.in_state()


def test_a_run_that_is_interrupted_ends_in_order_and_the_next_goes_on(bare_lab: Lab) -> None:
    with bare_lab.stack() as stack:
        run = stack.begin("workbench", "up", "--yes")
        run.until("Vpc vpc created")
        run.kill(signal.SIGINT)
        assert run.process.returncode == 1, run.output
        assert "It was stopped as you asked" in run.output
        assert "Traceback" not in run.output
        assert "left its lock" not in repaired(stack)


@pytest.mark.parametrize("moment", [SAID[0], pytest.param("aws:ec2:Instance server creating", marks=long)])
def test_a_killed_run_whose_state_is_lost_too_is_taken_back_by_its_id(bare_lab: Lab, moment: str) -> None:
    with bare_lab.stack() as stack:
        killed(stack.begin("pulumi", "up", "--yes"), moment)
        before = stack.in_account()
        after_loss = stack.elsewhere()
        refused = after_loss.workbench("up", "--yes", check=False)
        assert "Traceback" not in refused
        assert stack.in_account() == before
        vpc = next(iter(before["aws:ec2/vpc:Vpc"]))
        tags = stack.client("ec2").describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Tags"]
        stack_id = next(tag["Value"] for tag in tags if tag["Key"] == "StackId")
        assert f"{stack_id}: " in refused
        assert f"network {vpc}" in refused
        after_loss.workbench("up", "--yes", "--adopt", stack_id)
        # A key pair cannot be taken back, and with the state its record is lost: it goes by its name.
        for key in before.get("aws:ec2/keyPair:KeyPair", ()):
            after_loss.workbench("doctor", "--remove", key, "--yes")
        assert after_loss.in_account() == after_loss.in_state()
        assert before["aws:ec2/vpc:Vpc"] == after_loss.in_state()["aws:ec2/vpc:Vpc"]


def test_a_colleagues_stack_of_the_same_name_is_left_alone(bare_lab: Lab) -> None:
    with bare_lab.stack() as colleagues:
        colleagues.workbench("up", "--yes")
        theirs = colleagues.in_account()
        ours = colleagues.elsewhere()
        assert "none" in ours.workbench("up", "--yes", check=False)
        assert colleagues.in_account() == theirs == colleagues.in_state()
        run = ours.begin("workbench", "up", "--yes", "--adopt", "none")
        killed(run, "Vpc vpc created")
        ours.workbench("up", "--yes")
        assert colleagues.in_state() == theirs
        both = ours.in_account()
        assert both == {kind: ids | theirs[kind] for kind, ids in ours.in_state().items()}
        ours.workbench("destroy", "--yes")
        assert {kind: ids & theirs[kind] for kind, ids in ours.in_account().items()} == theirs
