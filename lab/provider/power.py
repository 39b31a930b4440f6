"""Instances going from state to state: what several resource types have to wait for."""

from __future__ import annotations

from typing import Any

from lab.provider.cloud import Cloud
from workbench.errors import WorkbenchError

# A lab instance boots a whole Debian; the real provider gives it ten minutes.
INSTANCE_SECONDS = 600.0


def find_instance(cloud: Cloud, instance: str) -> dict[str, Any] | None:
    """The instance as the API describes it, or None when there is none (or one that has been terminated)."""
    found = cloud.find("describe_instances", "Reservations", InstanceIds=[instance])
    described = dict(found["Instances"][0]) if found else None
    return None if described is None or described["State"]["Name"] == "terminated" else described


def _state(cloud: Cloud, instance: str) -> str:
    found = find_instance(cloud, instance)
    return str(found["State"]["Name"]) if found else "terminated"


def wait_for(cloud: Cloud, instance: str, wanted: str) -> None:
    """Wait until the instance is in the state `wanted`; one that terminates instead is an error."""

    def reached() -> bool:
        state = _state(cloud, instance)
        if state == "terminated" != wanted:
            raise WorkbenchError(f"{instance} was terminated while it was to be {wanted}")
        return state == wanted

    cloud.wait(f"{instance} to be {wanted}", reached, INSTANCE_SECONDS)


def stop_instance(cloud: Cloud, instance: str) -> None:
    """Stop it and wait; content when it is stopped or gone already."""
    state = _state(cloud, instance)
    if state == "pending":
        wait_for(cloud, instance, "running")
    if state in ("pending", "running"):
        cloud.ec2.stop_instances(InstanceIds=[instance])
    if state in ("pending", "running", "stopping"):
        wait_for(cloud, instance, "stopped")


def start_instance(cloud: Cloud, instance: str) -> None:
    """Start it and wait until it runs."""
    cloud.ec2.start_instances(InstanceIds=[instance])
    wait_for(cloud, instance, "running")


def terminate_instance(cloud: Cloud, instance: str) -> None:
    """Terminate it and wait; content when it is gone already."""
    if _state(cloud, instance) == "terminated":
        return
    cloud.ec2.terminate_instances(InstanceIds=[instance])
    wait_for(cloud, instance, "terminated")
