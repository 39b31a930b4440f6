"""The functions that ask the cloud: what they find, and what they say when they do not."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pulumi_aws
import pytest

from lab import seed
from lab.provider.invokes import INVOKES
from tests.unit.lab.provider.client import Client, Failed
from tests.unit.lab.provider.oracle import oracle
from tests.unit.lab.provider.world import World

TOOL = Path(__file__).parents[5] / "shared" / "tools" / "tfaws.py"
BINARIES = sorted(Path("/opt").glob("**/terraform-provider-aws_v5*"))


def having(name: str, value: str) -> dict[str, Any]:
    """The arguments that ask for what this filter fits."""
    return {"filters": [{"name": name, "values": [value]}]}


def token(function: str) -> str:
    """`ec2/getVpcs` as the SDK calls it."""
    return f"aws:{function}:{function.partition('/')[2]}"


def ask(client: Client, function: str, /, **args: Any) -> dict[str, Any]:
    return client.invoke(token(function), **args)


def arguments(world: World) -> dict[str, list[dict[str, Any]]]:
    """For each function, arguments that find something."""
    vpc = having("vpc-id", world.vpc.id)
    return {
        "ec2/getVpcs": [{"tags": {"a": "b"}}, vpc],
        "ec2/getVpc": [{"id": world.vpc.id}],
        "ec2/getElasticIp": [{"id": world.address.id}, {"publicIp": world.address.outputs["publicIp"]}],
        "ec2/getSubnets": [vpc],
        "ec2/getInternetGateway": [
            {"internetGatewayId": world.gateway.id},
            having("attachment.vpc-id", world.vpc.id),
        ],
        "ec2/getRouteTables": [{"vpcId": world.vpc.id}],
        "ec2/getRouteTable": [
            {"routeTableId": world.route.inputs["routeTableId"]},
            {"subnetId": world.subnet.id},
        ],
        "ec2/getSecurityGroups": [vpc],
        "vpc/getSecurityGroupRules": [having("group-id", world.group.id)],
        "ec2/getEips": [{}, having("allocation-id", world.address.id)],
        "ec2/getInstances": [{"instanceTags": {"Name": "x"}}],
        "ec2/getInstance": [{"instanceId": world.instance.id}],
        "ebs/getEbsVolumes": [having("volume-id", world.volume.id)],
        "ebs/getVolume": [having("volume-id", world.volume.id)],
        "ebs/getSnapshotIds": [{"owners": ["self"], **having("snapshot-id", world.snapshot.id)}],
        "ebs/getSnapshot": [{"snapshotIds": [world.snapshot.id]}],
        "ec2/getAmiIds": [{"owners": ["self"], **having("image-id", world.image)}],
        "ec2/getAmi": [{"owners": ["self"], **having("image-id", world.image)}],
        "ec2/getInstanceType": [{"instanceType": "t3.small"}],
        "ec2/getInstanceTypeOfferings": [
            {"locationType": "availability-zone", **having("instance-type", "c8a.2xlarge")}
        ],
        "iam/getRoles": [{"nameRegex": f"^{world.role.id}$"}],
        "iam/getInstanceProfile": [{"name": world.profile.id}],
        "route53/getZone": [{"zoneId": world.zone.id}],
        "route53/getZones": [{}],
        "route53/getRecords": [{"zoneId": world.record.inputs["zoneId"], "nameRegex": "^bench"}],
        "ssm/getParameter": [{"name": "/aws/service/debian/release/13/latest/amd64"}],
        "index/getRegion": [{}],
        "index/getCallerIdentity": [{}],
    }


def result_keys(token: str) -> set[str]:
    """What the SDK's result class reads."""
    _, module, function = token.split(":")
    place = getattr(pulumi_aws, module.split("/")[0], pulumi_aws)
    result = getattr(place, "AwaitableG" + function[1:] + "Result")
    names = list(inspect.signature(result.__init__).parameters)[1:]
    return {
        name.split("_")[0] + "".join(word[:1].upper() + word[1:] for word in name.split("_")[1:])
        for name in names
    }


def test_every_function_is_tried_here(world: World) -> None:
    assert {token(function) for function in arguments(world)} == set(INVOKES)


@pytest.mark.parametrize("function", INVOKES)
def test_an_answer_has_the_names_that_the_sdk_reads(client: Client, world: World, function: str) -> None:
    [args, *_] = arguments(world)[function.split(":")[1]]
    answer = client.invoke(function, **args)
    # of an instance everything that its resource has is told
    extra = {"tagsAll", "primaryNetworkInterfaceId"} if function.endswith("Instance") else {"id"}
    assert set(answer) - result_keys(function) - extra == set()


def comparable(value: Any) -> Any:
    """An answer without what the oracle writes in its own way: names within lists, spaces, empty values."""
    if isinstance(value, dict):
        named = {re.sub("_(.)", lambda match: match[1].upper(), key): item for key, item in value.items()}
        return {key: comparable(item) for key, item in named.items() if item not in (None, "", 0, [], {})}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, str) and value.startswith("{"):
        return json.loads(value) if '"' in value else value
    if not isinstance(value, str):
        return value
    # the oracle does not ask for the account, and writes a time of IAM in another form
    time = re.sub(r"^(\d{4}-\d\d-\d\d).(\d\d:\d\d:\d\d).*$", r"\1 \2", value)
    return time.replace(":123456789012:", "::")


def agrees(ours: Any, theirs: Any) -> bool:
    """Whether all that we say is said there too; of things in lists we may say less."""
    if isinstance(ours, dict):
        return all(agrees(ours[key], theirs[key]) for key in ours.keys() & theirs.keys())
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(agrees, ours, theirs))
    return bool(ours == theirs)


@pytest.mark.oracle
def test_the_real_provider_answers_the_same(client: Client, world: World, endpoint: str) -> None:
    world.attachment, world.association  # noqa: B018
    with oracle(TOOL, BINARIES[0], endpoint) as real:
        for function, listed in arguments(world).items():
            if function == "ec2/getElasticIp":
                continue  # aws_eip there, a name that the tool does not find
            for args in listed:
                ours, theirs = (comparable(ask(one, function, **args)) for one in (client, real))
                # the id of a list of images is a hash of the question there
                for key in (ours.keys() & theirs.keys()) - ({"id"} if function == "ec2/getAmiIds" else set()):
                    assert agrees(ours[key], theirs[key]), (function, args, key, ours[key], theirs[key])


def test_the_public_parameter_names_the_image(client: Client) -> None:
    found = ask(client, "ssm/getParameter", name="/aws/service/debian/release/13/latest/amd64")
    assert found["value"] == found["insecureValue"] == seed.image_id("amd64")


def test_a_secret_parameter_is_not_repeated_as_an_insecure_value(client: Client, aws: Any) -> None:
    aws("ssm").put_parameter(Name="/secret", Value="hush", Type="SecureString")
    found = ask(client, "ssm/getParameter", name="/secret")
    assert found["value"] == "hush"
    assert found["insecureValue"] == ""


def test_an_instance_type_tells_its_memory_in_mib_and_its_architecture(client: Client) -> None:
    found = ask(client, "ec2/getInstanceType", instanceType="t3.small")
    assert (found["memorySize"], found["defaultVcpus"], found["supportedArchitectures"]) == (
        2048,
        2,
        ["x86_64"],
    )


def test_instances_are_found_by_their_tags_while_they_run(client: Client, own_world: World) -> None:
    made = client.update(own_world.instance, {**own_world.instance.inputs, "tags": {"find": "me"}})
    function = "ec2/getInstances"
    assert ask(client, function, instanceTags={"find": "me"})["ids"] == [made.id]
    client.delete(own_world.attachment)
    assert ask(client, function, instanceTags={"find": "me"})["ids"] == []
    assert ask(client, function, instanceTags={"find": "me"}, instanceStateNames=["stopped"])["ids"] == [
        made.id
    ]


def test_an_instance_tells_of_itself_but_not_its_user_data(client: Client, world: World) -> None:
    found = ask(client, "ec2/getInstance", instanceId=world.instance.id)
    assert found["instanceType"] == "t3.small"
    assert found["metadataOptions"][0]["httpTokens"] == "required"
    assert found["rootBlockDevices"][0]["volumeSize"] == 20
    assert "cloud-config" not in str(found)


def test_a_type_is_offered_in_some_zones_of_the_region_only(client: Client) -> None:
    found = ask(
        client,
        "ec2/getInstanceTypeOfferings",
        locationType="availability-zone",
        filters=[{"name": "instance-type", "values": ["c8a.2xlarge"]}],
    )
    assert sorted(found["locations"]) == ["eu-west-1a", "eu-west-1b"]
    assert set(found["instanceTypes"]) == {"c8a.2xlarge"}


@pytest.mark.parametrize(
    ("function", "tag", "where"),
    [
        ("ec2/getVpcs", "vpc", "ids"),
        ("ec2/getRouteTables", "table", "ids"),
        ("ec2/getSecurityGroups", "group", "ids"),
        ("vpc/getSecurityGroupRules", "ingress", "ids"),
        ("ec2/getEips", "address", "allocationIds"),
        ("ec2/getInternetGateway", "gateway", "id"),
    ],
)
def test_what_is_lost_is_found_again_by_its_tags(
    client: Client, own_world: World, function: str, tag: str, where: str
) -> None:
    made = getattr(own_world, tag)
    client.update(made, {**made.inputs, "tags": {"Stack": made.id}})
    found = ask(client, function, tags={"Stack": made.id})[where]
    assert found in (made.id, [made.id])


def test_an_argument_that_the_lab_does_not_know_is_refused(client: Client) -> None:
    with pytest.raises(Failed, match="owner is no argument that the lab knows; it knows filters, tags"):
        ask(client, "ec2/getVpcs", owner="me")


def test_volumes_are_found_by_their_tags(client: Client) -> None:
    inputs = {"availabilityZone": "eu-west-1a", "size": 1}
    ids = [client.create("Volume", name, **inputs, tags={"set": "two"}).id for name in ("a", "b")]
    client.create("Volume", "c", **inputs, tags={"set": "other"})
    assert sorted(ask(client, "ebs/getEbsVolumes", tags={"set": "two"})["ids"]) == sorted(ids)


def test_the_newest_snapshot_is_the_first(client: Client) -> None:
    volume = client.create("Volume", "v", availabilityZone="eu-west-1a", size=1)
    made = [client.create("Snapshot", name, volumeId=volume.id, tags={"of": "v"}).id for name in ("a", "b")]
    asked = {"owners": ["self"], "filters": [{"name": "tag:of", "values": ["v", "w"]}]}
    assert ask(client, "ebs/getSnapshotIds", **asked)["ids"] == made[::-1]


def test_the_newest_image_is_the_first_and_others_images_are_none_of_ours(
    client: Client, own_world: World
) -> None:
    newest = own_world.image
    ids = ask(client, "ec2/getAmiIds", owners=["self"])["ids"]
    assert ids[0] == newest
    debians = ask(client, "ssm/getParameter", name="/aws/service/debian/release/13/latest/amd64")["value"]
    assert debians not in ids
    told = ask(client, "ec2/getAmi", owners=["self"], **having("image-id", newest))
    (disk,) = told["blockDeviceMappings"]
    assert disk["deviceName"] == told["rootDeviceName"]
    assert (disk["ebs"]["volume_size"], disk["ebs"]["encrypted"]) == ("15", "false"), "as moto has it"
    assert (told["rootSnapshotId"], told["tags"]) == (disk["ebs"]["snapshot_id"], {"Role": "image"})


def test_a_zone_is_found_by_name_and_all_zones_by_their_ids(client: Client) -> None:
    zone = client.create("Zone", "zone", name="only.example", comment="x", tags={"a": "b"})
    found = ask(client, "route53/getZone", name="Only.Example.")
    assert (found["zoneId"], found["name"], found["tags"]) == (zone.id, "only.example", {"a": "b"})
    assert len(found["nameServers"]) == 4
    assert zone.id in ask(client, "route53/getZones")["ids"]


NONE = "Your query returned no results"
MANY = "multiple EBS Volumes matched"
GP3 = [{"name": "volume-type", "values": ["gp3"]}]


@pytest.mark.parametrize(
    ("function", "args", "said"),
    [
        (
            "ssm/getParameter",
            {"name": "/no"},
            "reading SSM Parameter (/no): couldn't find resource",
        ),
        ("ec2/getInstanceType", {"instanceType": "t3.none"}, "InvalidInstanceType: "),
        (
            "ec2/getInstance",
            {"instanceTags": {"a": "none"}},
            "no matching EC2 Instance found",
        ),
        (
            "ec2/getInstance",
            {"instanceId": "i-0123456789abcdef0"},
            "no matching EC2 Instance found",
        ),
        ("ebs/getVolume", {"filters": [{"name": "tag:a", "values": ["no"]}]}, NONE),
        ("ebs/getVolume", {"filters": GP3}, MANY),
        ("ec2/getInternetGateway", {"tags": {"a": "none"}}, "no matching EC2 Internet Gateway found"),
        ("ec2/getRouteTable", {"tags": {"a": "none"}}, "query returned no results"),
        (
            "iam/getInstanceProfile",
            {"name": "none"},
            "reading IAM Instance Profile (none): couldn't find resource",
        ),
        ("route53/getZone", {"name": "none.example"}, "no matching Route 53 Hosted Zone found"),
        ("route53/getZone", {"name": "twice.example"}, "multiple Route 53 Hosted Zones matched"),
    ],
)
def test_nothing_or_too_much_found_is_said_as_the_real_provider_says_it(
    client: Client, world: World, function: str, args: dict[str, Any], said: str
) -> None:
    world.instance, world.volume  # noqa: B018 (two gp3 volumes: its own, and its root)
    if args == {"name": "twice.example"}:
        for name in ("one", "two"):
            client.create("Zone", name, comment="x", **args)
    with pytest.raises(Failed) as caught:
        ask(client, function, **args)
    [reason] = caught.value.reasons.values()
    assert reason.startswith(said)
