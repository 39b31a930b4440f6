"""The lab's API with everything real but the machine below: containers, loop devices and addresses are fakes.

What is tested with it: refusals, what the machines are asked to do, failures, and memory. The fakes keep what
they were asked, and fail when told to.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from lab import daemon
from lab.api import Api
from lab.containers import Container
from lab.disks import Disks, Loop
from lab.faults import Faults
from lab.memory import Memory
from lab.records import Machine
from lab.shell import CommandFailed
from lab.world import World

REGION = "eu-west-1"
ZONE = "eu-west-1a"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBFNhyUtPSImEKLShYkgFxvQcZ16K5mnOlE6hLT2nQeK test"


class FakeContainers:
    """Containers as a dict: ids to what is running, with which volumes."""

    def __init__(self) -> None:
        self.there: dict[str, Container] = {}
        self.volumes: dict[str, dict[str, int]] = {}
        self.machines: dict[str, Machine] = {}
        self.did: list[str] = []
        self.mounted: set[int] = set()
        self.broken = ""
        """The verb that fails: boot, stop, remove or give."""

    def _do(self, verb: str, instance_id: str) -> None:
        if self.broken == verb:
            raise CommandFailed(["podman", verb], 125, f"no {verb} today")
        self.did.append(f"{verb} {instance_id}")

    def _put(self, instance_id: str, status: str, exit_code: int = 0) -> Container:
        pid = 999_999_000 + len(self.there) if status == "running" else 0
        self.there[instance_id] = Container(instance_id, status, pid, "10.89.0.2", exit_code, "now")
        return self.there[instance_id]

    def list(self) -> dict[str, Container]:
        return dict(self.there)

    def inspect(self, instance_id: str) -> Container:
        return self.there[instance_id]

    def boot(self, machine: Machine, attach: Callable[[], Mapping[str, int]]) -> Container:
        self._do("boot", machine.id)
        self.machines[machine.id] = machine
        self.volumes[machine.id] = dict(attach())
        return self._put(machine.id, "running")

    def give_volumes(self, container: Container, volumes: Mapping[str, int]) -> None:
        if self.volumes[container.id] != volumes:
            self._do("give", container.id)
            self.volumes[container.id] = dict(volumes)

    def keep_clients(self) -> None:
        if self.broken == "clients":
            raise CommandFailed(["ip", "route"], 2, "no route today")

    def mounts(self, container: Container, minor: int) -> bool:
        return minor in self.mounted

    def pause(self, instance_id: str) -> None:
        self._do("pause", instance_id)
        self._put(instance_id, "paused")

    def resume(self, instance_id: str) -> None:
        self._do("resume", instance_id)
        self._put(instance_id, "running")

    def stop(self, instance_id: str) -> None:
        self._do("stop", instance_id)
        self._put(instance_id, "exited", 130)

    def cut(self, container: Container) -> None:
        self._do("cut", container.id)

    def ends(self, instance_id: str, exit_code: int) -> None:
        """The machine ends on its own."""
        self._put(instance_id, "exited", exit_code)

    def remove(self, instance_id: str) -> None:
        self._do("remove", instance_id)
        del self.there[instance_id]

    def console(self, instance_id: str) -> str:
        return f"console of {instance_id}\n"


class FileDisks(Disks):
    """Real files, and loop devices that are numbers in a dict."""

    def __init__(self, folder: Path) -> None:
        for name in ("volumes", "snapshots"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        super().__init__(folder / "volumes", folder / "snapshots")
        self.looped: dict[Path, int] = {}

    def loops(self) -> list[Loop]:
        return []

    def attach(self, volume_id: str) -> Loop:
        minor = self.looped.setdefault(self.file(volume_id), len(self.looped))
        return FakeLoop(f"/dev/loop{minor}", self.file(volume_id))

    def detach(self, volume_id: str) -> None:
        self.looped.pop(self.file(volume_id), None)

    def release_unused(self, used: set[str]) -> None:
        keep = {self.file(volume_id) for volume_id in used}
        self.looped = {file: minor for file, minor in self.looped.items() if file in keep}


class FakeLoop(Loop):
    @property
    def minor(self) -> int:
        return int(self.device.removeprefix("/dev/loop"))


class FakeForwarder:
    def __init__(self) -> None:
        self.targets: list[Any] = []

    def update(self, targets: list[Any]) -> None:
        self.targets = targets

    def problems(self) -> list[str]:
        return []


class FakeMetadata:
    """None: the fakes' machines have no network that one could be in."""

    def update(self, gateway: str, running: dict[str, Any]) -> None:
        pass


class Cloud:
    """The API on a port of its own, and the fakes behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.containers = FakeContainers()
        self.disks = FileDisks(folder)
        self.forwarder = FakeForwarder()
        self.memory = Memory(folder / "memory.pickle")
        self.endpoint = ""
        self.start()

    def start(self) -> None:
        """Begin, or begin again after a kill, with what the folder holds."""
        self.memory = Memory(self.folder / "memory.pickle")
        self.memory.load()
        self.world = World(self.containers, self.disks, self.forwarder, FakeMetadata())  # type: ignore[arg-type]
        faults = Faults(self.folder / "faults.json")
        self.api = Api(DomainDispatcherApplication(create_backend_app), self.memory, self.world, faults)
        self.api.recover()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.api(environ, start_response)

    def client(self, service: str, region: str = REGION) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def want(self, **faults: Any) -> None:
        """Has go wrong what lab/faults.py knows, and nothing else."""
        (self.folder / "faults.json").write_text(json.dumps(faults))

    @property
    def ec2(self) -> Any:
        return self.client("ec2")

    def image(self, architecture: str = "amd64") -> str:
        name = f"/aws/service/debian/release/13/latest/{architecture}"
        return str(self.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


@contextmanager
def serve(folder: Path) -> Iterator[Cloud]:
    cloud = Cloud(folder)
    cloud.api._architectures = frozenset({"x86_64"})  # the same on every machine that tests
    sock = daemon.listen(0, "a test")
    sock.listen(64)
    server = daemon.make_http_server(cloud, sock)
    cloud.endpoint = f"http://127.0.0.1:{server.port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield cloud
    server.shutdown()
    server.server_close()
    sock.close()
    thread.join()


class Network:
    """A VPC with one public subnet, a group and a key, as the program makes them."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, ec2 = cloud, cloud.ec2
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.0.1.0/24", AvailabilityZone=ZONE)
        self.subnet = subnet["Subnet"]["SubnetId"]
        self.gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)
        group = ec2.create_security_group(GroupName="workbench", Description="test", VpcId=self.vpc)
        self.group = group["GroupId"]
        ec2.import_key_pair(KeyName="admin", PublicKeyMaterial=PUBLIC_KEY.encode())

    def open(self, first: int, last: int, cidr: str, protocol: str = "tcp") -> None:
        rule = {"IpProtocol": protocol, "FromPort": first, "ToPort": last, "IpRanges": [{"CidrIp": cidr}]}
        self.cloud.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[rule])

    def run(self, **more: Any) -> str:
        """An instance; gives its id."""
        asked = {
            "ImageId": self.cloud.image(), "InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1,
            "SubnetId": self.subnet, "SecurityGroupIds": [self.group], "KeyName": "admin", **more,
        }  # fmt: skip
        return str(self.cloud.ec2.run_instances(**asked)["Instances"][0]["InstanceId"])

    def volume(self, zone: str = ZONE, size: int = 1, **more: Any) -> str:
        made = self.cloud.ec2.create_volume(AvailabilityZone=zone, Size=size, VolumeType="gp3", **more)
        return str(made["VolumeId"])

    def attach(self, volume: str, instance: str, device: str = "/dev/sdf") -> None:
        self.cloud.ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device=device)

    def address(self, instance: str) -> tuple[str, str]:
        """An Elastic IP of the instance: its allocation's id, and the address."""
        made = self.cloud.ec2.allocate_address(Domain="vpc")
        self.cloud.ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=instance)
        return made["AllocationId"], made["PublicIp"]
