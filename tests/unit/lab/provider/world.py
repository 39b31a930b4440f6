"""One resource of every type, made on demand with what it stands on."""

import json
from collections.abc import Callable
from functools import cached_property
from typing import Any

from lab import seed
from tests.unit.lab.provider.client import Client, Made

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBFNhyUtPSImEKLShYkgFxvQcZ16K5mnOlE6hLT2nQeK test"


def document(action: str, **rest: Any) -> str:
    statement = {"Effect": "Allow", "Action": action, **rest}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


TRUST = document("sts:AssumeRole", Principal={"Service": "ec2.amazonaws.com"})


MANAGED = "arn:aws:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole"


def target(role: str, seconds: int = 3600) -> dict[str, Any]:
    """What a schedule does."""
    return {
        "arn": "arn:aws:scheduler:::aws-sdk:ec2:stopInstances",
        "roleArn": role,
        "input": '{"InstanceIds": ["i-1"]}',
        "retryPolicy": {"maximumEventAgeInSeconds": seconds, "maximumRetryAttempts": 185},
    }


def details(keep: int = 7, times: str = "03:10", **changes: Any) -> dict[str, Any]:
    """What a lifecycle policy does."""
    daily = {
        "name": "daily",
        "createRule": {"interval": 24, "intervalUnit": "HOURS", "times": times},
        "retainRule": {"count": keep},
        "tagsToAdd": {"Role": "snapshot"},
    }
    return {
        "resourceTypes": ["VOLUME"],
        "targetTags": {"Role": "data"},
        "schedules": [{**daily, **changes}],
    }


def notification(kind: str, percent: int, mail: str = "ada@example.org") -> dict[str, Any]:
    """Of a budget."""
    return {
        "notificationType": kind,
        "comparisonOperator": "GREATER_THAN",
        "threshold": percent,
        "thresholdType": "PERCENTAGE",
        "subscriberEmailAddresses": [mail],
    }


class World:
    """`world.subnet` is a subnet in `world.vpc`, and so on; `world.aws("ec2")` is boto3's client."""

    def __init__(self, client: Client, aws: Callable[[str], Any]) -> None:
        self.client = client
        self.aws = aws

    @cached_property
    def vpc(self) -> Made:
        return self.client.create(
            "Vpc", "vpc", cidrBlock="10.0.0.0/16", tags={"a": "b"}, enableDnsHostnames=True
        )

    @cached_property
    def subnet(self) -> Made:
        return self.client.create(
            "Subnet", "subnet", vpcId=self.vpc.id, cidrBlock="10.0.1.0/24", availabilityZone="eu-west-1a"
        )

    @cached_property
    def gateway(self) -> Made:
        return self.client.create("InternetGateway", "gateway", vpcId=self.vpc.id)

    @cached_property
    def table(self) -> Made:
        return self.client.create("RouteTable", "table", vpcId=self.vpc.id)

    @cached_property
    def route(self) -> Made:
        return self.client.create(
            "Route",
            "route",
            routeTableId=self.table.id,
            destinationCidrBlock="0.0.0.0/0",
            gatewayId=self.gateway.id,
        )

    @cached_property
    def association(self) -> Made:
        return self.client.create(
            "RouteTableAssociation", "association", routeTableId=self.table.id, subnetId=self.subnet.id
        )

    @cached_property
    def group(self) -> Made:
        return self.client.create("SecurityGroup", "web", vpcId=self.vpc.id, description="x")

    @cached_property
    def ingress(self) -> Made:
        return self.client.create(
            "SecurityGroupIngressRule",
            "https",
            securityGroupId=self.group.id,
            cidrIpv4="0.0.0.0/0",
            fromPort=443,
            toPort=443,
            ipProtocol="tcp",
        )

    @cached_property
    def egress(self) -> Made:
        return self.client.create(
            "SecurityGroupEgressRule",
            "out",
            securityGroupId=self.group.id,
            cidrIpv4="0.0.0.0/0",
            ipProtocol="-1",
        )

    @cached_property
    def key(self) -> Made:
        return self.client.create("KeyPair", "key", publicKey=PUBLIC_KEY)

    @cached_property
    def role(self) -> Made:
        return self.client.create("Role", "role", assumeRolePolicy=TRUST)

    @cached_property
    def profile(self) -> Made:
        return self.client.create("InstanceProfile", "profile", role=self.role.id)

    @cached_property
    def instance(self) -> Made:
        return self.client.create(
            "Instance",
            "server",
            ami=seed.image_id("amd64"),
            instanceType="t3.small",
            subnetId=self.subnet.id,
            vpcSecurityGroupIds=[self.group.id],
            keyName=self.key.id,
            userData="#cloud-config\n",
            iamInstanceProfile=self.profile.id,
            metadataOptions={"httpTokens": "required"},
            rootBlockDevice={"encrypted": True, "volumeSize": 20, "volumeType": "gp3"},
            tags={"Name": "x"},
        )

    @cached_property
    def address(self) -> Made:
        return self.client.create("Eip", "address", domain="vpc")

    @cached_property
    def address_association(self) -> Made:
        return self.client.create(
            "EipAssociation", "address", instanceId=self.instance.id, allocationId=self.address.id
        )

    @cached_property
    def volume(self) -> Made:
        return self.client.create(
            "Volume", "data", availabilityZone="eu-west-1a", size=10, type="gp3", encrypted=True
        )

    @cached_property
    def attachment(self) -> Made:
        return self.client.create(
            "VolumeAttachment",
            "data",
            volumeId=self.volume.id,
            instanceId=self.instance.id,
            deviceName="/dev/sdf",
            stopInstanceBeforeDetaching=True,
        )

    @cached_property
    def snapshot(self) -> Made:
        return self.client.create("Snapshot", "snapshot", volumeId=self.volume.id)

    @cached_property
    def zone(self) -> Made:
        return self.client.create("Zone", "zone", name="example.net", comment="c")

    @cached_property
    def record(self) -> Made:
        return self.client.create(
            "Record",
            "a",
            zoneId=self.zone.id,
            name="bench.example.net",
            type="A",
            ttl=60,
            records=["1.2.3.4"],
        )

    @cached_property
    def role_policy(self) -> Made:
        policy = document("ec2:StopInstances", Resource="*")
        return self.client.create("RolePolicy", "policy", name="it", role=self.role.id, policy=policy)

    @cached_property
    def role_attachment(self) -> Made:
        return self.client.create("RolePolicyAttachment", "attached", role=self.role.id, policyArn=MANAGED)

    @cached_property
    def schedule_group(self) -> Made:
        return self.client.create("ScheduleGroup", "schedule", tags={"a": "b"})

    @cached_property
    def schedule(self) -> Made:
        return self.client.create(
            "Schedule",
            "stop",
            name="stop",
            groupName=self.schedule_group.id,
            scheduleExpression="cron(0 20 ? * MON,TUE *)",
            scheduleExpressionTimezone="Europe/Madrid",
            flexibleTimeWindow={"mode": "OFF"},
            target=target(self.role.outputs["arn"]),
        )

    @cached_property
    def lifecycle(self) -> Made:
        return self.client.create(
            "LifecyclePolicy",
            "backups",
            description="daily",
            executionRoleArn=self.role.outputs["arn"],
            state="ENABLED",
            policyDetails=details(),
            tags={"a": "b"},
        )

    @cached_property
    def budget(self) -> Made:
        return self.client.create(
            "Budget",
            "budget",
            accountId="123456789012",
            budgetType="COST",
            limitAmount="50.0",
            limitUnit="USD",
            timeUnit="MONTHLY",
            costFilters=[{"name": "TagKeyValue", "values": ["user:StackId$x"]}],
            notifications=[notification("FORECASTED", 80), notification("ACTUAL", 100)],
            tags={"a": "b"},
        )

    @cached_property
    def image(self) -> str:
        """The id of an image of the server, which no resource is."""
        tags = [{"ResourceType": "image", "Tags": [{"Key": "Role", "Value": "image"}]}]
        made = self.aws("ec2").create_image(InstanceId=self.instance.id, Name="image", TagSpecifications=tags)
        return str(made["ImageId"])

    def instance_state(self) -> str:
        found = self.aws("ec2").describe_instances(InstanceIds=[self.instance.id])
        return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])


# In an order in which each stands on those before it.
ALL = (
    "vpc", "subnet", "gateway", "table", "route", "association", "group", "ingress", "egress", "key", "role",
    "profile", "instance", "address", "address_association", "volume",
    "attachment", "snapshot", "zone", "record", "role_policy", "role_attachment", "schedule_group", "schedule",
    "lifecycle", "budget",
)  # fmt: skip

# What to give `import` where that is not the id.
IMPORTS: dict[str, Callable[[Made], str]] = {
    "route": lambda made: f"{made.inputs['routeTableId']}_{made.inputs['destinationCidrBlock']}",
    "role_attachment": lambda made: f"{made.inputs['role']}/{made.inputs['policyArn']}",
    "association": lambda made: f"{made.inputs['subnetId']}/{made.inputs['routeTableId']}",
    "attachment": lambda made: ":".join(
        made.inputs[name] for name in ("deviceName", "volumeId", "instanceId")
    ),
}
