"""What AWS says of a stack right now; its outputs only say how `pulumi up` left it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from infra import credentials
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs

POLL_SECONDS = 3
WAIT_POLLS = 200  # for a server to stop or to run: ten minutes
CHANGE_HOURS = 6  # between two changes of a volume


@dataclass(frozen=True)
class Instance:
    """A server as EC2 describes it."""

    id: str
    type: str
    state: str


def instance(facts: Outputs) -> Instance | None:
    """The server of the stack that was entered (cli.common), or None where it is gone."""
    try:
        found = client("ec2", stacks.aws_config(), facts.region).describe_instances(
            InstanceIds=[facts.instance_id]
        )["Reservations"]
    except ClientError as error:
        _unless_gone(error, "InvalidInstanceID.NotFound")
        return None
    except BotoCoreError as error:
        raise WorkbenchError(f"AWS did not answer: {error}") from None
    described = found[0]["Instances"][0]
    if described["State"]["Name"] == "terminated":
        return None
    return Instance(described["InstanceId"], described["InstanceType"], described["State"]["Name"])


def running(facts: Outputs) -> Outputs:
    """`facts`, if their server runs; raises WorkbenchError where there is none, or it is stopped.

    An address in old outputs may belong to somebody else by now.
    """
    server = instance(facts)
    if server is None:
        raise WorkbenchError(f"Stack {facts.stack} has no server at present; `workbench up` makes one.")
    if server.state != "running":
        raise WorkbenchError(f"The server {server.id} of stack {facts.stack} is {server.state}, not running.")
    return facts


def start(facts: Outputs) -> None:
    """Starts the stack's server, which is stopped or about to be, and waits until it runs. Raises WorkbenchError."""
    ids = [facts.instance_id]
    with _telling(f"The server {facts.instance_id} could not be started"):
        ec2 = client("ec2", stacks.aws_config(), facts.region)
        _await(ec2, "instance_stopped", ids)
        ec2.start_instances(InstanceIds=ids)
        _await(ec2, "instance_running", ids)


def stop(facts: Outputs) -> None:
    """Shuts the stack's server down in order, and waits until it is stopped. Raises WorkbenchError."""
    ids = [facts.instance_id]
    with _telling(f"The server {facts.instance_id} could not be stopped"):
        ec2 = client("ec2", stacks.aws_config(), facts.region)
        ec2.stop_instances(InstanceIds=ids)
        _await(ec2, "instance_stopped", ids)


def become(facts: Outputs, size: str) -> None:
    """Gives the stack's server, which is stopped or about to be, that type, and starts it. Raises WorkbenchError."""
    ids = [facts.instance_id]
    with _telling(f"It could not be started as {size}"):
        ec2 = client("ec2", stacks.aws_config(), facts.region)
        ec2.stop_instances(InstanceIds=ids)  # one that AWS was about to start when it found no room
        _await(ec2, "instance_stopped", ids)
        ec2.modify_instance_attribute(InstanceId=facts.instance_id, InstanceType={"Value": size})
        ec2.start_instances(InstanceIds=ids)
        _await(ec2, "instance_running", ids)


def _await(ec2: Any, what: str, ids: list[str]) -> None:
    waits = {"Delay": POLL_SECONDS, "MaxAttempts": WAIT_POLLS}
    ec2.get_waiter(what).wait(InstanceIds=ids, WaiterConfig=waits)


@contextmanager
def _telling(what: str) -> Iterator[None]:
    """Turns AWS's refusals into a sentence that says what could not be done."""
    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        raise WorkbenchError(f"{what}: {told['Message'].rstrip('.')} ({told['Code']}).") from None
    except WaiterError as error:
        raise WorkbenchError(f"{what}: {_waited(error)}") from None
    except BotoCoreError as error:
        raise WorkbenchError(f"{what}: {error}") from None


def _waited(error: WaiterError) -> str:
    """Why a wait ended: AWS refused to say, or it was not so in time."""
    last: dict[str, Any] = dict(error.last_response or {})
    if "Error" in last:
        return f"{last['Error']['Message'].rstrip('.')} ({last['Error']['Code']})."
    states = {
        server["State"]["Name"]
        for reservation in last.get("Reservations", ())
        for server in reservation["Instances"]
    }
    return (
        f"it is {' and '.join(sorted(states)) or 'gone'} after {WAIT_POLLS * POLL_SECONDS // 60} minutes; AWS may "
        "still be at it, `workbench status` says how it is."
    )


def next_change(stack: str, volume_id: str) -> datetime | None:
    """From when on AWS takes another change of a volume; None where it was not changed lately.

    Source: AWS, "Request modifications to your EBS volumes" (six hours, and once the last change is through).
    """
    try:
        found = client("ec2", stacks.aws_config(stack)).describe_volumes_modifications(VolumeIds=[volume_id])[
            "VolumesModifications"
        ]
    except ClientError as error:
        _unless_gone(error, "InvalidVolumeModification.NotFound")
        return None
    except BotoCoreError as error:
        raise WorkbenchError(f"AWS did not say when the volume was changed: {error}") from None
    last = max((one["StartTime"] for one in found), default=None)
    return None if last is None else last + timedelta(hours=CHANGE_HOURS)


def attached_to(facts: Outputs) -> str | None:
    """The instance that has the stack's data volume, "" where none has; None where there is no such volume."""
    try:
        found = client("ec2", stacks.aws_config(), facts.region).describe_volumes(VolumeIds=[facts.volume_id])
    except BotoCoreError as error:
        raise WorkbenchError(f"AWS did not say where the data volume is: {error}") from None
    except ClientError as error:
        _unless_gone(error, "InvalidVolume.NotFound")
        return None
    attachments = found["Volumes"][0]["Attachments"]
    return attachments[0]["InstanceId"] if attachments else ""


def client(service: str, access: stacks.AwsConfig, region: str | None = None) -> Any:
    """A client that is to AWS whom the stack's provider is; `region` where it is known for certain."""
    return credentials.session(access, region).client(service)


def _unless_gone(error: ClientError, code: str) -> None:
    """Returns where AWS says by `code` that the thing is not there; any other refusal is the user's to know."""
    if error.response["Error"]["Code"] != code:
        raise WorkbenchError(f"AWS refused: {error.response['Error']['Message']}") from None
