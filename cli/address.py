"""The public address: whether it stays when the server goes (`keepAddress`), and whether AWS has one left."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli import cloud
from workbench import leftovers, prices, stackfile
from workbench import stack as stacks
from workbench.errors import WorkbenchError

Exported = Mapping[str, Any]
ADDRESS = "aws:ec2/eip:Eip"
_ATTRIBUTE = "vpc-max-elastic-ips"


def is_kept(name: str, exported: Exported) -> bool:
    """Whether a destroy leaves the address: as the stack file says, and where there is none, as the state does."""
    try:
        return bool(stackfile.value_of(name, "keepAddress"))
    except WorkbenchError:
        return any(one.get("protect", False) for one in _of(exported))


def change_of_keeping(name: str, exported: Exported) -> str:
    """What `up` changes about whether it is kept, which the engine calls no change; "" where it changes nothing."""
    keeps = is_kept(name, exported)
    if all(one.get("protect", False) == keeps for one in _of(exported)):
        return ""
    if keeps:
        cost = prices.said(prices.ADDRESS_USD_PER_MONTH)
        return f"From now on the address stays when the server is given back, for {cost}."
    return "From now on the address goes when the server is given back."


def keep(name: str, exported: Exported, keeps: bool) -> None:
    """Has the state say the same as the stack file, which may have been changed since the last `up`."""
    for one in _of(exported):
        if one.get("protect", False) != keeps:
            verb = "protect" if keeps else "unprotect"
            stacks.Question("state", verb, one["urn"], "--yes", stack=name).said()


def require_room(name: str, exported: Exported) -> None:
    """Before anything is made. Raises WorkbenchError where the account may not have another address.

    What AWS does not say (who may ask it for less than all, may not ask this) it says when the address is asked for.
    """
    if _of(exported):
        return
    access = stacks.aws_config(name)
    try:
        ec2 = cloud.client("ec2", access)
        told = ec2.describe_account_attributes(AttributeNames=[_ATTRIBUTE])["AccountAttributes"]
        most = int(told[0]["AttributeValues"][0]["AttributeValue"])
        taken = ec2.describe_addresses()["Addresses"]
    except (BotoCoreError, ClientError, LookupError, ValueError):
        return
    stack_id = leftovers.stack_id_of(stacks.resources_in(exported))
    mine = {("Project", "workbench"), ("Stack", stacks.short_name(name)), ("StackId", stack_id)}
    for one in taken:
        tags = {(tag["Key"], tag["Value"]) for tag in one.get("Tags") or ()}
        if ("Project", "workbench") in tags and tags & (mine - {("Project", "workbench")}):
            return  # left by a run that died, or by a state that was lost: it is taken back
    if len(taken) >= most:
        raise WorkbenchError(
            f"All {most} Elastic IP addresses that AWS lets this account have in {ec2.meta.region_name} are taken; "
            "release one (`aws ec2 describe-addresses` lists them), or ask AWS for more (Service Quotas, EC2-VPC "
            "Elastic IPs). Nothing was made."
        )


def _of(exported: Exported) -> list[Mapping[str, Any]]:
    return [one for one in stacks.resources_in(exported) if one["type"] == ADDRESS]
