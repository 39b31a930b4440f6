"""The schedule, the daily snapshots and the budget: what AWS is asked for, by which role, and what is taken back."""

import json
import re
from typing import Any

import pytest

from infra import schedule as schedules
from workbench.settings import Schedule

SCHEDULE = {"start": "07:30", "stop": "20:00", "timeZone": "Europe/Madrid"}
SNAPSHOTS = {"daily": "03:10", "keep": 14}
BUDGET = {"usdPerMonth": 80, "emails": ["ada@example.org"]}
ALL = {"schedule": SCHEDULE, "snapshots": SNAPSHOTS, "budget": BUDGET}
# The policies of a role, which AWS takes twice.
MADE_AGAIN = {"schedule-policy", "backups-policy", "backups-keys", "role-policy"}


def only(cloud: Any, kind: str, name: str) -> dict[str, Any]:
    (found,) = [resource for resource in cloud.of(kind) if resource.name == name]
    inputs: dict[str, Any] = found.inputs
    return inputs


def statements(document: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(document)["Statement"]
    return found


def test_without_the_settings_nothing_of_it_is_made(declare: Any, cloud: Any) -> None:
    declare()
    assert not [r for r in cloud.resources if re.match("aws:(scheduler|dlm|budgets)", r.typ)]
    assert len(cloud.of("Role")) == 1


def test_a_schedule_calls_ec2_for_this_server_in_its_time_zone(declare: Any, cloud: Any) -> None:
    declare(schedule=SCHEDULE)
    start, stop = only(cloud, "Schedule", "start"), only(cloud, "Schedule", "stop")
    assert start["scheduleExpression"] == "cron(30 7 ? * MON,TUE,WED,THU,FRI *)"
    assert stop["scheduleExpression"] == "cron(0 20 ? * MON,TUE,WED,THU,FRI *)"
    for one, call in ((start, "startInstances"), (stop, "stopInstances")):
        assert one["scheduleExpressionTimezone"] == "Europe/Madrid"
        assert one["flexibleTimeWindow"] == {"mode": "OFF"}
        assert one["target"]["arn"] == f"arn:aws:scheduler:::aws-sdk:ec2:{call}"
        assert json.loads(one["target"]["input"]) == {"InstanceIds": ["server-id"]}
        assert one["target"]["retryPolicy"]["maximumEventAgeInSeconds"] == 3600
        assert one["groupName"] == only(cloud, "ScheduleGroup", "schedule")["name"]


def test_the_role_of_the_schedule_may_start_and_stop_this_server_alone(declare: Any, cloud: Any) -> None:
    declare(schedule=SCHEDULE)
    ec2, keys = statements(only(cloud, "RolePolicy", "schedule-policy")["policy"])
    assert set(ec2["Action"]) == {"ec2:StartInstances", "ec2:StopInstances"}
    assert ec2["Resource"] == ["arn:aws:ec2:eu-west-1:1:thing/server-id"]
    assert keys["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}
    assert keys["Condition"]["StringEquals"] == {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}
    (trust,) = statements(only(cloud, "Role", "schedule-role")["assumeRolePolicy"])
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": "1"}
    assert "schedule" in trust["Condition"]["ArnLike"]["aws:SourceArn"]


def test_a_start_or_a_stop_alone_is_one_schedule(declare: Any, cloud: Any) -> None:
    declare(schedule={"stop": "26:00", "days": ["fri"]})
    assert only(cloud, "Schedule", "stop")["scheduleExpression"] == "cron(0 2 ? * SAT *)"
    assert len(cloud.of("Schedule")) == 1


def test_a_stop_that_spares_who_computes_is_not_of_aws(declare: Any, cloud: Any) -> None:
    declare(schedule={**SCHEDULE, "spareBusy": True})
    assert [one.name for one in cloud.of("Schedule")] == ["start"]
    cloud.resources.clear()
    declare(schedule={"stop": "20:00", "spareBusy": True})
    assert not cloud.of("ScheduleGroup"), "nothing is left for AWS to do"
    assert schedules.events(Schedule.model_validate({"stop": "20:00", "spareBusy": True})) == {}


def test_snapshots_are_made_daily_of_the_data_volume_of_this_stack(declare: Any, cloud: Any) -> None:
    declare(snapshots=SNAPSHOTS)
    policy = only(cloud, "LifecyclePolicy", "backups")
    details = policy["policyDetails"]
    volume = only(cloud, "Volume", "data")["tags"]
    assert details["targetTags"].items() <= volume.items()
    assert set(details["targetTags"]) == {"Project", "StackId", "Role"}
    (daily,) = details["schedules"]
    assert daily["createRule"] == {"interval": 24, "intervalUnit": "HOURS", "times": "03:10"}
    assert daily["retainRule"] == {"count": 14}
    assert daily["copyTags"] is False
    assert (daily["tagsToAdd"]["Role"], daily["tagsToAdd"]["Made"]) == ("snapshot", "daily")
    assert daily["tagsToAdd"]["StackId"] == volume["StackId"]
    assert re.fullmatch("[0-9A-Za-z _-]+", policy["description"]), "AWS takes no other characters"
    assert policy["state"] == "ENABLED"


def test_the_server_may_see_snapshots_where_an_alarm_depends_on_it_and_do_nothing_else(
    declare: Any, cloud: Any
) -> None:
    declare(snapshots=SNAPSHOTS)
    one = only(cloud, "RolePolicy", "role-policy")
    assert statements(one["policy"]) == [
        {"Effect": "Allow", "Action": ["ec2:DescribeSnapshots"], "Resource": "*"}
    ]
    assert one["role"] == only(cloud, "Role", "role")["name"]


def test_the_role_of_the_snapshots_is_that_services_alone(declare: Any, cloud: Any) -> None:
    declare(snapshots=SNAPSHOTS)
    (trust,) = statements(only(cloud, "Role", "backups-role")["assumeRolePolicy"])
    assert trust["Principal"] == {"Service": "dlm.amazonaws.com"}
    assert trust["Condition"]["ArnLike"] == {"aws:SourceArn": "arn:aws:dlm:eu-west-1:1:policy/*"}
    attached = only(cloud, "RolePolicyAttachment", "backups-policy")["policyArn"]
    assert attached == "arn:aws:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole"


def test_a_budget_counts_what_carries_the_stacks_id(declare: Any, cloud: Any) -> None:
    declare(budget=BUDGET)
    budget = only(cloud, "Budget", "budget")
    (kept,) = budget["costFilters"]
    assert kept == {"name": "TagKeyValue", "values": [f"user:StackId${budget['tags']['StackId']}"]}
    assert (budget["limitAmount"], budget["limitUnit"], budget["timeUnit"]) == ("80", "USD", "MONTHLY")
    told = {one["notificationType"]: one for one in budget["notifications"]}
    assert (told["FORECASTED"]["threshold"], told["ACTUAL"]["threshold"]) == (80, 100)
    assert all(one["subscriberEmailAddresses"] == ["ada@example.org"] for one in told.values())


def test_names_hold_the_stacks_id_and_are_as_long_as_aws_takes(declare: Any, cloud: Any) -> None:
    declare("s" * 80, **ALL)
    for kind in ("Role", "ScheduleGroup", "Budget"):
        for resource in cloud.of(kind):
            name = resource.inputs["name"]
            assert len(name) <= 64
            assert resource.inputs["tags"]["StackId"] in name
    names = [role.inputs["name"] for role in cloud.of("Role")]
    assert len(set(names)) == 3


def test_of_a_state_that_knows_everything_nothing_is_asked(declare: Any, cloud: Any) -> None:
    declare(**ALL)
    cloud.killed(())
    declare(**ALL)
    assert cloud.imported() == {}
    assert cloud.unlisted == []


def test_what_a_killed_run_or_a_lost_state_left_is_taken_back(
    declare: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(**ALL)
    group = only(cloud, "ScheduleGroup", "schedule")["name"]
    mine = {r.name for r in cloud.resources if re.match("aws:(scheduler|dlm|budgets)", r.typ)}
    assert mine == {"schedule", "start", "stop", "backups", "budget"}
    monkeypatch.setenv("WORKBENCH_ADOPT", cloud.lost())
    declare(**ALL)
    taken = cloud.imported()
    assert taken["ScheduleGroup schedule"] == group
    assert taken["Schedule start"] == f"{group}/start"
    assert taken["LifecyclePolicy backups"] == "backups-id"
    assert taken["Budget budget"] == f"123456789012:{group}"
    assert {f"Role {name}" for name in ("role", "schedule-role", "backups-role")} <= set(taken)
    assert not {name.split(" ")[1] for name in taken} & MADE_AGAIN


def test_what_is_not_there_is_made(declare: Any, cloud: Any) -> None:
    declare(schedule={"start": "08:00"})
    cloud.killed(())
    declare(**ALL)
    assert cloud.imported() == {}
    assert {one.name for one in cloud.of("Schedule")} == {"start", "stop"}


def test_the_lost_state_of_another_stack_is_not_confused_by_roles_of_services(
    declare: Any, cloud: Any
) -> None:
    declare("dev", **ALL)
    cloud.lost()
    for kind in ("aws:ec2/instance:Instance", "aws:ebs/volume:Volume", "aws:ec2/eip:Eip", "aws:ec2/vpc:Vpc"):
        cloud.things = [thing for thing in cloud.things if thing["kind"] != kind]
    declare("dev-schedule")  # whose role is named by the same beginning
    assert cloud.imported() == {}


def test_what_a_forgotten_volume_takes_out_of_the_state_is_made_again_with_it(
    declare: Any, cloud: Any
) -> None:
    """A restore has the state forget the volume and all that depends on it: what stays in AWS would be nobody's."""
    declare(**ALL)
    hanging = {
        request.type.rpartition(":")[2]
        for request in cloud.requests
        if any(one.endswith("aws:ebs/volume:Volume::data") for one in request.dependencies)
    }
    assert hanging == {"VolumeAttachment", "Configuration"}
