"""What Check refuses, fills in and names."""

from typing import Any

import pytest

from lab.provider.catalogue import TYPES
from lab.provider.checking import check
from tests.unit.lab.provider.client import UNKNOWN, Client, Failed
from tests.unit.lab.provider.world import PUBLIC_KEY, TRUST

SERVER = {"ami": "ami-1", "instanceType": "t3.small"}
RULE = {
    "securityGroupId": "sg-1",
    "ipProtocol": "tcp",
    "fromPort": 443,
    "toPort": 443,
    "cidrIpv4": "0.0.0.0/0",
}
VOLUME = {"availabilityZone": "eu-west-1a", "size": 10}
RECORD = {"zoneId": "Z1", "name": "a.example.org", "type": "A", "ttl": 60, "records": ["1.2.3.4"]}

# kind, inputs, the input that is wrong, and what is said about it
REFUSED = [
    ("Vpc", {}, "cidrBlock", "cidrBlock is missing"),
    ("Vpc", {"cidrBlock": "10.0.0.0/8"}, "cidrBlock", "prefix length from /16 to /28"),
    ("Vpc", {"cidrBlock": "10.0.0.1/16"}, "cidrBlock", "IPv4 network such as 10.0.0.0/16, got '10.0.0.1/16'"),
    ("Vpc", {"cidrBlock": "10.0.0.0/16", "cidrblock": "x"}, "cidrblock", "cidrblock is no input of it"),
    ("Vpc", {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": "yes"}, "enableDnsHostnames", "must be true or false"),
    ("Vpc", {"cidrBlock": "10.0.0.0/16", "tags": ["a"]}, "tags", "must be a map of texts"),
    ("Vpc", {"cidrBlock": "10.0.0.0/16", "tags": {"a": {"b": "c"}}}, "tags", "must be a map of texts"),
    ("RouteTable", {"vpcId": "vpc-1", "routes": []}, "routes", "routes is no input of it that the lab knows"),
    ("SecurityGroup", {"description": "naïve"}, "description", "255 of the characters"),
    ("SecurityGroup", {"description": "x", "ingress": []}, "ingress", "ingress is no input of it that the lab knows"),
    ("SecurityGroupIngressRule", {"securityGroupId": "sg-1", "ipProtocol": "-1"}, "cidrIpv4", "cidrIpv4 is missing"),
    ("KeyPair", {"publicKey": "ssh-dss AAAA"}, "publicKey", "must be an OpenSSH public key"),
    ("Instance", {"ami": "ami-1"}, "instanceType", "instanceType is missing"),
    ("Instance", SERVER | {"metadataOptions": {"httpTokens": "on"}}, "metadataOptions.httpTokens", "required, got"),
    ("Instance", SERVER | {"metadataOptions": {"tokens": "on"}}, "metadataOptions.tokens", "is no input"),
    ("Instance", SERVER | {"rootBlockDevice": {"volumeSize": "big"}}, "rootBlockDevice.volumeSize", "a whole number"),
    ("Instance", SERVER | {"rootBlockDevice": []}, "rootBlockDevice", "must be an object"),
    ("Instance", SERVER | {"vpcSecurityGroupIds": "sg-1"}, "vpcSecurityGroupIds", "must be a list of texts"),
    ("Instance", SERVER | {"vpcSecurityGroupIds": [1]}, "vpcSecurityGroupIds", "must be a list of texts"),
    ("Instance", SERVER | {"userData": "é" * 8193}, "userData", "may have 16384 bytes, has 16386"),
    ("EipAssociation", {"allocationId": "x"}, "instanceId", "instanceId is missing"),
    ("Volume", {"availabilityZone": "eu-west-1a"}, "size", "size is missing"),
    ("SecurityGroupIngressRule", RULE | {"ipProtocol": "6"}, "ipProtocol", "must be one of tcp, udp, icmp, -1"),
    ("Volume", VOLUME | {"type": "gp4"}, "type", "must be one of standard, io1"),
    ("Volume", VOLUME | {"size": True}, "size", "must be a whole number, got true"),
    ("Role", {"assumeRolePolicy": TRUST, "name": "x" * 65}, "name", "may have 64 characters, got 65"),
    ("Record", RECORD | {"type": "B"}, "type", "must be one of A, AAAA, CAA"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "inputs", "wrong", "said"), REFUSED, ids=[f"{r[0]}-{r[3]}" for r in REFUSED]
)
def test_wrong_inputs_are_refused_by_name(
    client: Client, kind: str, inputs: dict[str, Any], wrong: str, said: str
) -> None:
    with pytest.raises(Failed) as caught:
        client.check(kind, "it", inputs)
    [(property_, reason)] = caught.value.reasons.items()
    assert property_ == wrong
    assert said in reason
    assert f":{kind} 'it': " in reason
    assert "\n" not in reason


def test_a_value_that_may_be_a_secret_is_not_repeated(client: Client) -> None:
    with pytest.raises(Failed, match="userData must be text, got a list") as caught:
        client.check("Instance", "it", SERVER | {"userData": ["hunter2"]})
    assert "hunter2" not in str(caught.value)


def test_all_that_is_wrong_is_said_at_once(client: Client) -> None:
    with pytest.raises(Failed) as caught:
        client.check("Subnet", "it", {"cidrBlock": "x", "zone": "y"})
    assert set(caught.value.reasons) == {"cidrBlock", "zone", "vpcId"}


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("Vpc", {"cidrBlock": UNKNOWN}),
        (
            "SecurityGroupIngressRule",
            {"securityGroupId": UNKNOWN, "ipProtocol": UNKNOWN, "cidrIpv4": UNKNOWN},
        ),
        ("Instance", SERVER | {"ami": UNKNOWN, "vpcSecurityGroupIds": [UNKNOWN], "userData": UNKNOWN}),
        (
            "Instance",
            SERVER | {"vpcSecurityGroupIds": UNKNOWN, "rootBlockDevice": UNKNOWN, "metadataOptions": UNKNOWN},
        ),
        (
            "Volume",
            {"availabilityZone": UNKNOWN, "size": UNKNOWN, "encrypted": UNKNOWN, "tags": {"a": UNKNOWN}},
        ),
        ("Role", {"assumeRolePolicy": UNKNOWN}),
    ],
)
def test_what_a_preview_does_not_know_yet_is_not_refused(
    client: Client, kind: str, inputs: dict[str, Any]
) -> None:
    assert inputs.items() <= client.check(kind, "it", inputs).items()


def test_values_are_taken_as_loosely_as_the_real_provider_takes_them(client: Client) -> None:
    given = {"availabilityZone": "eu-west-1a", "size": "50", "encrypted": "true", "tags": {"a": 1}}
    checked = client.check("Volume", "it", given)
    assert checked == {"availabilityZone": "eu-west-1a", "size": 50, "encrypted": True, "tags": {"a": "1"}}


# ---- names


@pytest.mark.parametrize(
    ("kind", "key", "inputs"),
    [
        ("KeyPair", "keyName", {"publicKey": PUBLIC_KEY}),
        ("SecurityGroup", "name", {"description": "x"}),
        ("Role", "name", {"assumeRolePolicy": TRUST}),
        ("InstanceProfile", "name", {}),
    ],
)
def test_what_needs_a_name_gets_one_of_its_own_and_keeps_it(
    client: Client, kind: str, key: str, inputs: dict[str, Any]
) -> None:
    first = client.check(kind, "it", inputs)
    assert first[key].startswith("it-")
    assert len(first[key]) == len("it-") + 7
    assert client.check(kind, "it", inputs)[key] != first[key]
    assert client.check(kind, "it", inputs, olds=first)[key] == first[key]
    assert client.check(kind, "it", {**inputs, key: "mine"}, olds=first)[key] == "mine"


def test_the_same_seed_gives_the_same_name_in_preview_and_in_the_real_run() -> None:
    kind = TYPES["aws:ec2/securityGroup:SecurityGroup"]
    names = {check(kind, "it", {}, {}, b"seed")[0]["name"] for _ in range(2)}
    assert len(names) == 1


@pytest.mark.parametrize("name", ["sg", "sg-web"])
def test_a_generated_name_never_looks_like_the_id_of_a_security_group(client: Client, name: str) -> None:
    assert client.check("SecurityGroup", name, {"description": "x"})["name"].startswith("group-")
