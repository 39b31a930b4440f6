"""What the API does is done, kept, and taken back when it cannot be done."""

import gzip
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab import seed
from lab.memory import Memory
from tests.unit.lab.cloud import Cloud, Network, serve
from workbench.errors import WorkbenchError


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with serve(tmp_path) as served:
        yield served


@pytest.fixture
def net(cloud: Cloud) -> Network:
    return Network(cloud)


def state(cloud: Cloud, instance: str) -> str:
    told = cloud.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    return str(told["State"]["Name"])


def test_a_new_daemon_knows_what_the_last_one_did(cloud: Cloud, net: Network) -> None:
    instance, volume = net.run(), net.volume()
    net.attach(volume, instance)
    _, address = net.address(instance)
    cloud.client("iam").create_role(RoleName="workbench", AssumeRolePolicyDocument="{}")
    zone = cloud.client("route53").create_hosted_zone(Name="example.org", CallerReference="1")
    cloud.client("ssm").put_parameter(Name="mine", Value="1", Type="String")
    before = cloud.memory.plan()
    cloud.start()
    assert cloud.memory.plan() == before
    assert cloud.forwarder.targets[0].ip == address
    assert cloud.client("iam").get_role(RoleName="workbench")["Role"]["RoleName"] == "workbench"
    assert cloud.client("route53").get_hosted_zone(Id=zone["HostedZone"]["Id"])["HostedZone"]
    assert cloud.client("ssm").get_parameter(Name="mine")["Parameter"]["Value"] == "1"
    cloud.ec2.stop_instances(InstanceIds=[instance])
    assert state(cloud, instance) == "stopped"


def test_buckets_and_what_is_in_them_are_kept_and_a_call_that_fails_takes_none_away(cloud: Cloud) -> None:
    s3, content = cloud.client("s3"), b"x" * 300_000
    s3.create_bucket(Bucket="acme", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="acme", Key="raw/a b", Body=content)
    with pytest.raises(ClientError):
        s3.put_object(Bucket="none", Key="a", Body=b"")
    cloud.start()
    assert s3.get_object(Bucket="acme", Key="raw/a b")["Body"].read() == content
    assert s3.head_bucket(Bucket="acme", ExpectedBucketOwner=seed.ACCOUNT)["BucketRegion"] == "eu-west-1"
    with pytest.raises(ClientError, match="403"):
        s3.head_bucket(Bucket="acme", ExpectedBucketOwner="210987654321")
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket="none", ExpectedBucketOwner=seed.ACCOUNT)
    assert s3.head_object(Bucket="acme", Key="raw/a b")["ContentLength"] == len(content)
    s3.delete_object(Bucket="acme", Key="raw/a b")
    s3.delete_bucket(Bucket="acme")
    cloud.start()
    assert s3.list_buckets()["Buckets"] == []


def test_a_new_account_knows_no_image_but_debians(cloud: Cloud) -> None:
    images = {image["ImageId"]: image for image in cloud.ec2.describe_images()["Images"]}
    assert set(images) == {cloud.image("amd64"), cloud.image("arm64")}
    image = images[cloud.image("amd64")]
    assert image["Name"].startswith("debian-13-amd64-")
    assert image["RootDeviceName"] == "/dev/xvda"


def test_debian_publishes_another_release_when_a_test_says_so_and_the_first_stays(cloud: Cloud) -> None:
    first, name = cloud.image(), "/aws/service/debian/release/13/latest/amd64"

    def latest() -> str:
        return str(cloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])

    assert latest() == first
    cloud.want(debian="20261123-2300")
    newer = latest()
    told = cloud.ec2.describe_images(ImageIds=[first, newer])["Images"]
    assert {one["ImageId"]: one["Name"].rpartition("-13-")[2] for one in told} == {
        first: f"amd64-{seed.RELEASE}",
        newer: "amd64-20261123-2300",
    }
    cloud.start()
    assert latest() == newer
    assert len(cloud.ec2.describe_images()["Images"]) == 4
    cloud.want()
    assert latest() == first


def test_the_memory_is_for_its_owner_alone(cloud: Cloud) -> None:
    assert stat.S_IMODE((cloud.folder / "memory.pickle").stat().st_mode) == 0o600


def test_a_memory_that_cannot_be_read_is_one_clear_sentence(tmp_path: Path) -> None:
    file = tmp_path / "memory.pickle"
    file.write_bytes(b"not a pickle")
    with pytest.raises(WorkbenchError, match="cannot be read"):
        Memory(file).load()


def test_an_instance_that_does_not_boot_was_never_there(cloud: Cloud, net: Network) -> None:
    before = cloud.memory.plan()
    cloud.containers.broken = "boot"
    with pytest.raises(ClientError) as failure:
        net.run()
    assert failure.value.response["Error"]["Code"] == "InsufficientInstanceCapacity"
    assert "no boot today" in failure.value.response["Error"]["Message"]
    assert cloud.memory.plan() == before
    cloud.containers.broken = ""
    cloud.start()
    assert cloud.memory.plan() == before
    assert net.run() in cloud.containers.there


def test_an_attachment_that_fails_is_taken_back(cloud: Cloud, net: Network) -> None:
    instance, volume = net.run(), net.volume()
    cloud.containers.broken = "give"
    with pytest.raises(ClientError, match="InternalError"):
        net.attach(volume, instance)
    assert cloud.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"] == "available"
    cloud.containers.broken = ""
    net.attach(volume, instance)
    assert cloud.containers.volumes[instance].keys() == {volume}


def test_a_removal_that_fails_stands_and_is_finished_by_the_next_call(cloud: Cloud, net: Network) -> None:
    instance = net.run()
    cloud.containers.broken = "remove"
    with pytest.raises(ClientError):
        cloud.ec2.terminate_instances(InstanceIds=[instance])
    cloud.containers.broken = ""
    net.volume()
    assert instance not in cloud.containers.there


def test_an_instance_may_be_terminated_twice_as_who_was_not_answered_in_time_does(
    cloud: Cloud, net: Network
) -> None:
    instance = net.run()
    _, address = net.address(instance)
    for _ in range(2):
        cloud.ec2.terminate_instances(InstanceIds=[instance])
        assert state(cloud, instance) == "terminated"
    (told,) = cloud.ec2.describe_addresses()["Addresses"]
    assert (told["PublicIp"], told.get("InstanceId") or "") == (address, "")


def test_what_a_kill_left_undone_is_done_at_the_next_start(cloud: Cloud, net: Network) -> None:
    stays, goes, stopped = net.run(), net.run(), net.run()
    volume = net.volume()
    # Written down, and killed before anything was done about it.
    ec2 = cloud.memory.ec2
    before = cloud.memory.plan()
    ec2.terminate_instances([goes])
    ec2.stop_instances([stopped])
    ec2.delete_volume(volume)
    cloud.memory.note_deletions(before)
    cloud.memory.save()
    cloud.containers.ends(stays, 137)  # and a reboot ended the machines
    cloud.start()
    assert cloud.containers.there.keys() == {stays, stopped}
    assert cloud.containers.there[stays].running
    assert not cloud.containers.there[stopped].running
    assert not cloud.disks.file(volume).exists()


def test_a_lost_memory_costs_no_volume(cloud: Cloud, net: Network) -> None:
    volume = net.volume()
    instance = net.run()
    (cloud.folder / "memory.pickle").unlink()
    cloud.start()
    assert instance not in cloud.containers.there, "a container that nobody knows is cleared"
    assert cloud.disks.file(volume).exists()


def test_user_data_reaches_the_machine_byte_for_byte(cloud: Cloud, net: Network) -> None:
    given = gzip.compress(b"#cloud-config\n") + bytes(range(256))
    instance = net.run(UserData=given)
    machine = cloud.containers.machines[instance]
    assert machine.user_data == given
    assert machine.public_key.startswith("ssh-ed25519 AAAA")
    assert machine.hostname == "ip-" + machine.private_ip.replace(".", "-")


def test_a_changed_type_reaches_the_machine_when_it_starts(cloud: Cloud, net: Network) -> None:
    instance = net.run()
    cloud.ec2.stop_instances(InstanceIds=[instance])
    cloud.ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": "m5.xlarge"})
    cloud.ec2.start_instances(InstanceIds=[instance])
    machine = cloud.containers.machines[instance]
    assert (machine.vcpus, machine.memory_mib) == (4, 16384)


def test_reading_changes_nothing_and_boots_nothing(cloud: Cloud, net: Network) -> None:
    net.run()
    did = list(cloud.containers.did)
    cloud.ec2.describe_instances()
    cloud.ec2.create_tags(Resources=[net.vpc], Tags=[{"Key": "a", "Value": "b"}])
    assert cloud.containers.did == did


def test_a_reboot_stops_and_boots(cloud: Cloud, net: Network) -> None:
    instance = net.run()
    cloud.ec2.reboot_instances(InstanceIds=[instance])
    assert cloud.containers.did[-2:] == [f"stop {instance}", f"boot {instance}"]


def test_a_machine_that_reboots_from_inside_boots_again(cloud: Cloud, net: Network) -> None:
    instance = net.run()
    cloud.containers.ends(instance, 129)
    cloud.api.look_after()
    assert cloud.containers.there[instance].running
    assert state(cloud, instance) == "running"


def test_a_machine_that_powers_off_from_inside_is_stopped(cloud: Cloud, net: Network) -> None:
    instance = net.run()
    cloud.containers.ends(instance, 130)
    cloud.api.look_after()
    assert state(cloud, instance) == "stopped"
    cloud.start()
    assert not cloud.containers.there[instance].running


def test_a_machine_that_is_killed_boots_again_but_not_for_ever(cloud: Cloud, net: Network) -> None:
    instance = net.run()
    for _ in range(3):
        cloud.containers.ends(instance, 137)
        cloud.api.look_after()
        assert state(cloud, instance) == "running"
    cloud.containers.ends(instance, 137)
    cloud.api.look_after()
    assert state(cloud, instance) == "stopped"


def test_an_address_opens_what_the_groups_say_now(cloud: Cloud, net: Network) -> None:
    instance = net.run()
    net.open(22, 22, "203.0.113.0/24")
    net.open(443, 443, "0.0.0.0/0", protocol="udp")
    allocation, ip = net.address(instance)

    def seen() -> set[tuple[int, int, str]]:
        (target,) = cloud.forwarder.targets
        return {(rule.first, rule.last, str(rule.network)) for rule in target.allowed}

    assert cloud.forwarder.targets[0].ip == ip
    assert seen() == {(22, 22, "203.0.113.0/24")}
    net.open(8000, 8010, "0.0.0.0/0")
    assert (8000, 8010, "0.0.0.0/0") in seen()
    other = cloud.ec2.create_security_group(GroupName="other", Description="x", VpcId=net.vpc)["GroupId"]
    cloud.ec2.modify_instance_attribute(InstanceId=instance, Groups=[other])
    assert seen() == set(), "groups are replaced, not added to"
    cloud.ec2.stop_instances(InstanceIds=[instance])
    assert cloud.forwarder.targets == []
    cloud.ec2.start_instances(InstanceIds=[instance])
    association = cloud.ec2.describe_addresses(AllocationIds=[allocation])["Addresses"][0]["AssociationId"]
    cloud.ec2.disassociate_address(AssociationId=association)
    assert cloud.forwarder.targets == []


def test_a_terminated_instance_gives_its_address_and_volumes_back(cloud: Cloud, net: Network) -> None:
    instance, volume = net.run(), net.volume()
    net.attach(volume, instance)
    allocation, _ = net.address(instance)
    cloud.ec2.terminate_instances(InstanceIds=[instance])
    assert "AssociationId" not in cloud.ec2.describe_addresses(AllocationIds=[allocation])["Addresses"][0]
    volumes = {v["VolumeId"]: v["State"] for v in cloud.ec2.describe_volumes()["Volumes"]}
    assert volumes == {volume: "available"}, "its root volume went with it"
    assert cloud.disks.file(volume).exists()


def test_the_console_is_the_machines_own(cloud: Cloud, net: Network) -> None:
    instance = net.run()
    told: Any = cloud.ec2.get_console_output(InstanceId=instance)
    assert told["Output"] == f"console of {instance}\n"


def test_status_tells_instances_and_volumes(cloud: Cloud, net: Network) -> None:
    instance, volume = net.run(), net.volume(size=2)
    net.attach(volume, instance)
    _, ip = net.address(instance)
    told = cloud.api.describe()
    assert told["instances"] == [{"id": instance, "type": "t3.small", "state": "running", "address": ip}]
    assert told["volumes"] == [{"id": volume, "size_gib": 2, "attached_to": instance}]
