"""The second lab itself: a comparison that cannot fail would make all tests in it worthless."""

import pytest

from tests.life_in_lab import Lab

pytestmark = pytest.mark.lab


def test_an_account_has_what_the_state_has_until_somebody_makes_something_else(bare_lab: Lab) -> None:
    with bare_lab.stack() as stack:
        assert stack.in_account() == {}
        stack.workbench("up", "--yes")
        assert stack.in_state()["aws:ec2/instance:Instance"]
        assert stack.in_account() == stack.in_state()
        vpc = stack.client("ec2").create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
        assert stack.in_account()["aws:ec2/vpc:Vpc"] - stack.in_state()["aws:ec2/vpc:Vpc"] == {vpc}
        assert stack.elsewhere().in_state() == {}
        made = stack
    assert made.in_account() == {}


def test_a_run_is_killed_when_it_says_something(bare_lab: Lab) -> None:
    with bare_lab.stack() as stack:
        run = stack.begin("pulumi", "up", "--yes")
        run.until("aws:ec2:Vpc vpc")
        run.kill()
        assert run.process.returncode == -9
        with pytest.raises(AssertionError, match="did not say 'Duration'"):
            run.until("Duration", seconds=5)
