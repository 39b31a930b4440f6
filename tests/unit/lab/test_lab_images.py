"""Images in the lab: what AWS keeps of one and refuses, and whose file system a machine gets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.lab.cloud import Cloud, serve

ROOT, DATA = "/dev/xvda", "/dev/sdf"
TAGS = [{"Key": "Role", "Value": "image"}, {"Key": "StackId", "Value": "abc"}]
WITHOUT_DATA = [{"DeviceName": DATA, "NoDevice": ""}]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with serve(tmp_path) as served:
        yield served


def machine(cloud: Cloud, image: str = "", gib: int = 10, **more: Any) -> str:
    """A machine with a second disk, which goes with it."""
    disks = [
        {"DeviceName": ROOT, "Ebs": {"VolumeSize": gib, "Encrypted": True, "VolumeType": "gp3"}},
        {"DeviceName": DATA, "Ebs": {"VolumeSize": 1, "DeleteOnTermination": True, "VolumeType": "gp3"}},
    ]
    made = cloud.ec2.run_instances(
        ImageId=image or cloud.image(), InstanceType="t3.large", MinCount=1, MaxCount=1,
        BlockDeviceMappings=disks, **more,
    )  # fmt: skip
    return str(made["Instances"][0]["InstanceId"])


def baked(cloud: Cloud, name: str = "one") -> tuple[str, str]:
    """An image and the stopped machine that it was made of."""
    builder = machine(cloud)
    cloud.ec2.stop_instances(InstanceIds=[builder])
    made = cloud.ec2.create_image(
        InstanceId=builder,
        Name=name,
        BlockDeviceMappings=WITHOUT_DATA,
        TagSpecifications=[
            {"ResourceType": "image", "Tags": TAGS},
            {"ResourceType": "snapshot", "Tags": TAGS},
        ],
    )
    return made["ImageId"], builder


def described(cloud: Cloud, image: str) -> dict[str, Any]:
    return dict(cloud.ec2.describe_images(ImageIds=[image])["Images"][0])


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=code)


def test_an_image_has_the_root_disk_of_its_machine_and_both_have_their_tags(cloud: Cloud) -> None:
    image, builder = baked(cloud)
    told = described(cloud, image)
    assert (told["State"], told["SourceInstanceId"], told["RootDeviceName"]) == ("available", builder, ROOT)
    (disk,) = told["BlockDeviceMappings"]
    assert (disk["DeviceName"], disk["Ebs"]["VolumeSize"], disk["Ebs"]["Encrypted"]) == (ROOT, 10, True)
    assert told["Tags"] == TAGS
    (snapshot,) = cloud.ec2.describe_snapshots(SnapshotIds=[disk["Ebs"]["SnapshotId"]])["Snapshots"]
    assert (snapshot["VolumeSize"], snapshot["Encrypted"], snapshot["Tags"]) == (10, True, TAGS)


def test_it_is_pending_as_long_as_its_snapshot_and_nothing_starts_from_it_meanwhile(cloud: Cloud) -> None:
    cloud.want(snapshot_seconds=3600)
    image, _ = baked(cloud)
    assert described(cloud, image)["State"] == "pending"
    with refused("InvalidAMIID.Unavailable"):
        machine(cloud, image)


def test_an_image_whose_snapshot_fails_has_failed(cloud: Cloud) -> None:
    cloud.want(snapshot_error="no room")
    image, _ = baked(cloud)
    assert described(cloud, image)["State"] == "failed"


def test_a_machine_stands_on_the_file_system_of_the_one_that_its_image_was_made_of(cloud: Cloud) -> None:
    image, builder = baked(cloud)
    cloud.ec2.terminate_instances(InstanceIds=[builder])
    assert builder in cloud.containers.there, "its file system is the image"
    first = machine(cloud, image, gib=12)
    assert cloud.containers.machines[first].lower == builder
    cloud.ec2.deregister_image(ImageId=image)
    assert builder in cloud.containers.there, "a machine stands on it still"
    cloud.ec2.terminate_instances(InstanceIds=[first])
    assert builder not in cloud.containers.there
    assert cloud.ec2.describe_volumes()["Volumes"] == []


def test_a_smaller_root_disk_than_the_images_is_refused(cloud: Cloud) -> None:
    image, _ = baked(cloud)
    with refused("smaller than snapshot .* expect size >= 10GB"):
        machine(cloud, image, gib=9)


def test_the_snapshot_stays_as_long_as_the_image_is_registered(cloud: Cloud) -> None:
    image, _ = baked(cloud)
    snapshot = described(cloud, image)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    with refused("InvalidSnapshot.InUse"):
        cloud.ec2.delete_snapshot(SnapshotId=snapshot)
    cloud.ec2.deregister_image(ImageId=image)
    assert [one["SnapshotId"] for one in cloud.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]]
    cloud.ec2.delete_snapshot(SnapshotId=snapshot)
    with refused("InvalidSnapshot.NotFound"):
        cloud.ec2.describe_snapshots(SnapshotIds=[snapshot])


def test_two_images_of_one_name_are_refused(cloud: Cloud) -> None:
    baked(cloud)
    with refused("InvalidAMIName.Duplicate"):
        baked(cloud)


def test_of_a_machine_that_runs_or_with_its_data_disk_the_lab_makes_none(cloud: Cloud) -> None:
    builder = machine(cloud)
    with refused("stopped instances only"):
        cloud.ec2.create_image(InstanceId=builder, Name="one", BlockDeviceMappings=WITHOUT_DATA)
    cloud.ec2.stop_instances(InstanceIds=[builder])
    with refused("leave out /dev/sdf"):
        cloud.ec2.create_image(InstanceId=builder, Name="one")


def test_the_machine_of_an_image_is_not_started_again(cloud: Cloud) -> None:
    _, builder = baked(cloud)
    with refused("can be terminated, and not started again"):
        cloud.ec2.start_instances(InstanceIds=[builder])


def test_images_outlive_a_lab_that_was_killed(cloud: Cloud) -> None:
    image, builder = baked(cloud)
    cloud.ec2.terminate_instances(InstanceIds=[builder])
    cloud.start()
    assert cloud.containers.machines[machine(cloud, image)].lower == builder


def test_an_address_that_comes_with_a_machine_leads_to_it(cloud: Cloud) -> None:
    network = cloud.ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    subnet = cloud.ec2.create_subnet(VpcId=network, CidrBlock="10.20.0.0/24")["Subnet"]["SubnetId"]
    here = machine(
        cloud,
        NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet, "AssociatePublicIpAddress": True}],
    )
    told = cloud.ec2.describe_instances(InstanceIds=[here])["Reservations"][0]["Instances"][0]
    assert told["PublicIpAddress"].startswith("127.")
    assert [target.ip for target in cloud.forwarder.targets] == [told["PublicIpAddress"]]
    cloud.ec2.stop_instances(InstanceIds=[here])
    assert cloud.forwarder.targets == []
