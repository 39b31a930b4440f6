"""A stack's servers in AWS during a rebuild: the one from before and the new one, and what is done to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli import removals
from cli.described import tags_of
from cli.disks import Disks
from cli.waiting import asking, until
from workbench import servers, volumes
from workbench.errors import WorkbenchError
from workbench.leftovers import LIVING


@dataclass(frozen=True)
class Machine:
    """A server: its type, state and image, whose rebuild it is in ("" if in none), and by which it was replaced."""

    id: str
    type: str
    state: str
    image: str
    by: str = ""
    replaced_by: str = ""


_BOOTED = "booted"


class Machines:
    """Those of one stack."""

    def __init__(self, disks: Disks) -> None:
        self._disks = disks
        self._ec2 = disks.ec2

    # What there is.

    def former(self) -> Machine | None:
        """The server of a rebuild that has not ended. Raises WorkbenchError where there are several."""
        return self._only(servers.FORMER)

    def server(self) -> Machine | None:
        """The stack's server; of a rebuild, the new one. Raises WorkbenchError where there are several."""
        return self._only(servers.SERVER)

    def _only(self, role: str) -> Machine | None:
        with asking("Looking for the stack's servers"):
            found = [_machine(one) for one in self._disks.living(role)]
        if len(found) > 1:
            raise WorkbenchError(
                f"{len(found)} servers of stack {self._disks.stack} have the role {role} "
                f"({', '.join(one.id for one in found)}); remove the tag StackId from all but the right one. Nothing "
                "was changed."
            )
        return found[0] if found else None

    def _state(self, server: str) -> str:
        """As AWS has it by the server's id, which it knows before it finds it by its tags."""
        with asking(f"Asking for the server {server}"):
            page = self._ec2.describe_instances(InstanceIds=[server])
        return str(page["Reservations"][0]["Instances"][0]["State"]["Name"])

    def image_name(self, image: str) -> str:
        """`NAME (ID)`; the id alone of one that its publisher has taken back."""
        with asking(f"Asking for the image {image}"):
            found = self._ec2.describe_images(Filters=[{"Name": "image-id", "Values": [image]}])["Images"]
        return f"{found[0]['Name']} ({image})" if found and found[0].get("Name") else image

    # What is done.

    def rename(self, server: str, role: str, **more: str) -> None:
        """Gives it another role; what a rebuild noted of it goes where it is not said again."""
        self._disks.retag(server, self._disks.tags(role, **more))
        gone = [key for key in ("By", servers.REPLACED_BY) if key not in more]
        if gone:
            with asking(f"Naming {server}"):
                self._ec2.delete_tags(Resources=[server], Tags=[{"Key": key} for key in gone])

    def note(self, server: str, **tags: str) -> None:
        self._disks.retag(server, tags)

    def prove(self, server: str) -> None:
        """Waits until AWS says that it has booted. Raises WorkbenchError where it does not in 10 minutes."""
        until(lambda: self._checked(server), str, _BOOTED, f"the new server {server}")

    def _checked(self, server: str) -> str | None:
        """Whether AWS's two checks of it are through; its state where it does not run, None where it is gone."""
        state = self._state(server)
        if state != "running":
            return state if state in LIVING else None
        told = self._ec2.describe_instance_status(InstanceIds=[server])["InstanceStatuses"]
        checks = [one[check]["Status"] for one in told for check in ("SystemStatus", "InstanceStatus")]
        return _BOOTED if checks and set(checks) == {"ok"} else "booting"

    def release(self, server: str) -> None:
        """Stops it in order, and takes data volume and address from it, as far as it has them.

        Raises WorkbenchError where it does not stop, or somebody starts it meanwhile: a mounted volume is not detached.
        """
        with asking(f"Stopping the server {server}"):
            if self._state(server) in ("pending", "running"):
                self._ec2.stop_instances(InstanceIds=[server])
        self._until(server, "stopped")
        for one in self._addresses():
            if one.get("InstanceId") == server:
                with asking(f"Taking the address {one['PublicIp']} from {server}"):
                    self._ec2.disassociate_address(AssociationId=one["AssociationId"])
        # At last: by whether it has this one, the program tells whether it has let go of all (infra/existing.py).
        data = self._disks.data()
        if data is not None and data.server == server:
            if (state := self._state(server)) != "stopped":  # by AWS's console, or by a schedule
                raise WorkbenchError(f"The server {server} was started meanwhile: it is {state}.")
            self._disks.detach(data.id, server)

    def give_back(self, server: str) -> None:
        """Data volume and address as they were, and the server runs. Nothing is done of what is so already.

        Raises WorkbenchError where something else has the volume.
        """
        data = self._disks.data()
        if data is not None and data.server not in ("", server):
            raise WorkbenchError(f"The data volume {data.id} is attached to {data.server}.")
        if data is not None and not data.server:
            self._disks.attach(data.id, server, volumes.DEVICE)
        with asking(f"Starting the server {server}"):
            if self._state(server) in ("stopping", "stopped"):
                self._until(server, "stopped")
                self._ec2.start_instances(InstanceIds=[server])
        self._until(server, "running")
        for one in self._addresses():
            if not one.get("InstanceId"):
                with asking(f"Giving the address {one['PublicIp']} to {server}"):
                    self._ec2.associate_address(AllocationId=one["AllocationId"], InstanceId=server)

    def end(self, server: str) -> None:
        """Terminates it, which has neither volume nor address any more, and waits until it is gone."""
        self.release(server)
        with asking(f"Ending the server {server}"):
            removals.terminate(self._ec2, server)

    def _until(self, server: str, state: str) -> None:
        until(lambda: self._state(server), str, state, f"the server {server}")

    def _addresses(self) -> list[Mapping[str, Any]]:
        """The stack's own, which is one."""
        with asking("Looking for the stack's address"):
            told = self._ec2.describe_addresses(Filters=self._disks.mine("address"))
        found: list[Mapping[str, Any]] = told["Addresses"]
        return found


def _machine(one: Mapping[str, Any]) -> Machine:
    tags = tags_of(one)
    return Machine(
        id=one["InstanceId"],
        type=one["InstanceType"],
        state=one["State"]["Name"],
        image=one["ImageId"],
        by=tags.get("By", ""),
        replaced_by=tags.get(servers.REPLACED_BY, ""),
    )
