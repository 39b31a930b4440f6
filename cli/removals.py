"""How things in AWS go that have to let go of others first."""

from dataclasses import dataclass
from typing import Any

from cli import cloud

Client = Any


@dataclass(frozen=True)
class OfAccount:
    """A client of Budgets, which has to be told the account with each call."""

    client: Client
    account: str


def terminate(ec2: Client, server: str) -> None:
    ec2.terminate_instances(InstanceIds=[server])
    ec2.get_waiter("instance_terminated").wait(
        InstanceIds=[server], WaiterConfig={"Delay": cloud.POLL_SECONDS}
    )


def release_address(ec2: Client, address: str) -> None:
    for one in ec2.describe_addresses(AllocationIds=[address])["Addresses"]:
        if "AssociationId" in one:
            ec2.disassociate_address(AssociationId=one["AssociationId"])
    ec2.release_address(AllocationId=address)


def remove_table(ec2: Client, table: str) -> None:
    for one in ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]:
        for association in one["Associations"]:
            ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
    ec2.delete_route_table(RouteTableId=table)


def remove_gateway(ec2: Client, gateway: str) -> None:
    for one in ec2.describe_internet_gateways(InternetGatewayIds=[gateway])["InternetGateways"]:
        for attachment in one["Attachments"]:
            ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=attachment["VpcId"])
    ec2.delete_internet_gateway(InternetGatewayId=gateway)


def remove_role(iam: Client, role: str) -> None:
    """With what it may do."""
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=role):
        for policy in page["PolicyNames"]:
            iam.delete_role_policy(RoleName=role, PolicyName=policy)
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=role):
        for policy in page["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
    iam.delete_role(RoleName=role)


def remove_budget(budgets: OfAccount, budget: str) -> None:
    budgets.client.delete_budget(AccountId=budgets.account, BudgetName=budget.partition(":")[2])


def remove_profile(iam: Client, profile: str) -> None:
    for role in iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"]:
        iam.remove_role_from_instance_profile(InstanceProfileName=profile, RoleName=role["RoleName"])
    iam.delete_instance_profile(InstanceProfileName=profile)
