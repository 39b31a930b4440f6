"""What AWS says of a stack right now; its outputs only say how `pulumi up` left it."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.leftovers import GP3_USD_PER_GIB_MONTH
from workbench.outputs import Outputs

POLL_SECONDS = 3


@dataclass(frozen=True)
class Instance:
    """A server as EC2 describes it."""

    id: str
    type: str
    state: str


@dataclass(frozen=True)
class Volume:
    """A volume as EC2 describes it; size in GiB, price an estimate."""

    id: str
    size_gib: int
    usd_per_month: float


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
    ec2 = client("ec2", stacks.aws_config(), facts.region)
    ids = [facts.instance_id]
    try:
        ec2.get_waiter("instance_stopped").wait(InstanceIds=ids, WaiterConfig={"Delay": POLL_SECONDS})
        ec2.start_instances(InstanceIds=ids)
        ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig={"Delay": POLL_SECONDS})
    except (BotoCoreError, ClientError) as error:
        raise WorkbenchError(f"The server {facts.instance_id} could not be started: {error}") from None


def data_volume(stack: str, volume_id: str) -> Volume | None:
    """The stack's data volume, or None where there is none."""
    try:
        found = client("ec2", stacks.aws_config(stack)).describe_volumes(VolumeIds=[volume_id])["Volumes"]
    except BotoCoreError as error:
        raise WorkbenchError(f"AWS did not say what became of the data volume: {error}") from None
    except ClientError as error:
        _unless_gone(error, "InvalidVolume.NotFound")
        return None
    size = found[0]["Size"]
    return Volume(found[0]["VolumeId"], size, size * GP3_USD_PER_GIB_MONTH)


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
    import boto3  # half a second, which the commands that ask AWS nothing are spared

    session: Any = boto3.Session(profile_name=access.profile, region_name=region or access.region)
    return session.client(service)


def _unless_gone(error: ClientError, code: str) -> None:
    """Returns where AWS says by `code` that the thing is not there; any other refusal is the user's to know."""
    if error.response["Error"]["Code"] != code:
        raise WorkbenchError(f"AWS refused: {error.response['Error']['Message']}") from None
