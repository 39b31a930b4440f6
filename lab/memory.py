"""The API's memory: moto's backends in this process, kept in a file after every change, read back at a start."""

import base64
import os
import pickle
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import moto
from moto.backends import get_backend as backend_of_service
from moto.core.utils import utcnow
from moto.ec2.models.instance_types import INSTANCE_TYPES

from lab import images, seed
from lab.attachments import hidden
from lab.budgets import Budgets
from lab.clock import Clock
from lab.lifecycle import Lifecycle
from lab.own import Service
from lab.records import Address, Allowed, Machine, Plan, Snapshot, Volume
from workbench.errors import WorkbenchError

ACCOUNT, REGION = seed.ACCOUNT, seed.REGION
# moto keeps the services without regions under the partition's name.
CREDENTIALS_SECONDS = 21600
REGION_OF = {
    **dict.fromkeys(("ec2", "ssm", "scheduler"), REGION),
    **dict.fromkeys(("iam", "route53", "s3", "sts"), "aws"),
}


def backends_of(service: str) -> Any:
    """moto's backends of the service: by account, then region."""
    return backend_of_service(service)  # type: ignore[call-overload]


class Memory:
    """moto's backends of the lab's one account and region, and the file that they are kept in."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._doomed: set[str] = set()
        self._kept = b""
        self._before = b""
        self.lifecycle = Lifecycle()
        self.budgets = Budgets()
        self.clock = Clock()

    @property
    def own(self) -> dict[str, Service]:
        """The services that are not moto's."""
        return {"dlm": self.lifecycle, "budgets": self.budgets}

    @property
    def scheduler(self) -> Any:
        return backends_of("scheduler")[ACCOUNT][REGION]

    @property
    def iam(self) -> Any:
        return backends_of("iam")[ACCOUNT][REGION_OF["iam"]]

    @property
    def sts(self) -> Any:
        return backends_of("sts")[ACCOUNT][REGION_OF["sts"]]

    @property
    def ec2(self) -> Any:
        return backends_of("ec2")[ACCOUNT][REGION]

    @property
    def route53(self) -> Any:
        return backends_of("route53")[ACCOUNT][REGION_OF["route53"]]

    @property
    def _ssm(self) -> Any:
        return backends_of("ssm")[ACCOUNT][REGION]

    def load(self) -> None:
        """Take up the file's memory, or a new account's; raises WorkbenchError if the file cannot be read."""
        if self._file.exists():
            self._restore(self._file.read_bytes())
        else:
            for service, region in REGION_OF.items():
                backend = backends_of(service)[ACCOUNT]
                backend.pop(region, None)
        seed.images(self.ec2)
        seed.parameters(self._ssm)
        seed.policies(self.iam)
        self.save()

    def publish(self, release: str) -> None:
        """Debian's newest images are those of this release from now on."""
        if seed.publish(self.ec2, self._ssm, release):
            self.save()

    def save(self) -> None:
        """Keep what is: written beside, flushed, then moved over the old, so that a crash leaves one or other."""
        kept = pickle.dumps(self._state(), protocol=pickle.HIGHEST_PROTOCOL)
        fresh = self._file.with_name(self._file.name + ".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(kept)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(self._file)
        self._before, self._kept = self._kept, kept

    def forget_change(self) -> None:
        """Go back to what was kept last: an API call that failed must leave nothing behind."""
        self._restore(self._kept)

    def go_back(self) -> None:
        """Undo the last save, in the file too: what it said could not be done."""
        self._restore(self._before)
        self.save()

    def note_deletions(self, before: Plan) -> None:
        """Remember whose files are to go, compared with what was before the call."""
        now = self.plan()
        gone = (before.volumes.keys() | before.snapshots.keys()) - now.volumes.keys() - now.snapshots.keys()
        self._doomed |= gone

    def deletions_done(self) -> None:
        """The files are gone. Not worth a write of its own: deleting them again at a start is harmless."""
        self._doomed.clear()

    def _state(self) -> dict[str, Any]:
        backends = {
            service: backends_of(service)[ACCOUNT][region]
            for service, region in REGION_OF.items()
            if service != "ssm"
        }
        # The SSM backend as a whole does not pickle (it holds lambdas); its parameters do.
        parameters = {name: list(versions) for name, versions in self._ssm._parameters.items()}
        return {
            "moto": moto.__version__,
            "backends": backends,
            "parameters": parameters,
            "doomed": self._doomed,
            "own": (self.lifecycle, self.budgets, self.clock),
        }

    def _restore(self, kept: bytes) -> None:
        try:
            state = pickle.loads(kept)  # noqa: S301 - the lab's own file, 0600 in its home
        except Exception as problem:
            raise WorkbenchError(
                f"the lab's memory {self._file} cannot be read ({problem}): it may come from another version; "
                "remove the lab with `workbench lab purge` and start again"
            ) from None
        for service, backend in state["backends"].items():
            backends_of(service)[ACCOUNT][REGION_OF[service]] = backend
        for bucket in backends_of("s3")[ACCOUNT][
            REGION_OF["s3"]
        ].buckets:  # which moto looks up beside the backend
            backends_of("s3").bucket_accounts[bucket] = (REGION_OF["s3"], ACCOUNT)
        ssm = self._ssm
        ssm._parameters.clear()
        for name, versions in state["parameters"].items():
            dict.__setitem__(ssm._parameters, name, versions)
        self._doomed = state["doomed"]
        self.lifecycle, self.budgets, self.clock = state.get("own") or (Lifecycle(), Budgets(), Clock())
        self._kept = kept

    # What should be, read out of moto's objects.

    def plan(self) -> Plan:
        instances = [instance for instance in self.ec2.all_instances() if instance.state != "terminated"]
        roots = {root_volume(instance) for instance in instances}
        machines = {instance.id: self._machine(instance) for instance in instances}
        volumes = {
            volume.id: Volume(volume.id, int(volume.size), volume.snapshot_id or "")
            for volume in self.ec2.volumes.values()
            if volume.id not in roots
        }
        snapshots = {
            snapshot.id: Snapshot(snapshot.id, getattr(snapshot, "copied_from", None) or snapshot.volume.id)
            for snapshot in self.ec2.snapshots.values()
            if not snapshot.from_ami
        }
        kept = images.sources(self.ec2) | {machine.lower for machine in machines.values() if machine.lower}
        return Plan(machines, volumes, snapshots, tuple(self._addresses()), kept, frozenset(self._doomed))

    def _machine(self, instance: Any) -> Machine:
        kind = INSTANCE_TYPES[instance.instance_type]
        key = self.ec2.key_pairs.get(instance.key_name)
        attached = sorted(instance.block_device_mapping.items())
        options = instance.metadata_options
        return Machine(
            id=instance.id,
            state="running" if instance.state == "running" else "stopped",
            type=instance.instance_type,
            vcpus=kind["VCpuInfo"]["DefaultVCpus"],
            memory_mib=kind["MemoryInfo"]["SizeInMiB"],
            private_ip=instance.private_ip,
            user_data=user_data(instance),
            public_key=public_key(key) if key else "",
            volumes=tuple(
                block.volume_id
                for device, block in attached
                if device != instance.root_device_name
                and not hidden(self.ec2.volumes[block.volume_id].attachment)
            ),
            zone=instance.placement.zone,
            image=instance.image_id,
            lower=getattr(instance, "lower", ""),
            role=self._role(instance.id),
            token_required=options.http_tokens == "required",
            hop_limit=options.http_put_response_hop_limit,
        )

    def _role(self, instance_id: str) -> str:
        """The ARN of the role of the instance's profile, empty if it has none."""
        association = self.ec2.iam_instance_profile_associations.get(instance_id)
        roles = association.iam_instance_profile.roles if association else []
        return str(roles[0].arn) if roles else ""

    def credentials(self, role: str, instance_id: str) -> dict[str, str]:
        """What the metadata service gives an instance for its role: keys that moto's STS knows as that role's."""
        assumed = self.sts.assume_role(
            region_name=REGION, role_session_name=instance_id, role_arn=role, policy="",
            duration=CREDENTIALS_SECONDS, external_id="",
        )  # fmt: skip
        return {
            "Code": "Success",
            "LastUpdated": f"{utcnow():%Y-%m-%dT%H:%M:%SZ}",
            "Type": "AWS-HMAC",
            "AccessKeyId": assumed.access_key_id,
            "SecretAccessKey": assumed.secret_access_key,
            "Token": assumed.session_token,
            "Expiration": f"{assumed.expiration:%Y-%m-%dT%H:%M:%SZ}",
        }

    def _addresses(self) -> list[Address]:
        found = []
        for address in self.ec2.addresses:
            instance = address.instance or (address.eni.instance if address.eni else None)
            if instance is not None and instance.state == "running":
                found.append(Address(address.public_ip, instance.id, allowed(instance)))
        given = {address.ip for address in found}
        for instance in self.ec2.all_instances():  # those that came with the instance, and go when it stops
            if instance.state == "running" and instance.public_ip and instance.public_ip not in given:
                found.append(Address(instance.public_ip, instance.id, allowed(instance)))
        return found


def root_volume(instance: Any) -> str:
    """The id of the instance's root volume, empty if it has none."""
    block = instance.block_device_mapping.get(instance.root_device_name)
    return block.volume_id if block else ""


def user_data(instance: Any) -> bytes:
    """The instance's user data as it was given, decoded."""
    return base64.b64decode(str(instance.user_data)) if instance.user_data else b""


def public_key(key: Any) -> str:
    """The key pair's public half as one line."""
    return str(key.public_key).strip()


def allowed(instance: Any) -> tuple[Allowed, ...]:
    """The TCP ports that the instance's security groups open, and to whom."""
    groups = {group.id: group for nic in instance.nics.values() for group in nic.group_set}
    groups |= {group.id: group for group in instance.security_groups}
    found = set()
    for group in groups.values():
        for rule in group.ingress_rules:
            if rule.cidr_ipv4 and rule.ip_protocol in ("tcp", "-1"):
                first, last = (0, 65535) if rule.ip_protocol == "-1" else (rule.from_port, rule.to_port)
                found.add(Allowed(first, last, IPv4Network(rule.cidr_ipv4, strict=False)))
    return tuple(sorted(found, key=lambda rule: (rule.first, rule.last, str(rule.network))))
