"""What the tests of the lab's machines work on: one instance, over the lab's API, and what is seen from outside."""

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3

from lab import control, daemon
from lab.paths import Layout, home

ZONE = "eu-west-1a"
USER_DATA = "#!/bin/sh\necho 'from user data' > /root/ran\n"


def output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def traces() -> dict[str, str]:
    """What of the lab can be seen on this machine from outside its home."""
    mine = Layout(home())
    return {
        "containers": output("podman", "ps", "-aq", f"--filter=label=workbench.lab={mine.id}"),
        "images": output("podman", "images", "-q", f"--filter=reference=localhost/{mine.prefix}"),
        "network": output("podman", "network", "ls", "-q", f"--filter=name=^{mine.prefix}$"),
        "loops": "\n".join(line for line in output("losetup", "-a").splitlines() if str(mine.root) in line),
        "rules": "\n".join(line for line in output("iptables-save").splitlines() if mine.id in line),
        "processes": "" if not daemon.holder_of(mine) else "daemon",
        "home": str(mine.root) if mine.root.exists() else "",
    }


class World:
    """One instance with a data volume and an address, over the lab's API as a program sees it."""

    def __init__(self) -> None:
        told = control.environment()
        self.key = told["WORKBENCH_SSH_KEY"]
        self.endpoint = told["AWS_ENDPOINT_URL"]
        ec2, ssm = self.ec2, self.client("ssm")
        image = ssm.get_parameter(Name="/aws/service/debian/release/13/latest/amd64")["Parameter"]["Value"]
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone=ZONE)
        group = ec2.create_security_group(GroupName="test", Description="test", VpcId=vpc)["GroupId"]
        self.group = group
        self.open(22, "127.0.0.1/32")
        ec2.import_key_pair(KeyName="test", PublicKeyMaterial=Path(self.key + ".pub").read_bytes())
        self.volume = ec2.create_volume(AvailabilityZone=ZONE, Size=1, VolumeType="gp3")["VolumeId"]
        run = ec2.run_instances(
            ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, KeyName="test",
            SubnetId=subnet["Subnet"]["SubnetId"], SecurityGroupIds=[group], UserData=USER_DATA,
        )  # fmt: skip
        self.instance = run["Instances"][0]["InstanceId"]
        self.private_ip = run["Instances"][0]["PrivateIpAddress"]
        ec2.attach_volume(VolumeId=self.volume, InstanceId=self.instance, Device="/dev/sdf")
        address = ec2.allocate_address(Domain="vpc")
        self.ip = address["PublicIp"]
        ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=self.instance)
        self.by_id = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_" + self.volume.replace("-", "")

    def client(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint, region_name="eu-west-1",
            aws_access_key_id="test", aws_secret_access_key="test",
        )  # fmt: skip

    @property
    def ec2(self) -> Any:
        return self.client("ec2")

    def open(self, port: int, cidr: str) -> None:
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]}
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[rule])

    def ssh(self, command: str, seconds: float = 60, check: bool = True) -> str:
        """What the command prints, run as admin over SSH through the Elastic IP; waits until one gets in."""
        argv = [
            "ssh", "-i", self.key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", f"admin@{self.ip}", command,
        ]  # fmt: skip
        end = time.monotonic() + seconds
        while True:
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode != 255 or time.monotonic() > end:
                break
            time.sleep(0.3)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def on_the_volume(self) -> str:
        """What the file on the data volume says; a boot lets people in before it has mounted what is `nofail`."""
        return self.ssh("for _ in $(seq 100); do [ -e /data/file ] && break; sleep 0.2; done; cat /data/file")

    def state(self) -> str:
        told = self.ec2.describe_instances(InstanceIds=[self.instance])
        return str(told["Reservations"][0]["Instances"][0]["State"]["Name"])

    def refuses(self, port: int) -> bool:
        try:
            socket.create_connection((self.ip, port), timeout=5).close()
        except (ConnectionRefusedError, ConnectionResetError):  # the latter while a service is just ending
            return True
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)
