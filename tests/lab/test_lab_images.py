"""Images with everything real: machines that boot from one have its files, and what each writes is its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import control
from tests import workbench_in_lab
from tests.lab.world import World, output, traces

pytestmark = pytest.mark.lab


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    if reason := workbench_in_lab.unable():
        pytest.skip(reason)
    monkeypatch.setenv("WORKBENCH_LAB_DIR", str(tmp_path / "home"))
    try:
        control.start(print)
        yield World()
    finally:
        control.purge()
        left = traces()
    assert not any(left.values())


def booted_from(world: World, image: str) -> str:
    """A machine from the image, at the world's address; its id."""
    told = world.ec2.describe_instances(InstanceIds=[world.instance])["Reservations"][0]["Instances"][0]
    made = world.ec2.run_instances(
        ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, KeyName="test",
        SubnetId=told["SubnetId"], SecurityGroupIds=[world.group],
    )["Instances"][0]["InstanceId"]  # fmt: skip
    at = world.ec2.describe_addresses(PublicIps=[world.ip])["Addresses"][0]["AllocationId"]
    world.ec2.associate_address(AllocationId=at, InstanceId=made, AllowReassociation=True)
    return str(made)


def test_machines_have_the_files_of_their_image_and_what_they_write_is_their_own(world: World) -> None:
    ec2 = world.ec2
    world.ssh(
        "cloud-init status --wait; echo baked | sudo tee /root/baked; sudo rm -rf /var/lib/cloud/instance*"
    )
    world.ssh("sudo truncate -s 0 /etc/machine-id; sync")
    ec2.stop_instances(InstanceIds=[world.instance])
    image = ec2.create_image(
        InstanceId=world.instance,
        Name="one",
        BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "NoDevice": ""}],
    )["ImageId"]
    first = booted_from(world, image)
    own = world.ssh("sudo cat /root/baked /etc/machine-id").split()
    assert own[0] == "baked"
    world.ssh("echo mine | sudo tee /root/baked")
    ec2.stop_instances(InstanceIds=[first])
    ec2.start_instances(InstanceIds=[first])
    assert world.ssh("sudo cat /root/baked /etc/machine-id").split() == ["mine", own[1]], "it outlives a stop"

    ec2.terminate_instances(InstanceIds=[world.instance])
    second = booted_from(world, image)
    told = world.ssh("sudo cat /root/baked /etc/machine-id").split()
    assert told[0] == "baked"
    assert told[1] != own[1]

    ec2.deregister_image(ImageId=image)
    control.stop()
    control.start(print)  # as after this machine was started anew: the file system is found again
    world.endpoint = control.environment()["AWS_ENDPOINT_URL"]
    assert world.ssh("sudo cat /root/baked").strip() == "baked"
    named = f"--filter=name={world.instance}"
    assert output("podman", "ps", "-aq", named), "machines stand on it still"
    world.ec2.terminate_instances(InstanceIds=[first, second])
    assert not output("podman", "ps", "-aq", named)
