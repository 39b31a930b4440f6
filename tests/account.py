"""All that an AWS account has, its defaults aside, and all that a stack's state has, in the same words: to be equal.

Both are {type token of Pulumi: ids}. Left out is what AWS makes with something else: a VPC's own group, table and
network ACL, an instance's root disk and network interface. Of a terminated instance AWS tells for a while.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import boto3
from botocore.exceptions import ClientError

Held = dict[str, set[str]]
# Where Pulumi's id is not AWS's own, or cannot be made out from it.
IDS: Mapping[str, Callable[[Any], str]] = {
    "aws:ec2/route:Route": lambda out: f"{out['routeTableId']} {out['destinationCidrBlock']}",
    "aws:ec2/volumeAttachment:VolumeAttachment": lambda out: f"{out['volumeId']} {out['instanceId']}",
}
GONE = {"shutting-down", "terminated"}
ATTEMPTS = 10


def in_state(deployment: Mapping[str, Any]) -> Held:
    """Of what `pulumi stack export` gives under `deployment`: its AWS resources, and the operations still pending."""
    held: Held = {}
    for item in deployment.get("resources") or ():
        kind = item["type"]
        if kind.startswith("aws:"):
            named = IDS[kind](item["outputs"]) if kind in IDS else item["id"]
            held.setdefault(kind, set()).add(named)
    pending = {item["resource"]["urn"] for item in deployment.get("pending_operations") or ()}
    held |= {"pending": pending} if pending else {}
    return dict(sorted(held.items()))


def in_account(client: Callable[[str], Any]) -> Held:
    """Asks all services that the program uses but Route 53; `client` makes a boto3 client of a service."""
    ec2 = client("ec2")
    found = {
        **_network(ec2),
        **_groups(ec2),
        **_machines(ec2),
        **_access(ec2, client("iam")),
        **_upkeep(client),
    }
    return {kind: found[kind] for kind in sorted(found) if found[kind]}


def empty(client: Callable[[str], Any]) -> None:
    """Removes all of that from the account; again where something that still runs made more meanwhile."""
    _remove_images(client("ec2"))
    _remove_snapshots(client("ec2"))
    removals = {**_upkeep_removals(client), **_removals(client("ec2"), client("iam"))}
    for _ in range(ATTEMPTS):
        held = in_account(client)
        if not held:
            return
        for kind, remove in removals.items():
            for name in held.get(kind, ()):
                with suppress(ClientError):  # it is still there in the next round
                    remove(name)
    raise AssertionError(f"cannot be removed: {held}")


def _remove_images(ec2: Any) -> None:
    """Of which no state knows either; their snapshots go afterwards."""
    for image in ec2.describe_images(Owners=["self"])["Images"]:
        ec2.deregister_image(ImageId=image["ImageId"])


def _remove_snapshots(ec2: Any) -> None:
    """Of which no state knows, so that nothing is compared."""
    ours = [{"Name": "tag:Project", "Values": ["workbench"]}]
    for snapshot in ec2.describe_snapshots(OwnerIds=["self"], Filters=ours)["Snapshots"]:
        ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])


def _removals(ec2: Any, iam: Any) -> dict[str, Callable[[str], object]]:
    """In the order in which AWS lets them go; rules, routes and attachments go with what they are of."""

    def gateway(name: str) -> None:
        found = ec2.describe_internet_gateways(InternetGatewayIds=[name])["InternetGateways"][0]
        for attached in found["Attachments"]:
            ec2.detach_internet_gateway(InternetGatewayId=name, VpcId=attached["VpcId"])
        ec2.delete_internet_gateway(InternetGatewayId=name)

    def profile(name: str) -> None:
        for role in iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]:
            iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role["RoleName"])
        iam.delete_instance_profile(InstanceProfileName=name)

    return {
        "aws:ec2/instance:Instance": lambda name: ec2.terminate_instances(InstanceIds=[name]),
        "aws:ec2/eipAssociation:EipAssociation": lambda name: ec2.disassociate_address(AssociationId=name),
        "aws:ec2/eip:Eip": lambda name: ec2.release_address(AllocationId=name),
        "aws:ebs/volume:Volume": lambda name: ec2.delete_volume(VolumeId=name),
        "aws:ec2/routeTableAssociation:RouteTableAssociation": lambda name: ec2.disassociate_route_table(
            AssociationId=name
        ),
        "aws:ec2/securityGroup:SecurityGroup": lambda name: ec2.delete_security_group(GroupId=name),
        "aws:ec2/routeTable:RouteTable": lambda name: ec2.delete_route_table(RouteTableId=name),
        "aws:ec2/internetGateway:InternetGateway": gateway,
        "aws:ec2/subnet:Subnet": lambda name: ec2.delete_subnet(SubnetId=name),
        "aws:ec2/vpc:Vpc": lambda name: ec2.delete_vpc(VpcId=name),
        "aws:ec2/keyPair:KeyPair": lambda name: ec2.delete_key_pair(KeyName=name),
        "aws:iam/instanceProfile:InstanceProfile": profile,
        "aws:iam/role:Role": lambda name: iam.delete_role(RoleName=name),
    }


def _upkeep_removals(client: Callable[[str], Any]) -> dict[str, Callable[[str], object]]:
    """Schedules go with their group."""
    scheduler, dlm, budgets, iam = (client(name) for name in ("scheduler", "dlm", "budgets", "iam"))

    def budget(name: str) -> None:
        account, _, called = name.partition(":")
        budgets.delete_budget(AccountId=account, BudgetName=called)

    def policy(name: str) -> None:
        role, _, called = name.partition(":")
        iam.delete_role_policy(RoleName=role, PolicyName=called)

    def attached(name: str) -> None:
        role, _, arn = name.partition("/")
        iam.detach_role_policy(RoleName=role, PolicyArn=arn)

    return {
        "aws:scheduler/scheduleGroup:ScheduleGroup": lambda name: scheduler.delete_schedule_group(Name=name),
        "aws:dlm/lifecyclePolicy:LifecyclePolicy": lambda name: dlm.delete_lifecycle_policy(PolicyId=name),
        "aws:budgets/budget:Budget": budget,
        "aws:iam/rolePolicy:RolePolicy": policy,
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment": attached,
    }


def client(environment: Mapping[str, str]) -> Callable[[str], Any]:
    """Makes clients of the account that a lab's variables name."""

    def make(service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name=environment["AWS_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )

    return make


def _network(ec2: Any) -> Held:
    vpcs = {vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]}
    tables = [table for table in ec2.describe_route_tables()["RouteTables"] if table["VpcId"] in vpcs]
    links = [link for table in tables for link in table["Associations"]]
    main = {link["RouteTableId"] for link in links if link.get("Main")}
    gateways = ec2.describe_internet_gateways()["InternetGateways"]
    return {
        "aws:ec2/vpc:Vpc": vpcs,
        "aws:ec2/subnet:Subnet": {
            subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"] if subnet["VpcId"] in vpcs
        },
        "aws:ec2/internetGateway:InternetGateway": {
            gateway["InternetGatewayId"]
            for gateway in gateways
            if {attached["VpcId"] for attached in gateway["Attachments"]} <= vpcs
        },
        "aws:ec2/routeTable:RouteTable": {table["RouteTableId"] for table in tables} - main,
        "aws:ec2/route:Route": {
            f"{table['RouteTableId']} {route.get('DestinationCidrBlock')}"
            for table in tables
            for route in table["Routes"]
            if route.get("GatewayId") != "local"
        },
        "aws:ec2/routeTableAssociation:RouteTableAssociation": {
            link["RouteTableAssociationId"] for link in links if not link.get("Main")
        },
    }


def _groups(ec2: Any) -> Held:
    groups = {
        group["GroupId"]
        for group in ec2.describe_security_groups()["SecurityGroups"]
        if group["GroupName"] != "default"
    }
    rules = [
        rule
        for rule in ec2.describe_security_group_rules()["SecurityGroupRules"]
        if rule["GroupId"] in groups
    ]
    return {
        "aws:ec2/securityGroup:SecurityGroup": groups,
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {
            rule["SecurityGroupRuleId"] for rule in rules if not rule["IsEgress"]
        },
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": {
            rule["SecurityGroupRuleId"] for rule in rules if rule["IsEgress"]
        },
    }


def _machines(ec2: Any) -> Held:
    addresses = ec2.describe_addresses()["Addresses"]
    instances = [
        instance
        for reservation in ec2.describe_instances()["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] not in GONE
    ]
    roots = {
        mapping["Ebs"]["VolumeId"]
        for instance in instances
        for mapping in instance["BlockDeviceMappings"]
        if mapping["Ebs"]["DeleteOnTermination"]
    }
    volumes = [volume for volume in ec2.describe_volumes()["Volumes"] if volume["VolumeId"] not in roots]
    return {
        "aws:ec2/instance:Instance": {instance["InstanceId"] for instance in instances},
        "aws:ec2/eip:Eip": {address["AllocationId"] for address in addresses},
        "aws:ec2/eipAssociation:EipAssociation": {
            address["AssociationId"] for address in addresses if address.get("AssociationId")
        },
        "aws:ebs/volume:Volume": {volume["VolumeId"] for volume in volumes},
        "aws:ec2/volumeAttachment:VolumeAttachment": {
            f"{volume['VolumeId']} {attached['InstanceId']}"
            for volume in volumes
            for attached in volume["Attachments"]
        },
    }


def _access(ec2: Any, iam: Any) -> Held:
    return {
        "aws:ec2/keyPair:KeyPair": {key["KeyName"] for key in ec2.describe_key_pairs()["KeyPairs"]},
        "aws:iam/role:Role": {role["RoleName"] for role in iam.list_roles()["Roles"]},
        "aws:iam/instanceProfile:InstanceProfile": {
            profile["InstanceProfileName"] for profile in iam.list_instance_profiles()["InstanceProfiles"]
        },
    }


def _upkeep(client: Callable[[str], Any]) -> Held:
    scheduler, iam = client("scheduler"), client("iam")
    account = client("sts").get_caller_identity()["Account"]
    roles = [role["RoleName"] for role in iam.list_roles()["Roles"]]
    groups = [group["Name"] for group in scheduler.list_schedule_groups()["ScheduleGroups"]]
    return {
        "aws:scheduler/scheduleGroup:ScheduleGroup": set(groups) - {"default"},
        "aws:scheduler/schedule:Schedule": {
            f"{one['GroupName']}/{one['Name']}" for one in scheduler.list_schedules()["Schedules"]
        },
        "aws:dlm/lifecyclePolicy:LifecyclePolicy": {
            policy["PolicyId"] for policy in client("dlm").get_lifecycle_policies()["Policies"]
        },
        "aws:budgets/budget:Budget": {
            f"{account}:{budget['BudgetName']}"
            for budget in client("budgets").describe_budgets(AccountId=account)["Budgets"]
        },
        "aws:iam/rolePolicy:RolePolicy": {
            f"{role}:{policy}"
            for role in roles
            for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]
        },
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment": {
            f"{role}/{policy['PolicyArn']}"
            for role in roles
            for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        },
    }
