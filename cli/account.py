"""What AWS has of a stack, by the tags that all of it carries, beside what the stack's state knows of.

Through boto3, where infra asks through the provider: here there is no run of the engine.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli import cloud, makers, removals
from cli.described import Tags, tags_of
from cli.removals import Client
from workbench import images, leftovers, servers, volumes
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.leftovers import LIVING, Leftover

Listing = Callable[[Client], Iterator[tuple[dict[str, Any], Tags]]]
_SELDOM = {"scheduler", "dlm", "budgets"}


@dataclass(frozen=True)
class Found:
    """One thing in AWS: what the engine calls its type, its role in the stack, and what people are told."""

    type: str
    role: str
    what: Leftover


def of(stack: str, stack_id: str | None = None) -> list[Found]:
    """All that carries the stack's name or its id, whoever made it. Raises WorkbenchError where AWS refuses."""
    name = stacks.short_name(stack)
    access = stacks.aws_config(stack)
    try:
        clients = {service: _client(service, access) for service in {kind.service for kind in KINDS}}
        return [
            Found(kind.type, tags["Role"], kind.told(item, tags.get("StackId", "(no id)")))
            for kind in KINDS
            for item, tags in _seen(kind, clients[kind.service])
            if tags.get("Project") == "workbench" and "Role" in tags
            if tags.get("Stack") == name or (stack_id and tags.get("StackId") == stack_id)
        ]
    except (BotoCoreError, ClientError) as error:
        raise WorkbenchError(f"AWS did not say what it has of stack {name}: {error}") from None


def _client(service: str, access: stacks.AwsConfig) -> Client:
    client = cloud.client(service, access)
    if service != "budgets":
        return client
    return removals.OfAccount(client, cloud.client("sts", access).get_caller_identity()["Account"])


def _seen(kind: "Kind", client: Client) -> list[tuple[dict[str, Any], Tags]]:
    """All of a kind. Of a service that not every stack needs, nothing, where one may not ask: then one made nothing."""
    try:
        return list(kind.list(client))
    except ClientError as error:
        if kind.service in _SELDOM and error.response["Error"]["Code"].startswith("AccessDenied"):
            return []
        raise


def unknown(found: Iterable[Found], exported: Mapping[str, Any]) -> list[Found]:
    """Those that the state does not know."""
    resources = stacks.resources_in(exported)
    known = {resource.get("id") for resource in resources}
    return [one for one in found if one.what.id not in known]


def remove(stack: str, found: Iterable[Found]) -> Iterator[Found]:
    """Removes things in an order in which AWS takes it, and names each once it is gone.

    Raises WorkbenchError before anything where one holds data (a volume, a zone), and where AWS refuses one.
    """
    wanted = {one.what.id: one for one in found}
    access = stacks.aws_config(stack)
    for one in wanted.values():
        if holds_data(one):
            raise WorkbenchError(f"{one.what} holds what people made, and is never removed by this command.")
    for kind in KINDS:
        for one in [one for one in wanted.values() if one.type == kind.type]:
            assert kind.remove
            try:
                kind.remove(_client(kind.service, access), one.what.id)
            except (BotoCoreError, ClientError) as error:
                raise WorkbenchError(f"{one.what} could not be removed: {error}") from None
            yield one


def holds_data(one: Found) -> bool:
    """Whether people's work may be on it, so that it is never removed."""
    return next(kind.remove is None for kind in KINDS if kind.type == one.type)


@dataclass(frozen=True)
class Kind:
    """A type of the engine's: how AWS lists it, what is told of one, and how one is removed (None: never)."""

    type: str
    list: Listing
    told: Callable[[dict[str, Any], str], Leftover]
    remove: Callable[[Client, str], object] | None

    @property
    def service(self) -> str:
        """The service of AWS that is asked: `ec2` for aws:ec2/vpc:Vpc."""
        module = self.type.split(":")[1].partition("/")[0]
        return "ec2" if module == "ebs" else module


def _listed(operation: str, key: str) -> Listing:
    """What an operation of EC2 describes, with its tags."""

    def list_(ec2: Client) -> Iterator[tuple[dict[str, Any], Tags]]:
        filters = [{"Name": "tag:Project", "Values": ["workbench"]}]
        for item in getattr(ec2, operation)(Filters=filters)[key]:
            yield item, tags_of(item)

    return list_


def _volumes(ec2: Client) -> Iterator[tuple[dict[str, Any], Tags]]:
    """Those that stay for themselves: a root disk, and what a builder has, goes with its server."""
    for volume, tags in _listed("describe_volumes", "Volumes")(ec2):
        if not (tags.get("Role") in (volumes.ROOT, volumes.BUILDER) and volume["Attachments"]):
            yield volume, tags


def _servers(ec2: Client) -> Iterator[tuple[dict[str, Any], Tags]]:
    filters = [{"Name": "tag:Project", "Values": ["workbench"]}]
    for reservation in ec2.describe_instances(Filters=filters)["Reservations"]:
        for server in reservation["Instances"]:
            tags = tags_of(server)
            at_work = tags.get("Role") == images.BUILDER and makers.lives(tags.get("By", ""))
            if server["State"]["Name"] in LIVING and not at_work:
                yield (_with_root(ec2, server) if tags.get("Role") == servers.FORMER else server), tags


def _with_root(ec2: Client, server: dict[str, Any]) -> dict[str, Any]:
    """With the size of its root disk, which is not among what it says of itself and is what a stopped one costs."""
    filters = [
        {"Name": "attachment.instance-id", "Values": [server["InstanceId"]]},
        {"Name": "tag:Role", "Values": [volumes.ROOT]},
    ]
    return {**server, "RootGib": sum(one["Size"] for one in ec2.describe_volumes(Filters=filters)["Volumes"])}


def _in_iam(listing: str, kind: str) -> Listing:
    """What an operation of IAM lists by pages; the tags come with each one alone."""

    def list_(iam: Client) -> Iterator[tuple[dict[str, Any], Tags]]:
        names = {"Role": "RoleName", "InstanceProfile": "InstanceProfileName"}[kind]
        asked = {"Role": iam.get_role, "InstanceProfile": iam.get_instance_profile}[kind]
        for page in iam.get_paginator(listing).paginate():
            for item in page[f"{kind}s"]:
                if item[names].startswith("workbench-"):
                    yield item, tags_of(asked(**{names: item[names]})[kind])

    return list_


def _schedule_groups(scheduler: Client) -> Iterator[tuple[dict[str, Any], Tags]]:
    """With what is in them, which has no tags."""
    for page in scheduler.get_paginator("list_schedule_groups").paginate(NamePrefix="workbench-"):
        for group in page["ScheduleGroups"]:
            yield group, tags_of(scheduler.list_tags_for_resource(ResourceArn=group["Arn"]))


def _lifecycle_policies(dlm: Client) -> Iterator[tuple[dict[str, Any], Tags]]:
    for policy in dlm.get_lifecycle_policies()["Policies"]:
        yield policy, policy.get("Tags") or {}


def _budgets(budgets: removals.OfAccount) -> Iterator[tuple[dict[str, Any], Tags]]:
    client, account = budgets.client, budgets.account
    for page in client.get_paginator("describe_budgets").paginate(AccountId=account):
        for budget in page.get("Budgets") or ():
            name = budget["BudgetName"]
            if name.startswith("workbench-"):
                arn = f"arn:{client.meta.partition}:budgets::{account}:budget/{name}"
                tags = client.list_tags_for_resource(ResourceARN=arn).get("ResourceTags")
                yield {"Id": f"{account}:{name}"}, tags_of({"Tags": tags})


def _plain(kind: str, key: str) -> Callable[[dict[str, Any], str], Leftover]:
    """What costs nothing by itself."""
    return lambda item, stack_id: Leftover(kind, item[key], stack_id)


def _server(item: dict[str, Any], stack_id: str) -> Leftover:
    # of one that runs, the price is that of the type alone
    told = item["InstanceId"], stack_id, item["InstanceType"], item["State"]["Name"], item.get("RootGib", 0)
    return leftovers.server(*told, role=tags_of(item).get("Role", ""))


# In the order in which AWS lets them go. Rules, routes, associations, schedules and policies of roles go with what they
# are part of.
KINDS = (
    Kind(
        "aws:scheduler/scheduleGroup:ScheduleGroup", _schedule_groups,
        _plain("schedule", "Name"), lambda scheduler, id_: scheduler.delete_schedule_group(Name=id_),
    ),
    Kind(
        "aws:dlm/lifecyclePolicy:LifecyclePolicy", _lifecycle_policies,
        _plain("policy of daily snapshots", "PolicyId"), lambda dlm, id_: dlm.delete_lifecycle_policy(PolicyId=id_),
    ),
    Kind("aws:budgets/budget:Budget", _budgets, _plain("budget", "Id"), removals.remove_budget),
    Kind("aws:ec2/instance:Instance", _servers, _server, removals.terminate),
    Kind(
        "aws:ec2/eip:Eip", _listed("describe_addresses", "Addresses"),
        lambda item, stack_id: leftovers.address(item["AllocationId"], stack_id, item["PublicIp"]),
        removals.release_address,
    ),
    Kind(
        "aws:ebs/volume:Volume", _volumes,
        lambda item, stack_id: leftovers.volume(
            item["VolumeId"], stack_id, item["Size"], tags_of(item).get("Role", "")
        ),
        None,
    ),
    Kind(
        "aws:ec2/securityGroup:SecurityGroup", _listed("describe_security_groups", "SecurityGroups"),
        _plain("security group", "GroupId"), lambda ec2, id_: ec2.delete_security_group(GroupId=id_),
    ),
    Kind(
        "aws:ec2/routeTable:RouteTable", _listed("describe_route_tables", "RouteTables"),
        _plain("route table", "RouteTableId"), removals.remove_table,
    ),
    Kind(
        "aws:ec2/internetGateway:InternetGateway", _listed("describe_internet_gateways", "InternetGateways"),
        _plain("gateway", "InternetGatewayId"), removals.remove_gateway,
    ),
    Kind(
        "aws:ec2/subnet:Subnet", _listed("describe_subnets", "Subnets"),
        _plain("subnet", "SubnetId"), lambda ec2, id_: ec2.delete_subnet(SubnetId=id_),
    ),
    Kind(
        "aws:ec2/vpc:Vpc", _listed("describe_vpcs", "Vpcs"),
        _plain("network", "VpcId"), lambda ec2, id_: ec2.delete_vpc(VpcId=id_),
    ),
    Kind(
        "aws:ec2/keyPair:KeyPair", _listed("describe_key_pairs", "KeyPairs"),
        _plain("key pair", "KeyName"), lambda ec2, id_: ec2.delete_key_pair(KeyName=id_),
    ),
    Kind(
        "aws:iam/instanceProfile:InstanceProfile",
        _in_iam("list_instance_profiles", "InstanceProfile"),
        _plain("instance profile", "InstanceProfileName"), removals.remove_profile,
    ),
    Kind(
        "aws:iam/role:Role", _in_iam("list_roles", "Role"),
        _plain("role", "RoleName"), removals.remove_role,
    ),
)  # fmt: skip
