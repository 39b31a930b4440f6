"""What AWS refuses, the lab refuses, with AWS's error code; and nothing has changed then."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.lab.cloud import ZONE, Cloud, Network


@pytest.fixture(scope="module")
def instance(net: Network) -> str:
    return net.run()


def refused(cloud: Cloud, code: str, call: Callable[..., Any], **arguments: Any) -> str:
    """Assert that the call is refused with the code and changes no plan; gives the message."""
    before, memory = cloud.memory.plan(), (cloud.folder / "memory.pickle").read_bytes()
    with pytest.raises(ClientError) as failure:
        call(**arguments)
    error = failure.value.response["Error"]
    assert error["Code"] == code, error
    assert cloud.memory.plan() == before
    assert (cloud.folder / "memory.pickle").read_bytes() == memory
    return str(error["Message"])


def test_a_volume_in_use_is_not_attached_twice(cloud: Cloud, net: Network, instance: str) -> None:
    volume = net.volume()
    net.attach(volume, instance, "/dev/sdm")
    other = net.run()
    refused(
        cloud, "VolumeInUse", cloud.ec2.attach_volume, VolumeId=volume, InstanceId=other, Device="/dev/sdf"
    )


def test_a_volume_of_another_zone_is_not_attached(cloud: Cloud, net: Network, instance: str) -> None:
    volume = net.volume(zone="eu-west-1b")
    code = "InvalidVolume.ZoneMismatch"
    refused(cloud, code, cloud.ec2.attach_volume, VolumeId=volume, InstanceId=instance, Device="/dev/sdg")


def test_a_device_name_in_use_is_not_given_again(cloud: Cloud, net: Network, instance: str) -> None:
    net.attach(net.volume(), instance, "/dev/sdn")
    said = refused(
        cloud, "InvalidParameterValue", cloud.ec2.attach_volume,
        VolumeId=net.volume(), InstanceId=instance, Device="/dev/sdn",
    )  # fmt: skip
    assert "already in use" in said


def test_a_volume_does_not_shrink(cloud: Cloud, net: Network) -> None:
    volume = net.volume(size=4)
    said = refused(cloud, "InvalidParameterValue", cloud.ec2.modify_volume, VolumeId=volume, Size=3)
    assert said == "New size cannot be smaller than existing size"


def test_a_volume_in_use_is_not_deleted(cloud: Cloud, net: Network, instance: str) -> None:
    volume = net.volume()
    net.attach(volume, instance, "/dev/sdo")
    refused(cloud, "VolumeInUse", cloud.ec2.delete_volume, VolumeId=volume)
    assert cloud.disks.file(volume).exists()


def test_a_mounted_volume_is_not_detached(cloud: Cloud, net: Network, instance: str) -> None:
    volume = net.volume()
    net.attach(volume, instance, "/dev/sdp")
    minor = cloud.containers.volumes[instance][volume]
    cloud.disks.loops = lambda: [cloud.disks.attach(volume)]  # type: ignore[method-assign]
    cloud.containers.mounted.add(minor)
    said = refused(cloud, "IncorrectState", cloud.ec2.detach_volume, VolumeId=volume)
    assert "busy" in said
    cloud.containers.mounted.clear()
    cloud.ec2.detach_volume(VolumeId=volume)
    assert volume not in cloud.containers.volumes[instance]


def test_a_mounted_volume_is_detached_by_force(cloud: Cloud, net: Network, instance: str) -> None:
    volume = net.volume()
    net.attach(volume, instance, "/dev/sdp")
    cloud.disks.loops = lambda: [cloud.disks.attach(volume)]  # type: ignore[method-assign]
    cloud.containers.mounted.add(cloud.containers.volumes[instance][volume])
    cloud.ec2.detach_volume(VolumeId=volume, Force=True)
    assert volume not in cloud.containers.volumes[instance]


def test_a_volume_that_is_not_attached_is_not_detached(cloud: Cloud, net: Network) -> None:
    refused(cloud, "IncorrectState", cloud.ec2.detach_volume, VolumeId=net.volume())


@pytest.mark.parametrize(("kind", "size"), [("gp3", 70000), ("st1", 10)])
def test_a_volume_of_a_size_that_its_type_has_not_is_refused(cloud: Cloud, kind: str, size: int) -> None:
    arguments = {"AvailabilityZone": ZONE, "Size": size, "VolumeType": kind}
    refused(cloud, "InvalidParameterValue", cloud.ec2.create_volume, **arguments)


def test_a_volume_smaller_than_its_snapshot_is_refused(cloud: Cloud, net: Network) -> None:
    volume = net.volume(size=3)
    snapshot = cloud.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    cloud.ec2.modify_volume(VolumeId=volume, Size=5)  # the snapshot stays of 3
    arguments = {"AvailabilityZone": ZONE, "SnapshotId": snapshot}
    refused(cloud, "InvalidParameterValue", cloud.ec2.create_volume, Size=2, **arguments)
    assert cloud.ec2.create_volume(**arguments)["Size"] == 3


def test_a_record_that_was_deleted_can_be_made_again_and_a_second_one_is_refused(cloud: Cloud) -> None:
    route53 = cloud.client("route53")
    zone = route53.create_hosted_zone(Name="example.net", CallerReference="one")["HostedZone"]["Id"]
    record = {
        "Name": "example.net",
        "Type": "CAA",
        "TTL": 60,
        "ResourceRecords": [{"Value": '0 issue "a.org"'}],
    }

    def change(action: str) -> None:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)

    for action in ("CREATE", "DELETE", "CREATE"):
        change(action)
    with pytest.raises(ClientError, match="InvalidChangeBatch"):
        change("CREATE")
    change("DELETE")


def test_a_gp3_volume_tells_the_throughput_that_it_begins_with(cloud: Cloud) -> None:
    def throughputs(*volumes: str) -> list[int | None]:
        found = cloud.ec2.describe_volumes(VolumeIds=list(volumes))["Volumes"]
        return [volume.get("Throughput") for volume in found]

    plain, old = (
        cloud.ec2.create_volume(AvailabilityZone=ZONE, Size=1, VolumeType=kind)["VolumeId"]
        for kind in ("gp3", "gp2")
    )
    asked = {"AvailabilityZone": ZONE, "Size": 1, "VolumeType": "gp3", "Throughput": 250}
    fast = cloud.ec2.create_volume(**asked)["VolumeId"]
    assert throughputs(plain, fast) == [125, 250]
    assert throughputs(old) == [None]
    cloud.ec2.modify_volume(VolumeId=old, VolumeType="gp3")
    assert throughputs(old) == [125]


def test_a_root_volume_is_neither_detached_nor_copied(cloud: Cloud, instance: str) -> None:
    told = cloud.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    root = next(m for m in told["BlockDeviceMappings"] if m["DeviceName"] == told["RootDeviceName"])
    volume = root["Ebs"]["VolumeId"]
    refused(cloud, "UnsupportedOperation", cloud.ec2.detach_volume, VolumeId=volume)
    refused(cloud, "UnsupportedOperation", cloud.ec2.create_snapshot, VolumeId=volume)


def test_the_type_of_a_running_instance_does_not_change(cloud: Cloud, instance: str) -> None:
    change = {"InstanceId": instance, "InstanceType": {"Value": "t3.large"}}
    refused(cloud, "IncorrectInstanceState", cloud.ec2.modify_instance_attribute, **change)


def test_the_user_data_of_a_running_instance_does_not_change(cloud: Cloud, instance: str) -> None:
    change = {"InstanceId": instance, "UserData": {"Value": b"#!/bin/sh\n"}}
    refused(cloud, "IncorrectInstanceState", cloud.ec2.modify_instance_attribute, **change)


def test_a_stopped_instance_does_not_become_one_of_another_architecture(cloud: Cloud, net: Network) -> None:
    stopped = net.run()
    cloud.ec2.stop_instances(InstanceIds=[stopped])
    change = {"InstanceId": stopped, "InstanceType": {"Value": "t4g.large"}}
    said = refused(cloud, "InvalidParameterValue", cloud.ec2.modify_instance_attribute, **change)
    assert "architecture" in said


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("InvalidAMIID.NotFound", {"ImageId": "ami-00000000000000000"}),
        ("InvalidParameterValue", {"InstanceType": "t3.gigantic"}),
        ("InvalidParameterValue", {"InstanceType": "t4g.small"}),
        ("InvalidKeyPair.NotFound", {"KeyName": "nobody"}),
        ("InvalidSubnetID.NotFound", {"SubnetId": "subnet-00000000000000000"}),
        ("InvalidGroup.NotFound", {"SecurityGroupIds": ["sg-00000000000000000"]}),
        ("InvalidParameterValue", {"IamInstanceProfile": {"Name": "nothing"}}),
    ],
)
def test_an_instance_needs_what_it_names(
    cloud: Cloud, net: Network, code: str, wrong: dict[str, Any]
) -> None:
    booted = list(cloud.containers.did)
    refused(cloud, code, net.run, **wrong)
    assert cloud.containers.did == booted


def test_an_instance_of_an_architecture_that_this_machine_has_not_is_refused(
    cloud: Cloud, net: Network
) -> None:
    wrong = {"ImageId": cloud.image("arm64"), "InstanceType": "t4g.small"}
    assert "arm64" in refused(cloud, "Unsupported", net.run, **wrong)


def test_a_group_of_another_network_is_refused(cloud: Cloud, net: Network) -> None:
    other = cloud.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    group = cloud.ec2.create_security_group(GroupName="other", Description="x", VpcId=other)["GroupId"]
    refused(cloud, "InvalidParameter", net.run, SecurityGroupIds=[group])


def test_a_terminated_instance_does_not_start_again(cloud: Cloud, net: Network) -> None:
    gone = net.run()
    cloud.ec2.terminate_instances(InstanceIds=[gone])
    refused(cloud, "IncorrectInstanceState", cloud.ec2.start_instances, InstanceIds=[gone])


def test_nothing_of_a_network_goes_while_an_instance_uses_it(
    cloud: Cloud, net: Network, instance: str
) -> None:
    code = "DependencyViolation"
    refused(cloud, code, cloud.ec2.delete_security_group, GroupId=net.group)
    refused(cloud, code, cloud.ec2.delete_subnet, SubnetId=net.subnet)
    refused(cloud, code, cloud.ec2.delete_vpc, VpcId=net.vpc)
    refused(cloud, code, cloud.ec2.delete_internet_gateway, InternetGatewayId=net.gateway)


def test_a_group_that_another_ones_rule_names_is_not_deleted(cloud: Cloud, net: Network) -> None:
    make = {"Description": "x", "VpcId": net.vpc}
    named = cloud.ec2.create_security_group(GroupName="named", **make)["GroupId"]
    naming = cloud.ec2.create_security_group(GroupName="naming", **make)["GroupId"]
    source = [{"GroupId": named}]
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": source}
    cloud.ec2.authorize_security_group_ingress(GroupId=naming, IpPermissions=[rule])
    refused(cloud, "DependencyViolation", cloud.ec2.delete_security_group, GroupId=named)
    cloud.ec2.delete_security_group(GroupId=naming)
    cloud.ec2.delete_security_group(GroupId=named)


def test_a_gateway_stays_while_an_address_is_mapped_through_it(cloud: Cloud, net: Network) -> None:
    allocation, _ = net.address(net.run())
    detach = {"InternetGatewayId": net.gateway, "VpcId": net.vpc}
    refused(cloud, "DependencyViolation", cloud.ec2.detach_internet_gateway, **detach)
    refused(cloud, "InvalidIPAddress.InUse", cloud.ec2.release_address, AllocationId=allocation)


def test_an_address_moves_only_when_told_that_it_may(cloud: Cloud, net: Network, instance: str) -> None:
    allocation, _ = net.address(net.run())
    move = {"AllocationId": allocation, "InstanceId": instance, "AllowReassociation": False}
    refused(cloud, "Resource.AlreadyAssociated", cloud.ec2.associate_address, **move)
    cloud.ec2.associate_address(AllocationId=allocation, InstanceId=instance, AllowReassociation=True)


def test_a_type_without_capacity_is_neither_made_nor_started_and_stays_as_it_is(
    cloud: Cloud, net: Network
) -> None:
    instance = net.run()
    cloud.ec2.stop_instances(InstanceIds=[instance])
    bigger = {"InstanceId": instance, "InstanceType": {"Value": "m6i.large"}}
    cloud.ec2.modify_instance_attribute(**bigger)
    cloud.want(without_capacity=["m6i.large", "c8a.2xlarge"])
    try:
        code = "InsufficientInstanceCapacity"
        assert "sufficient m6i.large capacity" in refused(
            cloud, code, cloud.ec2.start_instances, InstanceIds=[instance]
        )
        refused(cloud, code, net.run, InstanceType="m6i.large")
        cloud.ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": "t3.medium"})
        cloud.ec2.start_instances(InstanceIds=[instance])
    finally:
        cloud.want()


def test_an_account_has_five_addresses_and_no_more(cloud: Cloud) -> None:
    told = cloud.ec2.describe_account_attributes(AttributeNames=["vpc-max-elastic-ips"])["AccountAttributes"]
    assert told[0]["AttributeValues"] == [{"AttributeValue": "5"}]
    taken = []
    while len(cloud.ec2.describe_addresses()["Addresses"]) < 5:
        taken.append(cloud.ec2.allocate_address(Domain="vpc")["AllocationId"])
    refused(cloud, "AddressLimitExceeded", cloud.ec2.allocate_address, Domain="vpc")
    for allocation in taken:
        cloud.ec2.release_address(AllocationId=allocation)


def test_a_service_that_the_lab_has_not_is_refused_by_name(cloud: Cloud) -> None:
    assert "sqs" in refused(cloud, "UnsupportedOperation", cloud.client("sqs").list_queues)


def test_another_region_is_refused_by_name(cloud: Cloud) -> None:
    elsewhere = cloud.client("ec2", region="us-east-1")
    assert "us-east-1" in refused(cloud, "UnsupportedOperation", elsewhere.describe_vpcs)


def test_what_is_no_longer_used_goes_in_the_order_of_a_destroy(cloud: Cloud) -> None:
    cloud.ec2.delete_key_pair(KeyName="admin")
    net = Network(cloud)
    instance, volume = net.run(), net.volume()
    net.attach(volume, instance)
    allocation, _ = net.address(instance)
    cloud.ec2.stop_instances(InstanceIds=[instance])
    cloud.ec2.detach_volume(VolumeId=volume)
    cloud.ec2.terminate_instances(InstanceIds=[instance])
    cloud.ec2.release_address(AllocationId=allocation)
    cloud.ec2.detach_internet_gateway(InternetGatewayId=net.gateway, VpcId=net.vpc)
    cloud.ec2.delete_internet_gateway(InternetGatewayId=net.gateway)
    cloud.ec2.delete_security_group(GroupId=net.group)
    cloud.ec2.delete_subnet(SubnetId=net.subnet)
    cloud.ec2.delete_vpc(VpcId=net.vpc)
    assert cloud.disks.file(volume).exists()
    cloud.ec2.delete_volume(VolumeId=volume)
    assert not cloud.disks.file(volume).exists()
