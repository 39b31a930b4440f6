"""A stack's lock: whose it is, and whether whoever holds it still lives."""

import fcntl
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psutil
from botocore.exceptions import BotoCoreError, ClientError
from ruamel.yaml import YAML

from cli import statefile
from cli.common import console
from workbench import stack as stacks
from workbench.errors import WorkbenchError

# What Pulumi says of a lock in a backend of files, whichever service keeps them
# (pkg/backend/diy/lock.go); Pulumi Cloud ends a lock by itself.
_REFUSED = re.compile(r"^error: the stack is currently locked by \d+ lock\(s\)\.", re.MULTILINE)
_LOCKED = re.compile(
    r"^  \S+: created by (?P<user>.+)@(?P<host>\S+) \(pid (?P<pid>[0-9]+)\) at (?P<since>\S+)$", re.MULTILINE
)
_STRANGE = "A lock of the stack is none that Pulumi writes; if no run is at work, `pulumi cancel` removes it."
_CLOCK_SECONDS = 2.0
_PORT = re.compile(r"[0-9]{1,5}")  # digits of other scripts are none
_SURVIVORS_SECONDS = 10.0


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, since when."""

    user: str
    host: str
    pid: int
    since: datetime

    def __str__(self) -> str:
        return f"{self.user}@{self.host}, process {self.pid}, since {self.since:%Y-%m-%d %H:%M:%S %Z}"

    def is_dead(self) -> bool:
        """Whether it was a process of this machine that is no more; another machine's cannot be asked."""
        if self.host != socket.gethostname() or self.host == "localhost":
            return False
        try:
            os.kill(self.pid, 0)  # with hidepid, /proc shows nothing of another user's process that lives
            holder = psutil.Process(self.pid)
            # the number may be another process's by now; in a container a dead one may wait for ever to be fetched
            recycled = holder.create_time() > self.since.timestamp() + _CLOCK_SECONDS
            return recycled or holder.status() == psutil.STATUS_ZOMBIE
        except ProcessLookupError:
            return True
        except (OSError, OverflowError, psutil.Error):
            return False


def holders(said: str) -> list[Holder]:
    """Those that Pulumi names in what it said; none where it did not fail for a lock.

    Others have a say in what it prints (a tag, an error of AWS's): only its own refusal counts, where it stands last.
    """
    refusals = list(_REFUSED.finditer(said))
    if not refusals:
        return []
    return [_holder(match.groupdict()) for match in _LOCKED.finditer(said, refusals[-1].end())]


def of(stack: str) -> list[Holder] | None:
    """Who holds the stack's lock; None where the backend is not one of files on this machine or in S3."""
    backend = stacks.Question("whoami", "--verbose", "--json").answer()["url"]
    project = YAML(typ="safe").load((stacks.ROOT / "Pulumi.yaml").read_text())["name"]
    folder = f"locks/organization/{project}/{stacks.short_name(stack)}"
    address = urlsplit(backend)
    if (files := statefile.folder_of(backend)) is not None:
        texts = _in_folder(files / folder)
    elif address.scheme == "s3":
        prefix = f"{address.path.strip('/')}/.pulumi/{folder}/".lstrip("/")
        texts = _in_bucket(address.netloc, prefix, dict(parse_qsl(address.query)))
    else:
        return None
    return [_noted(text) for text in texts]


def _in_folder(folder: Path) -> Iterator[str]:
    for path in folder.glob("*.json"):
        with suppress(FileNotFoundError):  # whoever held it has just ended
            yield path.read_text()


def _in_bucket(bucket: str, prefix: str, access: Mapping[str, str]) -> Iterator[str]:
    """The files of a folder in S3, as whom the backend's address names, else the environment: so does Pulumi."""
    import boto3

    try:
        session: Any = boto3.Session(profile_name=access.get("profile"), region_name=access.get("region"))
        endpoint = access.get("endpoint")
        if endpoint and "://" not in endpoint:
            endpoint = f"{'http' if access.get('disableSSL') == 'true' else 'https'}://{endpoint}"
        s3 = session.client("s3", endpoint_url=endpoint)
        for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ()):
            yield s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read().decode()
    except (BotoCoreError, ClientError) as error:
        raise WorkbenchError(f"The lock in the bucket {bucket} could not be read: {error}") from None


def _noted(text: str) -> Holder:
    """Who is named in a lock file, which anybody may have written who may write beside the state."""
    try:
        told = json.loads(text)
        names = {"user": "username", "host": "hostname", "pid": "pid", "since": "timestamp"}
        return _holder({ours: told[theirs] for ours, theirs in names.items()})
    except (ValueError, KeyError, TypeError):
        raise WorkbenchError(_STRANGE) from None


def _holder(told: Mapping[str, Any]) -> Holder:
    """Raises WorkbenchError where it is none that Pulumi names."""
    try:
        since, pid = datetime.fromisoformat(told["since"]), int(told["pid"])
    except (ValueError, TypeError):
        raise WorkbenchError(_STRANGE) from None
    if pid <= 0 or since.tzinfo is None:
        raise WorkbenchError(_STRANGE)
    # As it was noted, but for what a terminal would obey.
    user, host = ("".join(c for c in str(told[key]) if c.isprintable()) for key in ("user", "host"))
    return Holder(user, host, pid, since)


def refuse_living(stack: str, held: Sequence[Holder]) -> None:
    """Raises WorkbenchError where a holder lives or is another machine's."""
    for holder in held:
        if not holder.is_dead():
            raise WorkbenchError(
                f"Stack {stack} is locked by another run ({holder}). Wait for it to end; if you know that it is dead, "
                f"`pulumi cancel --stack {stack}` removes the lock."
            )


def clear(stack: str, held: Sequence[Holder]) -> None:
    """Removes a lock whose holders are dead, once all is gone that they started.

    Raises WorkbenchError, and removes nothing, where one lives or is another machine's.
    """
    refuse_living(stack, held)
    with (stacks.state_folder(stack) / "clearing").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        still = of(stack)
        if still is not None and {(one.host, one.pid) for one in still} != {
            (one.host, one.pid) for one in held
        }:
            return  # another run was here before: the lock there is now, if any, is of one that lives
        console.print(f"The last run died and left its lock ({held[0]}): it is removed.", markup=False)
        end_survivors(stacks.ROOT)
        stacks.Question("cancel", "--yes", stack=stack).said()


def end_survivors(root: Path) -> None:
    """Waits for what a dead engine has left running on this project (workbench/lifeline.py), and kills what stays."""
    left = [process for process in psutil.process_iter() if _outlived_its_engine(process, root)]
    left += [child for process in left for child in _children(process)]
    _, stubborn = psutil.wait_procs(left, timeout=_SURVIVORS_SECONDS)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _outlived_its_engine(process: psutil.Process, root: Path) -> bool:
    """Whether it is a plugin at work on this project whose engine, its last argument, does not answer."""
    try:
        command = process.cmdline()
        if not any("pulumi.dynamic" in word or "language_host.py" in word for word in command):
            return False
        host, _, port = command[-1].rpartition(":")
        if process.cwd() != str(root) or not _PORT.fullmatch(port):
            return False
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return True
    except (psutil.Error, OSError):
        return False
    return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        children: list[psutil.Process] = process.children(recursive=True)
    except psutil.Error:
        return []
    return children
