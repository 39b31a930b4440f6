"""Changes in place, as the account sees them afterwards."""

import base64
from typing import Any

import pytest

from lab.provider.cloud import Cloud
from tests.unit.lab.provider.client import UNKNOWN, Client, Made
from tests.unit.lab.provider.oracle import news
from tests.unit.lab.provider.world import TRUST, World


def applied(client: Client, made: Made, change: dict[str, Any]) -> Made:
    """The resource after an update, which must leave nothing to change and read back as it says."""
    wanted = news(made, change)
    assert not client.diff(made, wanted).replaces
    after = client.update(made, wanted)
    assert not client.diff(after, wanted).some
    read = client.read(after)
    assert read is not None
    assert read.inputs == after.inputs
    return after


PLAIN = [
    ("vpc", {"enableDnsHostnames": False, "tags": {"c": "d"}}),
    ("subnet", {"tags": {"a": "b"}}),
    ("gateway", {"tags": {"a": "b"}}),
    ("table", {"tags": {"a": "b"}}),
    ("group", {"tags": {"a": "b"}}),
    (
        "ingress",
        {"cidrIpv4": "1.2.3.4/32", "fromPort": 80, "toPort": 81, "description": "d", "tags": {"a": "b"}},
    ),
    ("egress", {"ipProtocol": "tcp", "fromPort": 1, "toPort": 2}),
    ("key", {"tags": {"a": "b"}}),
    ("role", {"assumeRolePolicy": TRUST.replace("ec2", "ssm"), "tags": {"a": "b"}}),
    ("profile", {"tags": {"a": "b"}}),
    ("address", {"tags": {"a": "b"}}),
    ("volume", {"size": 20, "iops": 4000, "throughput": 250, "tags": {"a": "b"}}),
    ("attachment", {"stopInstanceBeforeDetaching": None}),
    ("snapshot", {"tags": {"a": "b"}}),
    ("zone", {"comment": "x", "tags": {"a": "b"}}),
    ("record", {"ttl": 30, "records": ["4.3.2.1", "1.1.1.1"]}),
    ("record", {"type": "AAAA", "records": ["::1"]}),
]


@pytest.mark.parametrize(
    ("name", "change"), PLAIN, ids=[f"{name}-{','.join(change)}" for name, change in PLAIN]
)
def test_a_change_in_place_reads_back_and_leaves_nothing_to_change(
    client: Client, own_world: World, name: str, change: dict[str, Any]
) -> None:
    applied(client, getattr(own_world, name), change)


def test_tags_can_be_taken_away_again(client: Client, own_world: World) -> None:
    after = applied(client, own_world.vpc, {"tags": None})
    assert after.outputs["tags"] == after.outputs["tagsAll"] == {}


def test_a_gateway_moves_to_another_vpc(client: Client, own_world: World) -> None:
    other = client.create("Vpc", "other", cidrBlock="10.9.0.0/16")
    assert applied(client, own_world.gateway, {"vpcId": other.id}).outputs["vpcId"] == other.id


def test_a_route_goes_through_another_gateway(client: Client, own_world: World) -> None:
    other = client.create("InternetGateway", "other")
    assert applied(client, own_world.route, {"gatewayId": other.id}).outputs["gatewayId"] == other.id


def test_a_subnet_takes_another_route_table_and_can_be_freed_although_the_id_changed(
    client: Client, own_world: World
) -> None:
    other = client.create("RouteTable", "other", vpcId=own_world.vpc.id)
    after = applied(client, own_world.association, {"routeTableId": other.id})
    client.delete(after)
    assert client.read(after) is None


def test_a_profile_takes_another_role(client: Client, own_world: World) -> None:
    other = client.create("Role", "other", assumeRolePolicy=TRUST)
    assert applied(client, own_world.profile, {"role": other.id}).outputs["role"] == other.id


@pytest.fixture
def powered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of instances while the test runs: to stop and to start."""
    seen: list[str] = []
    real = Cloud.ask

    def ask(cloud: Cloud, call: str, **arguments: Any) -> Any:
        if call in ("ec2.stop_instances", "ec2.start_instances"):
            seen.append(call)
        return real(cloud, call, **arguments)

    monkeypatch.setattr(Cloud, "ask", ask)
    return seen


def test_another_instance_type_stops_changes_and_starts_the_same_instance(
    client: Client, own_world: World, aws: Any, powered: list[str]
) -> None:
    before = own_world.instance
    after = applied(client, before, {"instanceType": "m6i.xlarge"})
    assert powered == ["ec2.stop_instances", "ec2.start_instances"]
    assert after.id == before.id
    assert after.outputs["instanceState"] == "running"
    found = aws("ec2").describe_instances(InstanceIds=[before.id])["Reservations"][0]["Instances"][0]
    assert found["InstanceType"] == "m6i.xlarge"


def test_an_instance_takes_groups_metadata_options_and_tags_without_a_stop(
    client: Client, own_world: World, powered: list[str]
) -> None:
    other = client.create("SecurityGroup", "other", vpcId=own_world.vpc.id, description="x")
    change = {
        "vpcSecurityGroupIds": [other.id, own_world.group.id],
        "metadataOptions": {"httpTokens": "optional", "httpPutResponseHopLimit": 2},
        "tags": {"Name": "y", "b": "c"},
    }
    applied(client, own_world.instance, change)
    assert powered == []


def test_an_instance_takes_another_profile(client: Client, own_world: World) -> None:
    other = client.create("InstanceProfile", "other", role=own_world.role.id)
    applied(client, own_world.instance, {"iamInstanceProfile": other.id})


def test_the_root_disk_grows_in_place(client: Client, own_world: World, aws: Any) -> None:
    root = {
        "encrypted": True,
        "volumeSize": 30,
        "volumeType": "gp3",
        "deleteOnTermination": False,
        "tags": {"a": "b"},
    }
    after = applied(client, own_world.instance, {"rootBlockDevice": root})
    here = [{"Name": "attachment.instance-id", "Values": [after.id]}]
    [volume] = aws("ec2").describe_volumes(Filters=here)["Volumes"]
    assert (volume["Size"], volume["Tags"]) == (30, [{"Key": "a", "Value": "b"}])


def test_only_the_tags_of_the_root_disk_change_without_a_change_of_the_disk(
    client: Client, own_world: World, aws: Any
) -> None:
    # AWS takes a change of a volume once in six hours
    root = {**own_world.instance.inputs["rootBlockDevice"], "tags": {"a": "b"}}
    tagged = applied(client, own_world.instance, {"rootBlockDevice": root})
    applied(client, tagged, {"rootBlockDevice": {**root, "tags": {}}})
    here = [{"Name": "attachment.instance-id", "Values": [own_world.instance.id]}]
    [volume] = aws("ec2").describe_volumes(Filters=here)["Volumes"]
    changes = aws("ec2").describe_volumes_modifications()["VolumesModifications"]
    assert volume["VolumeId"] not in {change["VolumeId"] for change in changes}


def test_user_data_is_changed_in_place_and_read_as_text(client: Client, own_world: World, aws: Any) -> None:
    after = applied(client, own_world.instance, {"userData": "#cloud-config\npackages: [é]\n"})
    found = aws("ec2").describe_instance_attribute(InstanceId=after.id, Attribute="userData")
    assert base64.b64decode(found["UserData"]["Value"]).decode() == "#cloud-config\npackages: [é]\n"


def test_a_preview_of_an_update_shows_the_outputs_as_they_will_be(client: Client, world: World) -> None:
    made = world.instance
    wanted = news(made, {"instanceType": "m6i.large", "tags": {"Name": UNKNOWN}, "userData": None})
    after = client.update(made, wanted, preview=True).outputs
    assert after["instanceType"] == "m6i.large"
    assert after["tags"] == after["tagsAll"] == {"Name": UNKNOWN}
    assert after["privateIp"] == made.outputs["privateIp"]
    assert after["metadataOptions"] == made.outputs["metadataOptions"]
    assert "userData" not in after


def test_an_update_leaves_alone_what_the_program_ignores(client: Client, own_world: World) -> None:
    made = own_world.volume
    wanted = {**made.inputs, "size": 20, "tags": {"a": "b"}}
    after = client.update(made, wanted, ignore=("size",))
    assert after.outputs["size"] == 10
    assert after.outputs["tags"] == {"a": "b"}


def test_a_new_security_group_lets_nothing_out_until_a_rule_says_so(client: Client, own_world: World) -> None:
    assert own_world.group.outputs["egress"] == []
    own_world.egress  # noqa: B018
    read = client.read(own_world.group)
    assert read is not None
    assert [rule["cidrBlocks"] for rule in read.outputs["egress"]] == [["0.0.0.0/0"]]


def test_drift_is_found_by_a_refresh_and_put_right_by_the_next_update(
    client: Client, own_world: World, aws: Any
) -> None:
    made = own_world.instance
    ec2 = aws("ec2")
    ec2.stop_instances(InstanceIds=[made.id])
    ec2.modify_instance_attribute(InstanceId=made.id, InstanceType={"Value": "t3.nano"})
    ec2.create_tags(Resources=[made.id], Tags=[{"Key": "by", "Value": "hand"}])
    read = client.read(made)
    assert read is not None
    assert read.inputs["instanceType"] == "t3.nano"
    assert read.inputs["tags"] == {"Name": "x", "by": "hand"}
    assert read.outputs["instanceState"] == "stopped"
    verdict = client.diff(read, made.inputs)
    assert verdict.detailed == {"instanceType": "UPDATE", "tags.by": "DELETE"}
    assert applied(client, read, made.inputs).outputs["instanceType"] == "t3.small"


def test_the_drift_of_a_resource_without_that_input_is_found_too(
    client: Client, own_world: World, aws: Any
) -> None:
    made = own_world.volume
    aws("ec2").create_tags(Resources=[made.id], Tags=[{"Key": "by", "Value": "hand"}])
    read = client.read(made)
    assert read is not None
    assert read.inputs == made.inputs
    assert client.diff(read, made.inputs).detailed == {"tags.by": "DELETE"}


def test_an_instance_that_was_terminated_by_hand_reads_as_gone(
    client: Client, own_world: World, aws: Any
) -> None:
    aws("ec2").terminate_instances(InstanceIds=[own_world.instance.id])
    assert client.read(own_world.instance) is None
