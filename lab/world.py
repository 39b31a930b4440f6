"""Makes this machine agree with the API's memory: containers, disks and addresses, whatever was before.

One function for every occasion: after each call that changed something, and at a start, however the last run
ended. It looks at what is, compares with what should be, and does the difference; so that being killed between
any two steps costs nothing but the step.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from lab.containers import Container, Containers
from lab.disks import Disks
from lab.forwarder import Forwarder, Target
from lab.metadata import Metadata
from lab.records import Machine, Plan
from lab.shell import CommandFailed


class World:
    """The containers, disks, addresses and metadata services of one lab."""

    def __init__(
        self, containers: Containers, disks: Disks, forwarder: Forwarder, metadata: Metadata
    ) -> None:
        self._containers = containers
        self._disks = disks
        self._forwarder = forwarder
        self._metadata = metadata
        self.running: dict[str, Container] = {}
        """The machines that ran when last looked at."""
        self._alike = ""

    def reconcile(self, plan: Plan) -> None:
        """Make everything as planned; raises CommandFailed with what could not be done."""
        found = self._containers.list()
        for held in [container for container in found.values() if container.status == "paused"]:
            self._containers.resume(held.id)  # a lab that was killed had it stand still
            found[held.id] = self._containers.inspect(held.id)
        for instance_id, container in found.items():
            self._take_down(instance_id, container, plan)
        with self._standing_still(plan, found):
            self._disks.reconcile(plan)
        self.running = {}
        for machine in plan.machines.values():
            if machine.state == "running":
                self.running[machine.id] = self._bring_up(machine, found.get(machine.id))
        self._disks.release_unused({volume for id_ in self.running for volume in plan.machines[id_].volumes})
        self._tell_machines(plan)
        self._point_addresses(plan)

    @contextmanager
    def _standing_still(self, plan: Plan, found: dict[str, Container]) -> Iterator[None]:
        """The machines whose disks are to be copied do nothing meanwhile, so that the copy is of one moment."""
        copied = self._disks.untaken(plan)
        with ExitStack() as stack:
            for machine in plan.machines.values():
                container = found.get(machine.id)
                if container is not None and container.running and copied & set(machine.volumes):
                    stack.callback(self._containers.resume, machine.id)
                    self._containers.pause(machine.id)
            yield

    def _take_down(self, instance_id: str, container: Container, plan: Plan) -> None:
        """Remove what should not exist, stop what should not run."""
        machine = plan.machines.get(instance_id)
        if machine is None and instance_id not in plan.kept:
            self._containers.remove(instance_id)
        elif (machine is None or machine.state != "running") and (
            container.running or container.status == "initialized"
        ):
            self._containers.stop(instance_id)

    def _bring_up(self, machine: Machine, container: Container | None) -> Container:
        """Boot it unless it runs; give it its volumes."""
        if container is None or not container.running:
            return self._containers.boot(machine, lambda: self._attach(machine))
        wanted = self._attach(machine)
        self._containers.give_volumes(container, wanted)
        return container

    def _attach(self, machine: Machine) -> dict[str, int]:
        """The loop devices of its volumes: minor numbers by volume id."""
        return {volume: self._disks.attach(volume).minor for volume in machine.volumes}

    def _tell_machines(self, plan: Plan) -> None:
        gateway = next((found.gateway for found in self.running.values()), "")
        told = {found.address: plan.machines[id_] for id_, found in self.running.items()}
        self._metadata.update(gateway, told)

    def _point_addresses(self, plan: Plan) -> None:
        targets = []
        for address in plan.addresses:
            container = self.running.get(address.machine_id)
            if container is not None:
                targets.append(Target(address.ip, container.address, container.pid, address.allowed))
        self._keep_clients()
        self._forwarder.update(targets)

    def _keep_clients(self) -> None:
        self._alike = ""
        try:
            if self.running:
                self._containers.keep_clients()
        except CommandFailed as failure:  # it works all the same, but for whoever bans clients
            self._alike = f"all clients come to the machines from one address: {failure}"

    def reboot(self, instance_id: str) -> None:
        """Stop it; whoever settles next boots it."""
        self._containers.stop(instance_id)

    def cut(self, instance_id: str) -> None:
        """It loses its power; whoever looks after it boots it."""
        self._containers.cut(self.running[instance_id])

    def exit_of(self, instance_id: str) -> Container:
        """What became of a machine that ran."""
        return self._containers.inspect(instance_id)

    def mounted(self, instance_id: str, volume_id: str) -> bool:
        """Whether the volume is mounted in the running machine."""
        container = self.running.get(instance_id)
        loops = [loop for loop in self._disks.loops() if loop.file == self._disks.file(volume_id)]
        return container is not None and any(self._containers.mounts(container, loop.minor) for loop in loops)

    def console(self, instance_id: str) -> str:
        return self._containers.console(instance_id)

    def problems(self) -> list[str]:
        """What does not work though it should: ports that could not be opened, clients that look alike."""
        return [*self._forwarder.problems(), *filter(None, [self._alike])]

    def stop(self) -> None:
        """Shut every machine down; the memory is not told, so the next start boots them again."""
        self._forwarder.update([])
        self._metadata.update("", {})
        running = [instance_id for instance_id, found in self._containers.list().items() if found.pid]
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(self._containers.stop, running))
        self._disks.release_unused(set())
        self.running = {}
