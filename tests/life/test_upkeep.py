"""What AWS does by itself, on the real engine and by the lab's clock, a stand-in for AWS's own (lab/upkeep.py)."""

import json
import socket
import time
import urllib.request
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.life_in_lab import Lab, Stack
from workbench import stackfile

pytestmark = pytest.mark.lab

SETTINGS: dict[str, Any] = {
    "schedule": {"start": "07:30", "stop": "26:00", "days": ["mon", "fri"], "timeZone": "Europe/Madrid"},
    "snapshots": {"daily": "03:10", "keep": 2},
    "budget": {"usdPerMonth": 80, "emails": ["ada@example.org"]},
}
BOOT_SECONDS = 60
LEFT = {"aws:ebs/volume:Volume"}


def clock(stack: Stack, to: str) -> list[dict[str, Any]]:
    """Moves the lab's time, and gives what was done on the way."""
    url = f"{stack.environment['AWS_ENDPOINT_URL']}/lab/clock"
    with urllib.request.urlopen(url, to.encode(), timeout=300) as answer:
        done: list[dict[str, Any]] = json.load(answer)["done"]
    return done


def next_monday() -> str:
    """A day after today's, so that the clock goes forwards; as `2026-11-30`."""
    today = datetime.now().date()
    return str(today + timedelta(days=7 - today.weekday()))


def server_of(stack: Stack) -> dict[str, Any]:
    (server,) = stack.in_state()["aws:ec2/instance:Instance"]
    found = stack.client("ec2").describe_instances(InstanceIds=[server])["Reservations"][0]["Instances"][0]
    return dict(found)


def answers(address: str) -> bool:
    """Whether SSH of the server speaks, within the time that a boot takes."""
    end = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < end:
        try:
            with socket.create_connection((address, 22), timeout=5) as connection:
                if connection.recv(4) == b"SSH-":
                    return True
        except OSError:
            pass
        time.sleep(0.5)
    return False


def snapshots(stack: Stack) -> list[dict[str, Any]]:
    found = stack.client("ec2").describe_snapshots(
        OwnerIds=["self"], Filters=[{"Name": "tag:Role", "Values": ["snapshot"]}]
    )
    return sorted(found["Snapshots"], key=lambda one: one["StartTime"])


def test_a_stack_is_started_stopped_and_backed_up_at_its_times_and_takes_that_along_when_it_goes(
    bare_lab: Lab,
) -> None:
    with bare_lab.stack(**SETTINGS) as stack:
        stack.workbench("up", "--yes")
        made = stack.in_state()
        assert stack.in_account() == made
        assert len(made["aws:scheduler/schedule:Schedule"]) == 2
        again = stack.workbench("up", "--yes")
        assert "unchanged" in again
        assert not {"created", "updated", "replaced", "deleted"} & set(again.split())
        stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")

        monday = next_monday()
        clock(stack, f"{monday}T12:00")
        assert server_of(stack)["State"]["Name"] == "running"
        night = str(datetime.fromisoformat(monday).date() + timedelta(days=1))
        (done,) = [one for one in clock(stack, f"{night}T01:30") if "schedule" in one["what"]]
        assert not done["failed"], done
        assert server_of(stack)["State"]["Name"] == "stopped"

        friday = str(datetime.fromisoformat(monday).date() + timedelta(days=4))
        done_since = clock(stack, f"{friday}T07:00")
        assert not [one for one in done_since if one["failed"]]
        server = server_of(stack)
        assert server["State"]["Name"] == "running"
        assert answers(server["PublicIpAddress"])

        found = snapshots(stack)
        assert [one["StartTime"].strftime("%H:%M") for one in found] == ["03:10"] * 2
        assert str(found[-1]["StartTime"].date()) == friday
        (volume,) = made["aws:ebs/volume:Volume"]
        assert {one["VolumeId"] for one in found} == {volume}

        stack.workbench("destroy", "--yes")
        assert set(stack.in_account()) == set(stack.in_state()) == LEFT
        assert len(snapshots(stack)) == 2, "snapshots outlive what made them"


@pytest.mark.long
def test_settings_that_change_are_changed_in_place_and_those_taken_out_leave_nothing(bare_lab: Lab) -> None:
    with bare_lab.stack(**SETTINGS) as stack:
        stack.workbench("up", "--yes")
        made = stack.in_state()
        path = stackfile.path_of(stack.name)
        for key, value in (
            ("schedule", {"stop": "21:00"}),
            ("snapshots", {"daily": "04:10", "keep": 3}),
            ("budget", {"usdPerMonth": 90, "emails": ["bob@example.org"]}),
        ):
            stackfile.set_value(path, key, value)
        told = stack.workbench("up", "--yes")
        now = stack.in_state()
        assert stack.in_account() == now, told
        gone = {(kind, one) for kind, ones in made.items() for one in ones} - {
            (kind, one) for kind, ones in now.items() for one in ones
        }
        assert {one.rpartition("/")[2] for _, one in gone} == {"start"}, "all else is as it was, changed"
        (budget,) = now["aws:budgets/budget:Budget"]
        account, _, name = budget.partition(":")
        limit = stack.client("budgets").describe_budget(AccountId=account, BudgetName=name)["Budget"][
            "BudgetLimit"
        ]
        assert limit["Amount"] == "90.0"
        for key, value in (
            ("schedule", {"stop": "21:00", "spareBusy": True}),
            ("snapshots", {"daily": "off"}),
        ):
            stackfile.set_value(path, key, value)
        stack.workbench("up", "--yes")
        left = stack.in_state()
        assert stack.in_account() == left
        assert {kind for kind in left if kind.split("/")[0] in ("aws:scheduler", "aws:dlm")} == set()
        assert len(left["aws:iam/role:Role"]) == 1


@pytest.mark.long
def test_a_lost_state_takes_back_what_aws_does_by_itself(bare_lab: Lab) -> None:
    with bare_lab.stack(**SETTINGS) as stack:
        stack.workbench("up", "--yes")
        made = stack.in_state()
        (volume,) = made["aws:ebs/volume:Volume"]
        tags = stack.client("ec2").describe_volumes(VolumeIds=[volume])["Volumes"][0]["Tags"]
        (stack_id,) = [tag["Value"] for tag in tags if tag["Key"] == "StackId"]
        other = stack.elsewhere()
        other.workbench("up", "--yes", "--adopt", stack_id)
        now = other.in_state()
        for kind in made:
            if kind.split("/")[0] in ("aws:scheduler", "aws:dlm", "aws:budgets", "aws:iam"):
                assert now[kind] == made[kind], kind
        assert (
            other.in_account()["aws:scheduler/schedule:Schedule"] == made["aws:scheduler/schedule:Schedule"]
        )


@pytest.mark.long
@pytest.mark.parametrize(
    "said",
    [
        "aws:scheduler:Schedule stop created",
        "aws:scheduler:ScheduleGroup schedule created",
        "aws:dlm:LifecyclePolicy backups created",
        "aws:budgets:Budget budget created",
    ],
)
def test_an_up_that_was_killed_there_is_repaired_by_the_next(bare_lab: Lab, said: str) -> None:
    with bare_lab.stack(**SETTINGS) as stack:
        run = stack.begin("pulumi", "up", "--yes")
        run.until(said)
        run.kill()
        stack.workbench("up", "--yes")
        state, account = stack.in_state(), stack.in_account()
        keys = "aws:ec2/keyPair:KeyPair"  # of which the dead run's may have stayed
        assert {kind: ids for kind, ids in account.items() if kind != keys} == {
            kind: ids for kind, ids in state.items() if kind != keys
        }
