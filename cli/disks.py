"""A stack's volumes and snapshots in AWS, found by the id that all of a stack carries, and what is done to them."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli import cloud, makers, repair
from cli.common import console
from cli.described import Disk, Server, Snapshot, Tags, disk_of, pairs, snapshot_of, specified, tags_of
from cli.waiting import asking, gone_is_fine, until
from workbench import servers, volumes
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.leftovers import ADOPT_NONE, ADOPT_VARIABLE, LIVING

_FORCE = "aws ec2 detach-volume --force --volume-id"
_SNAPSHOT_SECONDS = 24 * 3600.0  # the first of a large volume takes hours


class Disks:
    """All of them of one stack."""

    def __init__(
        self, stack: str, stack_id: str | None, access: stacks.AwsConfig, guess: bool = False
    ) -> None:
        """Raises WorkbenchError where nothing tells the id of the stack, by which its disks are told from others'.

        `guess`: where the state does not know it, the only one of that name in AWS will do. For who only looks: it may
        be somebody else's.
        """
        self.stack = stack
        self._access = access
        with asking("Asking AWS"):
            self.ec2 = cloud.client("ec2", access)
        self.stack_id = stack_id or self._found(guess)

    @classmethod
    def of(cls, stack: str, exported: Mapping[str, Any], guess: bool = False) -> "Disks":
        """Raises WorkbenchError also where the state knows the stack, and somebody asks for another."""
        stack_id, wanted = repair.stack_id(exported), os.environ.get(ADOPT_VARIABLE)
        if stack_id and wanted not in {None, "", ADOPT_NONE, stack_id}:
            raise WorkbenchError(
                f"--adopt is {wanted!r}, but the state of stack {stack} is there and has the id {stack_id}."
            )
        return cls(stack, stack_id, stacks.aws_config(stack), guess)

    def _found(self, guess: bool) -> str:
        """Of a stack whose state was lost: the id that WORKBENCH_ADOPT names, if AWS has data with it."""
        name, wanted, ids = stacks.short_name(self.stack), os.environ.get(ADOPT_VARIABLE), self._ids()
        if not ids:
            raise WorkbenchError(
                f"Stack {name} has no data: its state knows none, and AWS has neither a volume nor a snapshot of a "
                "stack of that name; `workbench up` makes one."
            )
        if wanted in ids:
            return str(wanted)
        if guess and len(ids) == 1 and not wanted:
            return ids[0]
        raise WorkbenchError(
            f"The state of stack {name} knows no data, and what AWS has of a stack of that name may be somebody else's "
            f"(by its id: {', '.join(ids)}); if it is yours, say so with `--adopt ID`. Nothing was changed."
        )

    def _ids(self) -> list[str]:
        """Those of the volumes and snapshots of all stacks of this name."""
        name = stacks.short_name(self.stack)
        filters = [{"Name": "tag:Project", "Values": ["workbench"]}, {"Name": "tag:Stack", "Values": [name]}]
        with asking("Looking for what the stack has"):
            listed = [
                *self.ec2.describe_volumes(Filters=filters)["Volumes"],
                *self.ec2.describe_snapshots(Filters=filters, OwnerIds=["self"])["Snapshots"],
            ]
        return sorted({tags_of(one)["StackId"] for one in listed if "StackId" in tags_of(one)})

    def _filters(self) -> list[dict[str, Any]]:
        return [
            {"Name": "tag:Project", "Values": ["workbench"]},
            {"Name": "tag:StackId", "Values": [self.stack_id]},
        ]

    def mine(self, role: str) -> list[dict[str, Any]]:
        """What tells AWS the stack's things of a role."""
        return [*self._filters(), {"Name": "tag:Role", "Values": [role]}]

    def tags(self, role: str, **more: str) -> Tags:
        """As infra/naming.py gives them to all of the stack."""
        short = stacks.short_name(self.stack)
        named = {"Name": f"workbench-{short}-{role}", "Stack": short}
        return {**named, "Project": "workbench", "StackId": self.stack_id, "Role": role, **more}

    # What there is.

    def volumes(self, *roles: str) -> list[Disk]:
        """Those of these roles, of all but the server's own disk where none is named; the oldest first."""
        with asking("Looking for the stack's volumes"):
            found = [
                disk_of(one)
                for page in self.ec2.get_paginator("describe_volumes").paginate(Filters=self._filters())
                for one in page["Volumes"]
            ]
        wanted = roles or (volumes.DATA, volumes.INCOMING, volumes.KEPT, volumes.COPY)
        there = [one for one in found if one.role in wanted and one.state not in ("deleting", "deleted")]
        return sorted(there, key=lambda one: one.made)

    def volume(self, volume_id: str) -> Disk | None:
        """By its id, which AWS knows before it finds it by its tags."""
        with asking(f"Asking for the volume {volume_id}"):
            try:
                found = self.ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"]
            except ClientError as error:
                if error.response["Error"]["Code"] == "InvalidVolume.NotFound":
                    return None
                raise
        return disk_of(found[0])

    def data(self) -> Disk | None:
        """The data volume. Raises WorkbenchError where two claim to be it."""
        found = self.volumes(volumes.DATA)
        if len(found) > 1:
            raise WorkbenchError(
                f"{len(found)} volumes claim to be the data volume of stack {self.stack} by their tags "
                f"({', '.join(one.id for one in found)}); remove the tag StackId from all but the right one."
            )
        return found[0] if found else None

    def snapshots(self) -> list[Snapshot]:
        """Those of the data volume, the oldest first; those that AWS makes can have the volume's own tags."""
        with asking("Looking for the stack's snapshots"):
            pages = self.ec2.get_paginator("describe_snapshots").paginate(
                Filters=self._filters(), OwnerIds=["self"]
            )
            found = [
                snapshot_of(one)
                for page in pages
                for one in page["Snapshots"]
                if tags_of(one).get("Role") in (volumes.SNAPSHOT, volumes.DATA)
            ]
        return sorted(found, key=lambda one: one.started)

    def living(self, role: str) -> list[Mapping[str, Any]]:
        """The stack's servers of a role that are not gone, as EC2 describes them."""
        filters = [*self.mine(role), {"Name": "instance-state-name", "Values": list(LIVING)}]
        pages = self.ec2.get_paginator("describe_instances").paginate(Filters=filters)
        return [one for page in pages for held in page["Reservations"] for one in held["Instances"]]

    def server(self) -> Server | None:
        """The stack's server; not the one that a rebuild is to replace (cli/machines.py)."""
        with asking("Looking for the stack's server"):
            found = self.living(servers.SERVER)
        if not found:
            return None
        one = found[0]
        devices = frozenset(mapping["DeviceName"] for mapping in one.get("BlockDeviceMappings", ()))
        return Server(one["InstanceId"], one["State"]["Name"], one["Placement"]["AvailabilityZone"], devices)

    # What is done.

    def begin_snapshot(self, volume: str, name: str, how: str) -> Snapshot:
        """It is of what the volume has when this returns, though it may be pending for long."""
        made = self.ec2.create_snapshot(
            VolumeId=volume,
            Description=f"workbench {stacks.short_name(self.stack)}: {name}",
            TagSpecifications=specified("snapshot", self.tags(volumes.SNAPSHOT, Name=name, Made=how)),
        )
        return snapshot_of(made)

    def completed(self, snapshot_id: str) -> Snapshot:
        """Waits until AWS says so, and tells how far it is. Raises WorkbenchError where it fails, or does not end."""
        shown, end = "", time.monotonic() + _SNAPSHOT_SECONDS
        while True:
            with asking(f"Asking for the snapshot {snapshot_id}"):
                (found,) = self.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
            snapshot = snapshot_of(found)
            if snapshot.usable:
                return snapshot
            if snapshot.state == "error":
                why = f" ({snapshot.why})" if snapshot.why else ""
                raise WorkbenchError(
                    f"AWS could not make the snapshot {snapshot}{why}; nothing else was changed. "
                    f"`workbench delete-snapshot {snapshot_id}` removes what there is of it."
                )
            if snapshot.progress != shown:
                shown = snapshot.progress
                console.print(f"  {shown or '0%'}")
            if time.monotonic() > end:
                raise WorkbenchError(
                    f"AWS is at the snapshot {snapshot} still, after {_SNAPSHOT_SECONDS / 3600:.0f} hours "
                    f"({shown or '0%'}); it goes on with it, and nothing else was changed: `workbench snapshots` shows "
                    "when it is complete."
                )
            time.sleep(cloud.POLL_SECONDS)

    def make_volume(self, snapshot: Snapshot, role: str, zone: str, gib: int) -> Disk:
        """A volume with the content of the snapshot, once it is there. It is encrypted whether or not that is."""
        tags = self.tags(role, RestoredFrom=snapshot.id, By=makers.this())
        with asking(f"Making a volume of the snapshot {snapshot.name}"):
            made = self.ec2.create_volume(
                SnapshotId=snapshot.id, AvailabilityZone=zone, Size=gib, VolumeType="gp3", Encrypted=True,
                TagSpecifications=specified("volume", tags),
            )  # fmt: skip
        return self.wait(made["VolumeId"], "available")

    def wait(self, volume_id: str, state: str, within: float | None = None) -> Disk:
        """Waits until a volume is in the state. Raises WorkbenchError where it does not come to that `within` (s)."""
        what = f"the volume {volume_id}"
        found: Disk = until(lambda: self.volume(volume_id), lambda one: one.state, state, what, within)
        return found

    def attach(self, volume_id: str, server: str, device: str, within: float | None = None) -> None:
        """Attaches it, and waits until AWS says that it is: in use it is as soon as it is asked for."""
        with asking(f"Attaching the volume {volume_id}"):
            self.ec2.attach_volume(VolumeId=volume_id, InstanceId=server, Device=device)
        until(
            lambda: self.volume(volume_id),
            lambda one: one.attachment or "attached to no server",
            "attached",
            f"the volume {volume_id}",
            within,
            f"AWS does not get it to the server {server}; `{_FORCE} {volume_id}` takes it back, then the same command "
            "tries again",
        )

    def detach(self, volume_id: str, server: str) -> None:
        """Has the server, which does not use it, let go of it; also where an earlier run has asked for that."""
        found = self.volume(volume_id)
        if found is not None and found.attachment != "detaching":
            with asking(f"Detaching the volume {volume_id}"):
                self.ec2.detach_volume(VolumeId=volume_id, InstanceId=server)
        until(
            lambda: self.volume(volume_id),
            lambda one: one.state if one.state == "available" else one.attachment or one.state,
            "available",
            f"the volume {volume_id}",
            advice=f"the server {server} does not let go of it; `{_FORCE} {volume_id}` takes it away, which loses "
            "nothing, since nothing there uses it, then the same command goes on",
        )

    def stop(self, server: Server) -> None:
        """Stops the server, so that it lets go of its volumes; content where it is stopped already."""
        with asking(f"Stopping the server {server.id}"):
            if server.state in ("pending", "running"):
                self.ec2.stop_instances(InstanceIds=[server.id])
        until(
            self.server,
            lambda one: one.state,
            "stopped",
            f"the server {server.id}",
            advice=f"`aws ec2 stop-instances --force --instance-ids {server.id}` ends it, then the same command goes "
            "on",
        )

    def retag(self, thing: str, tags: Mapping[str, str]) -> None:
        with asking(f"Naming {thing}"):
            self.ec2.create_tags(Resources=[thing], Tags=pairs(tags))

    def delete_volume(self, volume_id: str) -> None:
        """For good. AWS refuses one that a server has."""
        with asking(f"Deleting the volume {volume_id}"), gone_is_fine("InvalidVolume.NotFound"):
            self.ec2.delete_volume(VolumeId=volume_id)

    def delete_snapshot(self, snapshot_id: str) -> None:
        with asking(f"Deleting the snapshot {snapshot_id}"), gone_is_fine("InvalidSnapshot.NotFound"):
            self.ec2.delete_snapshot(SnapshotId=snapshot_id)


def named(found: Sequence[Snapshot], name: str, disks: Disks) -> Snapshot:
    """The snapshot of that name or id. Raises WorkbenchError that says what would be right."""
    fitting = [one for one in found if name in (one.id, one.name)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        listed = ", ".join(one.id for one in fitting)
        raise WorkbenchError(f"{len(fitting)} snapshots are named {name}; name one by its id: {listed}.")
    last = ", ".join(one.name for one in found[-3:][::-1])
    known = f"the last ones are {last}; `workbench snapshots` lists all" if found else "it has none"
    if theirs := _strangers(name, disks):
        raise WorkbenchError(
            f"The snapshot {name} is not of stack {disks.stack} but of {theirs}; nothing was changed. "
            f"Of the snapshots of {disks.stack}, {known}."
        )
    raise WorkbenchError(f"Stack {disks.stack} has no snapshot {name}: {known}.")


def _strangers(name: str, disks: Disks) -> str:
    """Whose the snapshot of that id or name is; "" where there is none."""
    key = "snapshot-id" if name.startswith("snap-") else "tag:Name"
    try:
        wanted = [{"Name": key, "Values": [name]}]
        found = disks.ec2.describe_snapshots(Filters=wanted, OwnerIds=["self"])["Snapshots"]
    except (BotoCoreError, ClientError):
        return ""
    tags = tags_of(found[0]) if found else {}
    if not found:
        return ""
    if "StackId" not in tags:
        return "no workbench"
    return f"stack {tags.get('Stack', '(no name)')} with the id {tags['StackId']}"
