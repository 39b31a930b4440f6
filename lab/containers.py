"""Machines as containers: made, booted, stopped, removed; recognised by this lab's label."""

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import bridge, guest
from lab.records import Machine
from lab.runtime import Runtime, cpus, machine_flags
from lab.shell import attempt

log = logging.getLogger(__name__)

LABEL = "workbench.lab"
INSTANCE = "workbench.instance"
STOP_SECONDS = 40  # systemd's services get this long; boto3 waits 60 s for an answer
SEED = "/var/lib/cloud/seed/nocloud"


@dataclass(frozen=True)
class Container:
    """A machine's container, as it is now."""

    id: str
    """The instance's id."""
    status: str
    """podman's word: created, initialized, running, exited, ..."""
    pid: int
    address: str
    exit_code: int
    started: str
    """When it was started last, as podman prints it: tells two runs apart."""
    gateway: str = ""
    """This machine's address on its bridge."""

    @property
    def running(self) -> bool:
        return self.status == "running"


class Containers:
    """The containers of one lab."""

    def __init__(self, runtime: Runtime, image: str, lab_id: str, prefix: str, instances: Path) -> None:
        self._runtime = runtime
        self._image = image
        self._lab_id = lab_id
        self._prefix = prefix
        self._instances = instances

    @property
    def network(self) -> str:
        return self._prefix

    def name(self, instance_id: str) -> str:
        return f"{self._prefix}-{instance_id}"

    def list(self) -> dict[str, Container]:
        """All of this lab's containers by instance id."""
        ids = self._runtime.podman("ps", "--all", "--quiet", f"--filter=label={LABEL}={self._lab_id}").split()
        if not ids:
            return {}
        found = [_container(told) for told in json.loads(self._runtime.podman("inspect", *ids))]
        return {container.id: container for container in found if container.id}

    def inspect(self, instance_id: str) -> Container:
        return _container(json.loads(self._runtime.podman("inspect", self.name(instance_id)))[0])

    def boot(self, machine: Machine, attach: Callable[[], Mapping[str, int]]) -> Container:
        """Start the machine, made first if it is new; raises CommandFailed.

        `attach` makes the loop devices of its volumes and gives their minors; its nodes must be there before
        systemd looks for what to mount. Interrupted anywhere, the same call goes on.
        """
        self._write_seed(machine)
        name = self.name(machine.id)
        if attempt(self._runtime.argv("container", "exists", name)).returncode != 0:
            self._create(machine)
        if machine.lower:  # podman forgets what it has mounted where this machine was started anew
            self._runtime.podman("mount", self.name(machine.lower))
        if self.inspect(machine.id).status != "initialized":
            self._runtime.podman("init", name)
        guest.prepare(self.inspect(machine.id).pid, machine.hostname, attach())
        self._runtime.podman("start", name)
        self._size(machine)
        return self.inspect(machine.id)

    def _create(self, machine: Machine) -> None:
        bridge.ensure(self._runtime, self.network, self._lab_id, f"{LABEL}={self._lab_id}")
        self._runtime.podman(
            "create", f"--name={self.name(machine.id)}", f"--hostname={machine.hostname}",
            f"--network={self.network}", f"--label={LABEL}={self._lab_id}", f"--label={INSTANCE}={machine.id}",
            f"--volume={self._instances / machine.id / 'seed'}:{SEED}:ro", *machine_flags(),
            *self._file_system(machine), "/sbin/init",
        )  # fmt: skip

    def _file_system(self, machine: Machine) -> Sequence[str]:
        """Where its root disk comes from: the lab's image of Debian, or that of a machine, under what it writes itself.

        podman keeps what is written over such a lower file system as long as the container.
        """
        if not machine.lower:
            return [self._image]
        mounted = self._runtime.podman("mount", self.name(machine.lower)).strip()
        return ["--rootfs", f"{mounted}:O"]

    def _write_seed(self, machine: Machine) -> None:
        """The seed that cloud-init reads: user data byte for byte; what the first boot was told otherwise stays."""
        folder = self._instances / machine.id / "seed"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / "user-data", machine.user_data)
        if not (folder / "meta-data").exists():
            keys = {"public-keys": [machine.public_key]} if machine.public_key else {}
            told = {"instance-id": machine.id, "local-hostname": machine.hostname, **keys}
            _write(folder / "meta-data", json.dumps(told).encode())

    def _size(self, machine: Machine) -> None:
        """The share of this machine that the instance's type gives, no more than there is."""
        limits = [f"--cpus={min(machine.vcpus, cpus())}"]
        if self._runtime.limits_memory:
            installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            limits.append(f"--memory={min(machine.memory_mib * 1024**2, installed)}b")
        done = attempt(self._runtime.argv("update", *limits, self.name(machine.id)))
        if done.returncode != 0:  # a machine that gives its cgroups away: too big is better than not there
            log.warning("%s has no limits of its type %s: %s", machine.id, machine.type, done.stderr.strip())

    def give_volumes(self, container: Container, volumes: Mapping[str, int]) -> None:
        """Make these (ids and their loop devices' minors) the volumes of a running machine, if they are not."""
        if guest.attached(container.pid) != {guest.by_id(volume): minor for volume, minor in volumes.items()}:
            guest.attach(container.pid, volumes)

    def keep_clients(self) -> None:
        """From now on machines see clients' addresses; raises CommandFailed."""
        bridge.keep_clients(self._lab_id)

    def mounts(self, container: Container, minor: int) -> bool:
        """Whether the running machine has the loop device mounted."""
        return guest.mounted(container.pid, minor)

    def pause(self, instance_id: str) -> None:
        """Have all its processes stand still. Where this machine cannot, they go on, and that is noted."""
        done = attempt(self._runtime.argv("pause", self.name(instance_id)))
        if done.returncode != 0:
            log.warning("%s cannot be made to stand still: %s", instance_id, done.stderr.strip())

    def resume(self, instance_id: str) -> None:
        """Have them go on."""
        done = attempt(self._runtime.argv("unpause", self.name(instance_id)))
        if done.returncode != 0:
            log.warning("%s did not stand still: %s", instance_id, done.stderr.strip())

    def stop(self, instance_id: str) -> None:
        """Shut down, as the power button does; what does not obey in time is killed."""
        timeout = STOP_SECONDS + 20
        self._runtime.podman("stop", f"--time={STOP_SECONDS}", self.name(instance_id), timeout=timeout)

    def cut(self, container: Container) -> None:
        """Takes its power: its volumes' filesystems write nothing more, not even their journals, and all ends.

        What it wrote to its root disk stays, which is a folder of this machine.
        """
        guest.stop_writing(container.pid)
        self._runtime.podman("kill", "--signal=KILL", self.name(container.id))

    def remove(self, instance_id: str) -> None:
        """The container, its root disk and its seed."""
        self._runtime.podman("rm", "--force", "--time=5", "--ignore", self.name(instance_id))
        folder = self._instances / instance_id
        for file in folder.glob("seed/*"):
            file.unlink()
        for empty in (folder / "seed", folder):
            if empty.exists():
                empty.rmdir()

    def console(self, instance_id: str) -> str:
        """The last 64 KiB of what the machine wrote to its console; empty before its first boot."""
        told = attempt(self._runtime.argv("logs", self.name(instance_id)), timeout=20)
        return told.stdout[-65536:] if told.returncode == 0 else ""


def _container(told: dict[str, Any]) -> Container:
    """A container of what `podman inspect` says."""
    state, networks = told["State"], told["NetworkSettings"].get("Networks") or {}
    attached = [network for network in networks.values() if network.get("IPAddress")]
    return Container(
        id=(told["Config"].get("Labels") or {}).get(INSTANCE, ""),
        status=state["Status"],
        pid=int(state["Pid"]),
        address=attached[0]["IPAddress"] if attached else "",
        exit_code=int(state["ExitCode"]),
        started=str(state["StartedAt"]),
        gateway=attached[0].get("Gateway", "") if attached else "",
    )


def _write(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
