"""The functions that ask the cloud: what they find, and what they say when they do not."""

import inspect
from typing import Any

import pulumi_aws
import pytest

from lab import seed
from lab.provider.invokes import INVOKES
from tests.unit.lab.provider.client import Client, Failed
from tests.unit.lab.provider.world import World

BY_ID = {"filters": [{"name": "instance-state-name", "values": ["running"]}]}


def arguments(world: World) -> dict[str, dict[str, Any]]:
    """For each function, arguments that find something."""
    return {
        "aws:ssm/getParameter:getParameter": {"name": "/aws/service/debian/release/13/latest/amd64"},
        "aws:ec2/getInstanceType:getInstanceType": {"instanceType": "t3.small"},
        "aws:ec2/getInstances:getInstances": {"instanceTags": {"Name": "x"}},
        "aws:ec2/getInstance:getInstance": {"instanceId": world.instance.id},
        "aws:ec2/getAmi:getAmi": {
            "owners": [seed.DEBIAN],
            "mostRecent": True,
            "nameRegex": "^debian-13-amd64-",
        },
        "aws:ebs/getEbsVolumes:getEbsVolumes": {
            "filters": [{"name": "volume-id", "values": [world.volume.id]}]
        },
        "aws:ebs/getVolume:getVolume": {"filters": [{"name": "volume-id", "values": [world.volume.id]}]},
        "aws:route53/getZone:getZone": {"zoneId": world.zone.id},
        "aws:route53/getZones:getZones": {},
        "aws:index/getRegion:getRegion": {},
        "aws:index/getCallerIdentity:getCallerIdentity": {},
        "aws:index/getAvailabilityZones:getAvailabilityZones": {"state": "available"},
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


@pytest.mark.parametrize("token", INVOKES)
def test_an_answer_has_the_names_that_the_sdk_reads(client: Client, world: World, token: str) -> None:
    answer = client.invoke(token, **arguments(world)[token])
    extra = {"tagsAll", "primaryNetworkInterfaceId", "ipv6Addresses", "sourceDestCheck"}
    assert answer["id"]
    assert set(answer) - result_keys(token) - extra == set()


def test_the_public_parameter_names_the_image(client: Client) -> None:
    found = client.invoke(
        "aws:ssm/getParameter:getParameter", name="/aws/service/debian/release/13/latest/amd64"
    )
    assert found["value"] == found["insecureValue"] == seed.image_id("amd64")


def test_a_secret_parameter_is_not_repeated_as_an_insecure_value(client: Client, aws: Any) -> None:
    aws("ssm").put_parameter(Name="/secret", Value="hush", Type="SecureString")
    found = client.invoke("aws:ssm/getParameter:getParameter", name="/secret")
    assert found["value"] == "hush"
    assert found["insecureValue"] == ""


def test_an_instance_type_tells_its_memory_in_mib_and_its_architecture(client: Client) -> None:
    found = client.invoke("aws:ec2/getInstanceType:getInstanceType", instanceType="t3.small")
    assert (found["memorySize"], found["defaultVcpus"], found["supportedArchitectures"]) == (
        2048,
        2,
        ["x86_64"],
    )


def test_instances_are_found_by_their_tags_while_they_run(client: Client, own_world: World) -> None:
    made = client.update(own_world.instance, {**own_world.instance.inputs, "tags": {"find": "me"}})
    token = "aws:ec2/getInstances:getInstances"
    assert client.invoke(token, instanceTags={"find": "me"})["ids"] == [made.id]
    client.delete(own_world.attachment)
    assert client.invoke(token, instanceTags={"find": "me"})["ids"] == []
    assert client.invoke(token, instanceTags={"find": "me"}, instanceStateNames=["stopped"])["ids"] == [
        made.id
    ]


def test_an_instance_tells_of_itself_but_not_its_user_data_unasked(client: Client, world: World) -> None:
    token = "aws:ec2/getInstance:getInstance"
    found = client.invoke(token, instanceId=world.instance.id)
    assert found["instanceType"] == "t3.small"
    assert found["metadataOptions"][0]["httpTokens"] == "required"
    assert found["rootBlockDevices"][0]["volumeSize"] == 20
    assert "userData" not in found
    assert (
        client.invoke(token, instanceId=world.instance.id, getUserData=True)["userData"] == "#cloud-config\n"
    )


def test_volumes_are_found_by_their_tags(client: Client) -> None:
    inputs = {"availabilityZone": "eu-west-1a", "size": 1}
    ids = [client.create("Volume", name, **inputs, tags={"set": "two"}).id for name in ("a", "b")]
    client.create("Volume", "c", **inputs, tags={"set": "other"})
    assert sorted(client.invoke("aws:ebs/getEbsVolumes:getEbsVolumes", tags={"set": "two"})["ids"]) == sorted(
        ids
    )


def test_a_zone_is_found_by_name_and_all_zones_by_their_ids(client: Client) -> None:
    zone = client.create("Zone", "zone", name="only.example", tags={"a": "b"})
    found = client.invoke("aws:route53/getZone:getZone", name="Only.Example.")
    assert (found["zoneId"], found["name"], found["tags"]) == (zone.id, "only.example", {"a": "b"})
    assert len(found["nameServers"]) == 4
    assert client.invoke("aws:route53/getZone:getZone", tags={"a": "b"})["zoneId"] == zone.id
    assert zone.id in client.invoke("aws:route53/getZones:getZones")["ids"]


def test_availability_zones_can_be_excluded(client: Client) -> None:
    token = "aws:index/getAvailabilityZones:getAvailabilityZones"
    assert client.invoke(token)["names"] == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    assert client.invoke(token, excludeNames=["eu-west-1b"])["names"] == ["eu-west-1a", "eu-west-1c"]


NONE = "Your query returned no results"
MANY = "Your query returned more than one result"
GP3 = [{"name": "volume-type", "values": ["gp3"]}]


@pytest.mark.parametrize(
    ("token", "args", "said"),
    [
        (
            "aws:ssm/getParameter:getParameter",
            {"name": "/no"},
            "reading SSM Parameter (/no): couldn't find resource",
        ),
        ("aws:ec2/getInstanceType:getInstanceType", {"instanceType": "t3.none"}, "InvalidInstanceType: "),
        (
            "aws:ec2/getInstance:getInstance",
            {"instanceTags": {"a": "none"}},
            "no matching EC2 Instance found",
        ),
        (
            "aws:ec2/getInstance:getInstance",
            {"instanceId": "i-0123456789abcdef0"},
            "InvalidInstanceID.NotFound: ",
        ),
        ("aws:ebs/getVolume:getVolume", {"filters": [{"name": "tag:a", "values": ["no"]}]}, NONE),
        ("aws:ebs/getVolume:getVolume", {"filters": GP3}, MANY),
        ("aws:ec2/getAmi:getAmi", {"owners": [seed.DEBIAN], "nameRegex": "windows"}, NONE),
        ("aws:ec2/getAmi:getAmi", {"owners": [seed.DEBIAN]}, MANY),
        ("aws:route53/getZone:getZone", {"name": "none.example"}, "no matching Route 53 Hosted Zone found"),
        ("aws:route53/getZone:getZone", {"name": "twice.example"}, "multiple Route 53 Hosted Zones matched"),
        ("aws:route53/getZone:getZone", {}, "one of name, zoneId and tags is needed"),
    ],
)
def test_nothing_or_too_much_found_is_said_as_the_real_provider_says_it(
    client: Client, world: World, token: str, args: dict[str, Any], said: str
) -> None:
    world.instance, world.volume  # noqa: B018 (two gp3 volumes: its own, and its root)
    if args == {"name": "twice.example"}:
        for name in ("one", "two"):
            client.create("Zone", name, **args)
    with pytest.raises(Failed) as caught:
        client.invoke(token, **args)
    [reason] = caught.value.reasons.values()
    assert reason.startswith(said)
