"""A stack of which AWS has a server, two disks and an address: AWS is moto in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.unit.connector.deploying import FACTS
from workbench import stack as stacks
from workbench.outputs import Outputs

REGION, ID = "eu-central-1", "0123456789ab"
IMAGE = "ami-0123456789abcdef0"  # moto looks at none, and those that it has take it seconds to load


@contextmanager
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty account; its EC2, which the command then asks."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    monkeypatch.setattr(stacks, "aws_config", lambda stack=None: stacks.AwsConfig(REGION, None))
    with mock_aws():
        yield boto3.client("ec2", region_name=REGION)


def tagged(kind: str, role: str, stack_id: str = ID) -> list[dict[str, Any]]:
    tags = {"Project": "workbench", "Stack": "prod", "StackId": stack_id, "Role": role}
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def make(ec2: Any, size: str = "t3.medium") -> tuple[Outputs, dict[str, Any]]:
    """The stack; its outputs, and its exported state."""
    server = ec2.run_instances(
        ImageId=IMAGE,
        InstanceType=size,
        MinCount=1,
        MaxCount=1,
        TagSpecifications=tagged("instance", "server"),
    )["Instances"][0]["InstanceId"]
    volume = ec2.create_volume(
        AvailabilityZone=f"{REGION}a", Size=50, VolumeType="gp3", TagSpecifications=tagged("volume", "data")
    )["VolumeId"]
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip", "address"))
    facts = Outputs.model_validate(
        {**FACTS, "region": REGION, "instanceId": server, "instanceType": size, "volumeId": volume}
    )
    told = facts.model_dump(by_alias=True)
    resources = [
        {"urn": "stack", "type": "pulumi:pulumi:Stack", "outputs": told},
        {"urn": "w", "type": "workbench:infra:Workbench", "outputs": {"stackId": ID}},
        {"urn": "s", "type": "aws:ec2/instance:Instance", "id": server},
        {"urn": "v", "type": "aws:ebs/volume:Volume", "id": volume, "retainOnDelete": True},
        {"urn": "a", "type": "aws:ec2/eip:Eip", "id": address["AllocationId"]},
    ]
    return facts, {"deployment": {"resources": resources}}
