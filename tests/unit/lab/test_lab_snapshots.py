"""A snapshot's life in the lab: its states, its content, what is refused; and a volume's changes in six hours.

The machines are fakes (tests/unit/lab/cloud.py), the disks' files are real.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.lab.cloud import ZONE, Cloud, Network


@pytest.fixture(autouse=True)
def nothing_fails(cloud: Cloud) -> Iterator[None]:
    yield
    cloud.want()
    later(cloud, 0)


def later(cloud: Cloud, seconds: float) -> None:
    """The lab's clock is that much ahead."""
    cloud.memory.clock.ahead = timedelta(seconds=seconds)


def write(cloud: Cloud, volume: str, text: bytes) -> None:
    with cloud.disks.file(volume).open("r+b") as file:
        file.write(text)


def taken(cloud: Cloud, volume: str) -> str:
    return str(cloud.ec2.create_snapshot(VolumeId=volume)["SnapshotId"])


def described(cloud: Cloud, snapshot: str) -> dict[str, Any]:
    return dict(cloud.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0])


def code_of(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as failure:
        call(**arguments)
    return str(failure.value.response["Error"]["Code"])


def test_a_snapshot_is_pending_first_and_then_completed(cloud: Cloud, net: Network) -> None:
    volume = net.volume()
    made = cloud.ec2.create_snapshot(VolumeId=volume, Description="by hand")
    assert made["State"] == "pending"
    told = described(cloud, made["SnapshotId"])
    assert (told["State"], told["Progress"], told["VolumeId"]) == ("completed", "100%", volume)


def test_a_slow_snapshot_tells_how_far_it_is_and_no_volume_is_made_of_it_until_then(
    cloud: Cloud, net: Network
) -> None:
    cloud.want(snapshot_seconds=1000)
    snapshot = taken(cloud, net.volume())
    later(cloud, 500)
    told = described(cloud, snapshot)
    assert told["State"] == "pending"
    assert 45 <= int(told["Progress"].rstrip("%")) <= 55
    code = code_of(cloud.ec2.create_volume, AvailabilityZone=ZONE, SnapshotId=snapshot)
    assert code == "IncorrectState"
    later(cloud, 1001)
    assert described(cloud, snapshot)["State"] == "completed"
    assert cloud.ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot)["Size"] == 1


def test_a_snapshot_can_fail_and_says_why(cloud: Cloud, net: Network) -> None:
    cloud.want(snapshot_error="Given key ID is not accessible")
    snapshot = taken(cloud, net.volume())
    told = described(cloud, snapshot)
    assert (told["State"], told["StateMessage"]) == ("error", "Given key ID is not accessible")
    assert code_of(cloud.ec2.create_volume, AvailabilityZone=ZONE, SnapshotId=snapshot) == "IncorrectState"


def test_a_snapshot_holds_what_was_there_when_it_was_asked_for(cloud: Cloud, net: Network) -> None:
    """Also where it is pending for long: AWS takes the content with the call."""
    volume = net.volume()
    write(cloud, volume, b"before")
    cloud.want(snapshot_seconds=1000)
    snapshot = taken(cloud, volume)
    write(cloud, volume, b"after!")
    later(cloud, 2000)
    cloud.ec2.delete_volume(VolumeId=volume)
    made = cloud.ec2.create_volume(AvailabilityZone="eu-west-1b", SnapshotId=snapshot, Size=2)
    file = cloud.disks.file(made["VolumeId"])
    with file.open("rb") as content:
        assert content.read(6) == b"before"
    assert file.stat().st_size == 2 * 1024**3


def test_a_deleted_snapshot_leaves_no_file_and_no_name(cloud: Cloud, net: Network) -> None:
    snapshot = taken(cloud, net.volume())
    assert cloud.disks.snapshot_file(snapshot).exists()
    cloud.ec2.delete_snapshot(SnapshotId=snapshot)
    assert not cloud.disks.snapshot_file(snapshot).exists()
    for call in (cloud.ec2.delete_snapshot, lambda **_: described(cloud, snapshot)):
        with pytest.raises(ClientError, match=rf"InvalidSnapshot.NotFound.*'{snapshot}' does not exist"):
            call(SnapshotId=snapshot)
    code = code_of(cloud.ec2.create_volume, AvailabilityZone=ZONE, SnapshotId=snapshot)
    assert code == "InvalidSnapshot.NotFound"


def test_a_snapshot_that_an_image_uses_stays(cloud: Cloud, net: Network) -> None:
    instance = net.run()
    cloud.ec2.stop_instances(InstanceIds=[instance])
    image = cloud.ec2.create_image(InstanceId=instance, Name="one")["ImageId"]
    mappings = cloud.ec2.describe_images(ImageIds=[image])["Images"][0]["BlockDeviceMappings"]
    snapshot = mappings[0]["Ebs"]["SnapshotId"]
    assert code_of(cloud.ec2.delete_snapshot, SnapshotId=snapshot) == "InvalidSnapshot.InUse"


def test_a_pending_snapshot_is_known_after_the_lab_was_killed(cloud: Cloud, net: Network) -> None:
    cloud.want(snapshot_seconds=1000)
    snapshot = taken(cloud, net.volume())
    cloud.start()
    assert described(cloud, snapshot)["State"] == "pending"
    later(cloud, 2000)
    assert described(cloud, snapshot)["State"] == "completed"


def test_a_machine_stands_still_while_its_disk_is_copied_and_goes_on(cloud: Cloud, net: Network) -> None:
    instance, volume = net.run(), net.volume()
    net.attach(volume, instance)
    net.run()
    cloud.containers.did.clear()
    taken(cloud, volume)
    assert cloud.containers.did == [f"pause {instance}", f"resume {instance}"]
    assert cloud.containers.there[instance].status == "running"


def test_a_lab_that_was_killed_during_the_copy_takes_it_and_lets_the_machine_go_on(
    cloud: Cloud, net: Network
) -> None:
    instance, volume = net.run(), net.volume()
    net.attach(volume, instance)
    snapshot = taken(cloud, volume)
    cloud.disks.snapshot_file(snapshot).unlink()
    cloud.containers.pause(instance)
    cloud.start()
    assert cloud.disks.snapshot_file(snapshot).exists()
    assert cloud.containers.there[instance].status == "running"


def test_a_volume_is_changed_once_in_six_hours(cloud: Cloud, net: Network) -> None:
    volume = net.volume()
    cloud.ec2.modify_volume(VolumeId=volume, Size=2)
    for hours in (0, 5.9):
        later(cloud, hours * 3600)
        code = code_of(cloud.ec2.modify_volume, VolumeId=volume, Size=3)
        assert code == "VolumeModificationRateExceeded"
    later(cloud, 6.01 * 3600)
    cloud.ec2.modify_volume(VolumeId=volume, Size=3)
    code = code_of(cloud.ec2.modify_volume, VolumeId=volume, Size=4)
    assert code == "VolumeModificationRateExceeded"
    assert cloud.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Size"] == 3
