"""What AWS is found to have of a stack beside servers and disks, and how that is removed; AWS is the lab's API."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli import account
from infra import rights
from lab.seed import ACCOUNT, REGION
from tests.unit.lab.cloud import Cloud, serve
from tests.unit.lab.provider.world import MANAGED
from workbench import servers, volumes
from workbench import stack as stacks
from workbench.errors import WorkbenchError

STACK, ID = "prod", "0123456789ab"
NAME = f"workbench-{STACK}-{ID}"


def tags(role: str) -> dict[str, str]:
    return {"Project": "workbench", "Stack": STACK, "StackId": ID, "Role": role}


def listed(role: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags(role).items()]


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with serve(tmp_path) as served:
        monkeypatch.setenv("AWS_ENDPOINT_URL", served.endpoint)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        monkeypatch.setattr(stacks, "aws_config", lambda stack: stacks.AwsConfig(REGION, None))
        yield served


def make_all(cloud: Cloud) -> None:
    """A schedule, a policy and a budget of the stack, the role of one of them; and somebody else's."""
    iam = cloud.client("iam")
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:volume/vol-1"
    trust = rights.trust("dlm.amazonaws.com", arn, arn)
    role = iam.create_role(
        RoleName=f"{NAME}-backups", AssumeRolePolicyDocument=trust, Tags=listed("backups-role")
    )
    iam.attach_role_policy(RoleName=f"{NAME}-backups", PolicyArn=MANAGED)
    document = rights.document(rights.use_of_keys(arn))
    iam.put_role_policy(RoleName=f"{NAME}-backups", PolicyName="keys", PolicyDocument=document)
    scheduler = cloud.client("scheduler")
    for name, carried in ((NAME, listed("schedule")), ("workbench-other", []), ("theirs", [])):
        scheduler.create_schedule_group(Name=name, Tags=carried)
    scheduler.create_schedule(
        GroupName=NAME,
        Name="stop",
        ScheduleExpression="cron(0 20 * * ? *)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": "arn:aws:scheduler:::aws-sdk:ec2:stopInstances", "RoleArn": role["Role"]["Arn"]},
    )
    cloud.client("dlm").create_lifecycle_policy(
        ExecutionRoleArn=role["Role"]["Arn"],
        Description="daily",
        State="ENABLED",
        Tags=tags("backups"),
        PolicyDetails={
            "ResourceTypes": ["VOLUME"],
            "TargetTags": listed("data"),
            "Schedules": [
                {
                    "Name": "daily",
                    "CreateRule": {"Interval": 24, "IntervalUnit": "HOURS", "Times": ["03:10"]},
                    "RetainRule": {"Count": 7},
                }
            ],
        },
    )
    limit = {"BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": {"Amount": "50", "Unit": "USD"}}
    for name, carried in ((NAME, listed("budget")), ("theirs", [])):
        cloud.client("budgets").create_budget(
            AccountId=ACCOUNT, Budget={"BudgetName": name, **limit}, ResourceTags=carried
        )


def test_all_of_it_is_found_by_its_tags_and_removed_with_what_is_in_it(cloud: Cloud) -> None:
    make_all(cloud)
    found = account.of(STACK)
    assert {one.what.kind: one.what.stack_id for one in found} == dict.fromkeys(
        ("schedule", "policy of daily snapshots", "budget", "role"), ID
    )
    assert [one.what.id for one in found if one.what.kind == "budget"] == [f"{ACCOUNT}:{NAME}"]
    assert {one.what.kind for one in account.remove(STACK, found)} == {one.what.kind for one in found}
    assert account.of(STACK) == []
    groups = cloud.client("scheduler").list_schedule_groups()["ScheduleGroups"]
    assert {group["Name"] for group in groups} == {"default", "workbench-other", "theirs"}
    assert [
        one["BudgetName"] for one in cloud.client("budgets").describe_budgets(AccountId=ACCOUNT)["Budgets"]
    ] == ["theirs"]


def test_who_may_not_ask_for_schedules_or_budgets_has_none_and_finds_the_rest(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_all(cloud)

    def refused(kind: str) -> account.Kind:
        def list_(_client: Any) -> Iterator[Any]:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "List")
            yield

        (known,) = [one for one in account.KINDS if one.type == kind]
        return account.Kind(known.type, list_, known.told, known.remove)

    seldom = [refused(kind.type) for kind in account.KINDS if kind.service in ("scheduler", "dlm", "budgets")]
    others = [kind for kind in account.KINDS if kind.type not in {one.type for one in seldom}]
    monkeypatch.setattr(account, "KINDS", (*seldom, *others))
    assert [one.what.kind for one in account.of(STACK)] == ["role"]
    monkeypatch.setattr(account, "KINDS", (refused("aws:ec2/vpc:Vpc"),))
    with pytest.raises(WorkbenchError, match="AWS did not say what it has of stack prod"):
        account.of(STACK)


def test_a_server_from_before_a_rebuild_costs_its_disk_while_it_is_stopped(cloud: Cloud) -> None:
    instance = {"ResourceType": "instance", "Tags": listed(servers.FORMER)}
    root = {"ResourceType": "volume", "Tags": listed(volumes.ROOT)}
    run = cloud.ec2.run_instances(
        ImageId=cloud.image(), InstanceType="t3.medium", MinCount=1, MaxCount=1,
        TagSpecifications=[instance, root],
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}}],
    )["Instances"][0]["InstanceId"]  # fmt: skip
    cloud.ec2.stop_instances(InstanceIds=[run])
    (found,) = [one for one in account.of(STACK) if one.type == "aws:ec2/instance:Instance"]
    assert (found.role, found.what.kind, found.what.id) == (servers.FORMER, servers.FORMER_NAME, run)
    assert found.what.usd_per_month == pytest.approx(20 * 0.08)
