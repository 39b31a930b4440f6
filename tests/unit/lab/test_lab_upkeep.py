"""What AWS does by itself in the lab, by a clock that is moved: schedules, lifecycle policies, their roles' rights."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from werkzeug.test import Client

from infra import rights, schedule
from infra.backups import policies
from lab.clock import instant
from lab.daemon import Front
from lab.seed import ACCOUNT, REGION
from tests.unit.lab.cloud import Cloud, Network, serve
from workbench.errors import WorkbenchError

GROUP = "workbench-dev-0123456789ab"
GROUP_ARN = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{GROUP}"
TARGET_TAGS = {"StackId": "0123456789ab", "Role": "data"}
MANAGED = "arn:aws:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole"
MONDAY = datetime(2030, 12, 2, tzinfo=UTC)  # in the future, wherever this runs


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with serve(tmp_path) as served:
        served.api.upkeep.move(MONDAY)
        yield served


@pytest.fixture
def server(cloud: Cloud) -> str:
    return Network(cloud).run()


def state(cloud: Cloud, instance: str) -> str:
    told = cloud.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    return str(told["State"]["Name"])


def role(cloud: Cloud, name: str, trust: str, policy: str | None = None) -> str:
    iam = cloud.client("iam")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    if policy:
        iam.put_role_policy(RoleName=name, PolicyName="it", PolicyDocument=policy)
    return str(made)


def scheduled(cloud: Cloud, server: str, role_arn: str = "", **events: str) -> Any:
    """The schedules of a server, as the program makes them; a client of the service."""
    scheduler = cloud.client("scheduler")
    scheduler.create_schedule_group(Name=GROUP, Tags=[{"Key": "Project", "Value": "workbench"}])
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{server}"
    role_arn = role_arn or role(
        cloud, "schedule", rights.trust(schedule_service(), GROUP_ARN, GROUP_ARN), schedule.permissions(arn)
    )
    for event, expression in events.items():
        scheduler.create_schedule(
            GroupName=GROUP,
            Name=event,
            ScheduleExpression=expression,
            ScheduleExpressionTimezone="Europe/Madrid",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": f"arn:aws:scheduler:::aws-sdk:ec2:{event}Instances",
                "RoleArn": role_arn,
                "Input": json.dumps({"InstanceIds": [server]}),
            },
        )
    return scheduler


def schedule_service() -> str:
    return "scheduler.amazonaws.com"


def test_a_schedule_stops_and_starts_the_server_at_its_times(cloud: Cloud, server: str) -> None:
    scheduled(cloud, server, start="cron(0 8 ? * MON-FRI *)", stop="cron(0 20 ? * MON-FRI *)")
    move = cloud.api.upkeep.move
    assert move(MONDAY.replace(hour=18, minute=59))[0].what == f"schedule {GROUP}/start"
    assert state(cloud, server) == "running"
    (done,) = move(MONDAY.replace(hour=19, minute=1))  # 20:01 in Madrid
    assert (done.when, done.outcome, done.failed) == (
        "2030-12-02T19:00:00+00:00",
        f"StopInstances {server}",
        False,
    )
    assert state(cloud, server) == "stopped"
    assert cloud.containers.did[-1] == f"stop {server}"
    (done,) = move(MONDAY + timedelta(days=1, hours=7))
    assert done.outcome == f"StartInstances {server}"
    assert state(cloud, server) == "running"
    # a weekend, and all of what is due in between, one after the other
    assert [one.when[5:13] for one in move(MONDAY + timedelta(days=7))] == [
        "12-03T19", "12-04T07", "12-04T19", "12-05T07", "12-05T19", "12-06T07", "12-06T19",
    ]  # fmt: skip
    assert state(cloud, server) == "stopped"


def test_a_clock_that_goes_back_fires_nothing_a_second_time_until_it_is_there_again(
    cloud: Cloud, server: str
) -> None:
    scheduled(cloud, server, stop="cron(0 20 * * ? *)")
    move = cloud.api.upkeep.move
    assert len(move(MONDAY.replace(hour=20))) == 1
    assert move(MONDAY) == []
    assert cloud.api.upkeep.tick() == []
    assert len(move(MONDAY.replace(hour=20))) == 1


def test_what_is_disabled_or_deleted_does_not_fire(cloud: Cloud, server: str) -> None:
    scheduler = scheduled(cloud, server, stop="cron(0 20 * * ? *)")
    found = scheduler.get_schedule(GroupName=GROUP, Name="stop")
    kept = ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    scheduler.update_schedule(**{key: found[key] for key in kept}, State="DISABLED")
    assert cloud.api.upkeep.move(MONDAY + timedelta(days=1)) == []
    scheduler.update_schedule(**{key: found[key] for key in kept}, State="ENABLED")
    scheduler.delete_schedule_group(Name=GROUP)
    assert cloud.api.upkeep.move(MONDAY + timedelta(days=2)) == []
    assert state(cloud, server) == "running"


@pytest.mark.parametrize(
    ("trust", "policy"),
    [
        (rights.trust("ec2.amazonaws.com", GROUP_ARN, GROUP_ARN), None),
        (rights.trust("scheduler.amazonaws.com", GROUP_ARN, f"{GROUP_ARN}-other"), None),
        (rights.trust("scheduler.amazonaws.com", GROUP_ARN.replace(ACCOUNT, "999999999999"), GROUP_ARN), None),
        (None, schedule.permissions(f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-other")),
        (None, rights.document({"Effect": "Allow", "Action": "ec2:StartInstances", "Resource": "*"})),
    ],
    ids=["another service", "another group", "another account", "another server", "start alone"],
)  # fmt: skip
def test_a_role_that_does_not_let_it_keeps_the_server_running(
    cloud: Cloud, server: str, trust: str | None, policy: str | None
) -> None:
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{server}"
    good = rights.trust("scheduler.amazonaws.com", GROUP_ARN, GROUP_ARN)
    made = role(cloud, "weak", trust or good, policy or schedule.permissions(arn))
    scheduled(cloud, server, made, stop="cron(0 20 * * ? *)")
    (done,) = cloud.api.upkeep.move(MONDAY + timedelta(days=1))
    assert done.failed
    assert "weak" in done.outcome
    assert state(cloud, server) == "running"


def test_a_server_that_is_gone_is_noted(cloud: Cloud, server: str) -> None:
    scheduled(cloud, server, stop="cron(0 20 * * ? *)")
    cloud.ec2.terminate_instances(InstanceIds=[server])
    (done,) = cloud.api.upkeep.move(MONDAY + timedelta(days=1))
    assert done.failed
    assert server in done.outcome


def backed_up(cloud: Cloud, keep: int = 3, **changes: Any) -> str:
    """A policy of daily snapshots, as the program makes it."""
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:volume/vol-1"
    executor = role(cloud, "backups", rights.trust("dlm.amazonaws.com", arn, policies(REGION, arn)))
    cloud.client("iam").attach_role_policy(RoleName="backups", PolicyArn=MANAGED)
    daily = {
        "Name": "daily",
        "CreateRule": {"Interval": 24, "IntervalUnit": "HOURS", "Times": ["03:10"]},
        "RetainRule": {"Count": keep},
        "TagsToAdd": [{"Key": "Role", "Value": "snapshot"}],
        **changes,
    }
    details = {
        "ResourceTypes": ["VOLUME"],
        "TargetTags": [{"Key": key, "Value": value} for key, value in TARGET_TAGS.items()],
        "Schedules": [daily],
    }
    made = cloud.client("dlm").create_lifecycle_policy(
        ExecutionRoleArn=executor,
        Description="daily",
        State="ENABLED",
        PolicyDetails=details,
        Tags={"a": "b"},
    )
    return str(made["PolicyId"])


def tagged(cloud: Cloud, network: Network) -> str:
    tags = [{"Key": key, "Value": value} for key, value in {**TARGET_TAGS, "Name": "x"}.items()]
    return network.volume(TagSpecifications=[{"ResourceType": "volume", "Tags": tags}])


def snapshots(cloud: Cloud, volume: str) -> list[dict[str, Any]]:
    found = cloud.ec2.describe_snapshots(Filters=[{"Name": "volume-id", "Values": [volume]}])["Snapshots"]
    return sorted(found, key=lambda one: one["StartTime"])


def test_a_policy_makes_a_snapshot_a_day_of_what_has_its_tags_and_keeps_as_many_as_it_says(
    cloud: Cloud,
) -> None:
    network = Network(cloud)
    volume, other = tagged(cloud, network), network.volume()
    by_hand = cloud.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    backed_up(cloud)
    done = cloud.api.upkeep.move(MONDAY + timedelta(days=5))
    assert len(done) == 5
    assert not any(one.failed for one in done)
    found = [one for one in snapshots(cloud, volume) if one["SnapshotId"] != by_hand]
    assert [one["StartTime"].strftime("%m-%d %H:%M") for one in found] == [
        "12-04 03:10",
        "12-05 03:10",
        "12-06 03:10",
    ]
    assert {tag["Key"]: tag["Value"] for tag in found[0]["Tags"]} == {
        "Role": "snapshot",
        "dlm:managed": "true",
    }
    assert by_hand in {one["SnapshotId"] for one in snapshots(cloud, volume)}, (
        "what others made is not its affair"
    )
    assert snapshots(cloud, other) == []


def test_what_somebody_deleted_is_no_trouble_and_a_policy_that_goes_leaves_its_snapshots(
    cloud: Cloud,
) -> None:
    volume = tagged(cloud, Network(cloud))
    policy = backed_up(cloud, keep=2)
    cloud.api.upkeep.move(MONDAY + timedelta(days=2))
    cloud.ec2.delete_snapshot(SnapshotId=snapshots(cloud, volume)[0]["SnapshotId"])
    assert not any(one.failed for one in cloud.api.upkeep.move(MONDAY + timedelta(days=4)))
    cloud.client("dlm").delete_lifecycle_policy(PolicyId=policy)
    assert cloud.api.upkeep.move(MONDAY + timedelta(days=9)) == []
    assert len(snapshots(cloud, volume)) == 2


def test_a_policy_whose_role_may_not_is_in_error_and_says_why(cloud: Cloud) -> None:
    volume = tagged(cloud, Network(cloud))
    policy = backed_up(cloud)
    cloud.client("iam").detach_role_policy(RoleName="backups", PolicyArn=MANAGED)
    (done,) = cloud.api.upkeep.move(MONDAY + timedelta(days=1))
    assert done.failed
    told = cloud.client("dlm").get_lifecycle_policy(PolicyId=policy)["Policy"]
    assert told["State"] == "ERROR"
    assert "not authorized to perform ec2:CreateSnapshot" in told["StatusMessage"]
    assert snapshots(cloud, volume) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"RetainRule": {"Count": 0}},
        {"RetainRule": {"Count": 1001}},
        {"CreateRule": {"Interval": 5, "IntervalUnit": "HOURS", "Times": ["03:10"]}},
        {"CreateRule": {"Interval": 24, "IntervalUnit": "HOURS", "Times": ["24:10"]}},
    ],
)
def test_policies_that_aws_refuses_are_refused(cloud: Cloud, changes: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="InvalidRequestException"):
        backed_up(cloud, **changes)


def test_a_new_daemon_knows_the_time_and_what_is_to_happen(cloud: Cloud, server: str) -> None:
    scheduled(cloud, server, stop="cron(0 20 * * ? *)")
    policy = backed_up(cloud)
    cloud.client("budgets").create_budget(
        AccountId=ACCOUNT,
        Budget={
            "BudgetName": "b", "BudgetType": "COST", "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": "50", "Unit": "USD"},
        },
    )  # fmt: skip
    cloud.start()
    told = cloud.api.upkeep.describe()
    assert told["now"].startswith("2030-12-02T00:0")
    assert told["next"][0] == {"when": "2030-12-02T03:10:00+00:00", "what": f"lifecycle policy {policy}"}
    assert told["next"][1] == {"when": "2030-12-02T19:00:00+00:00", "what": f"schedule {GROUP}/stop"}
    budget = cloud.client("budgets").describe_budget(AccountId=ACCOUNT, BudgetName="b")["Budget"]
    assert budget["BudgetLimit"]["Amount"] == "50.0"


def test_a_time_is_read_with_its_zone_or_in_utc() -> None:
    assert instant("2026-12-01T20:00+01:00") == instant("2026-12-01T19:00")
    with pytest.raises(WorkbenchError, match="'tomorrow' is no time; takes one such as 2026-12-01T20:00"):
        instant("tomorrow")


def test_the_labs_page_tells_the_time_and_a_post_moves_it(cloud: Cloud, server: str) -> None:
    scheduled(cloud, server, stop="cron(0 20 * * ? *)")
    page = Client(Front(cloud.api))
    assert page.get("/lab/clock").json["now"].startswith("2030-12-02T00:0")
    told = page.post("/lab/clock", data="2030-12-02T20:30").json
    assert told["now"].startswith("2030-12-02T20:30")
    assert [one["outcome"] for one in told["done"]] == [f"StopInstances {server}"]
    assert told["next"][0]["when"] == "2030-12-03T19:00:00+00:00"
    refused = page.post("/lab/clock", data="soon")
    assert (refused.status_code, "is no time" in refused.json["error"]) == (400, True)
    assert page.get("/lab/clock").json["now"].startswith("2030-12-02T20:30"), "and nothing has changed"
