"""What a test can have go wrong in the lab: credentials that expire, calls that stand still, volumes that are late.

The machines are fakes (tests/unit/lab/cloud.py).
"""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.lab.cloud import Cloud, Network
from workbench.errors import WorkbenchError


@pytest.fixture(autouse=True)
def nothing_fails(cloud: Cloud) -> Iterator[None]:
    yield
    cloud.want()


def attachment(cloud: Cloud, volume: str) -> tuple[str, str]:
    """The volume's state, and that of its attachment."""
    told = cloud.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]
    return told["State"], told["Attachments"][0]["State"] if told["Attachments"] else ""


def seen(cloud: Cloud, instance: str) -> list[str]:
    """The volumes whose devices a machine sees."""
    return sorted(cloud.containers.volumes[instance])


@pytest.mark.parametrize(
    ("service", "call", "code", "status"),
    [
        ("ec2", "describe_vpcs", "RequestExpired", 400),
        ("iam", "list_roles", "ExpiredToken", 403),
        ("sts", "get_caller_identity", "ExpiredToken", 403),
        ("ssm", "describe_parameters", "ExpiredTokenException", 400),
        ("dlm", "get_lifecycle_policies", "ExpiredTokenException", 400),
    ],
)
def test_credentials_expire_after_so_many_calls_in_each_services_words(
    cloud: Cloud, service: str, call: str, code: str, status: int
) -> None:
    cloud.want(expires_after=2)
    for _ in range(2):
        cloud.ec2.describe_vpcs()
    with pytest.raises(ClientError) as refused:
        getattr(cloud.client(service), call)()
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    cloud.want()
    getattr(cloud.client(service), call)()


def test_nothing_is_done_with_credentials_that_have_expired(cloud: Cloud) -> None:
    before = len(cloud.ec2.describe_vpcs()["Vpcs"])
    cloud.want(expires_after=0)
    with pytest.raises(ClientError, match="Request has expired"):
        cloud.ec2.create_vpc(CidrBlock="10.9.0.0/16")
    cloud.want()
    assert len(cloud.ec2.describe_vpcs()["Vpcs"]) == before


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_call_stands_still_before_it_is_done_or_after(cloud: Cloud, when: str, made: int) -> None:
    before = len(cloud.ec2.describe_vpcs()["Vpcs"])
    mark = cloud.folder / "held"
    cloud.want(hold={"CreateVpc": when})
    answered: list[Any] = []
    call = threading.Thread(target=lambda: answered.append(cloud.ec2.create_vpc(CidrBlock="10.9.0.0/16")))
    call.start()
    while not mark.exists():
        time.sleep(0.01)
    assert len(cloud.ec2.describe_vpcs()["Vpcs"]) == before + made, "others go on meanwhile"
    assert answered == []
    assert mark.read_text() == "CreateVpc"
    cloud.want()
    call.join(10)
    assert len(answered) == 1
    mark.unlink()
    cloud.ec2.delete_vpc(VpcId=answered[0]["Vpc"]["VpcId"])


def test_a_detach_hangs_until_it_may_end(cloud: Cloud, net: Network) -> None:
    instance, volume = net.run(), net.volume()
    net.attach(volume, instance)
    cloud.want(detach_seconds="never")
    for _ in range(2):
        told = cloud.ec2.detach_volume(VolumeId=volume, InstanceId=instance)
        assert (told["State"], told["InstanceId"], told["Device"]) == ("detaching", instance, "/dev/sdf")
    assert attachment(cloud, volume) == ("in-use", "detaching")
    cloud.start()  # also by a lab that was killed
    assert attachment(cloud, volume) == ("in-use", "detaching")
    with pytest.raises(ClientError, match="VolumeInUse"):
        net.attach(volume, net.run())
    cloud.want()
    assert attachment(cloud, volume) == ("available", "")
    assert seen(cloud, instance) == []


def test_a_detach_that_hangs_is_ended_by_force(cloud: Cloud, net: Network) -> None:
    instance, volume = net.run(), net.volume()
    net.attach(volume, instance)
    cloud.want(detach_seconds="never")
    cloud.ec2.detach_volume(VolumeId=volume)
    cloud.ec2.detach_volume(VolumeId=volume, Force=True)
    assert attachment(cloud, volume) == ("available", "")


def test_a_volume_is_attaching_for_long_and_its_machine_does_not_see_it_until_then(
    cloud: Cloud, net: Network
) -> None:
    instance, volume = net.run(), net.volume()
    cloud.want(attach_seconds="never")
    net.attach(volume, instance)
    assert attachment(cloud, volume) == ("in-use", "attaching")
    cloud.api.look_after()
    assert seen(cloud, instance) == []
    cloud.want()
    cloud.api.look_after()
    assert attachment(cloud, volume) == ("in-use", "attached")
    assert seen(cloud, instance) == [volume]


def test_a_device_comes_late_after_an_attach_and_after_a_start(cloud: Cloud, net: Network) -> None:
    instance, volume = net.run(), net.volume()
    cloud.want(device_seconds="never")
    net.attach(volume, instance)
    assert attachment(cloud, volume) == ("in-use", "attached"), "AWS knows nothing of it"
    cloud.api.look_after()
    assert seen(cloud, instance) == []
    cloud.want()
    cloud.api.look_after()
    assert seen(cloud, instance) == [volume]
    cloud.want(device_seconds=1)
    cloud.ec2.stop_instances(InstanceIds=[instance])
    cloud.ec2.start_instances(InstanceIds=[instance])
    assert seen(cloud, instance) == []
    time.sleep(1.1)
    cloud.api.look_after()
    assert seen(cloud, instance) == [volume]


def test_a_machine_that_loses_its_power_is_not_shut_down_and_boots_again(cloud: Cloud, net: Network) -> None:
    instance = net.run()
    cloud.containers.did.clear()
    cloud.api.cut(instance)
    assert cloud.containers.did == [f"cut {instance}"]
    with pytest.raises(WorkbenchError, match="'i-0' does not run"):
        cloud.api.cut("i-0")
