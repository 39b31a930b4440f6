"""A throw-away volume made of a snapshot, attached to the server for a while: to bring out a home, or to prove it.

Whatever happens, it goes again; what a run left that was killed, the next removes.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cli import common, makers, remote
from cli.common import console
from cli.described import Disk, Server, Snapshot
from cli.disks import Disks
from workbench import stack as stacks
from workbench import volumes
from workbench.errors import WorkbenchError
from workbench.host import program_path
from workbench.outputs import Outputs

PROGRAM = program_path("volume-copy")
# Where it is mounted is nobody's but the program's, and is no more once that has ended.
ALONE = "unshare --mount --propagation private"
_APPEARS_SECONDS = 120
_LOOK_SECONDS = 3600.0
_BRING_SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class Copy:
    """It, attached: where the server sees it, and what its filesystem was like when it came."""

    device: str
    label: str
    replayed: bool


@contextmanager
def attached(facts: Outputs, disks: Disks, server: Server, snapshot: Snapshot) -> Iterator[Copy]:
    """A volume made of the snapshot, as the server's second disk, for as long as one is in here."""
    clear(disks)
    with common.stage(f"A throw-away volume of the snapshot {snapshot.name}"):
        disk = disks.make_volume(snapshot, volumes.COPY, server.zone, snapshot.gib)
    try:
        yield _attach(facts, disks, server, disk)
    finally:
        with common.stage("Remove the throw-away volume"):
            _remove(disks, disk.id)


def clear(disks: Disks) -> None:
    """Removes what a killed run has left.

    Raises WorkbenchError where a run has made it that is at work, or may be, since it is another machine's.
    """
    for left in disks.volumes(volumes.COPY):
        if not makers.is_over(left.by):
            raise WorkbenchError(
                f"The throw-away volume {left.id} is there, of a run on {makers.said(left.by)}, which may be at "
                "work; wait for it to end. If you know that it is dead: "
                f"`aws ec2 detach-volume --volume-id {left.id}`, then `aws ec2 delete-volume --volume-id {left.id}`."
            )
        console.print(f"The throw-away volume {left.id} of a run that died is removed.")
        _remove(disks, left.id)


def _remove(disks: Disks, volume_id: str) -> None:
    found = disks.volume(volume_id)
    if found is None:
        return
    if found.role != volumes.COPY:
        raise WorkbenchError(f"{volume_id} is no throw-away volume by its tags any more; it stays.")
    if found.server:
        disks.detach(volume_id, found.server)
    disks.delete_volume(volume_id)


def _attach(facts: Outputs, disks: Disks, server: Server, disk: Disk) -> Copy:
    """Attaches it. The host's program waits for it already, to take it its label: the homes are mounted by that.

    Nobody waits longer for it than that program does: with its label it goes again.
    """
    device = facts.model_copy(update={"volume_id": disk.id}).volume_device()
    command = [*stacks.ssh_command(facts), f"sudo {PROGRAM} take {disk.id} {device} {_APPEARS_SECONDS}"]
    waiting = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert waiting.stdout is not None
    remote.await_words(waiting)
    try:
        if "waiting" in waiting.stdout.readline():
            disks.attach(disk.id, server.id, server.free_device(), within=_APPEARS_SECONDS)
        out, err = waiting.communicate(timeout=_APPEARS_SECONDS + 60)
    except subprocess.TimeoutExpired:
        raise WorkbenchError(f"{facts.address} did not tell what is on the copy of the snapshot.") from None
    finally:
        waiting.kill()
    if waiting.returncode != 0:
        said = err.strip().splitlines()
        raise WorkbenchError(
            f"{facts.address} could not take the copy of the snapshot: {said[-1] if said else 'no answer.'}"
        )
    told: dict[str, Any] = json.loads(out.splitlines()[-1])
    return Copy(device, told["label"], told["replayed"])


def look(facts: Outputs, copy: Copy) -> dict[str, Any]:
    """What the host finds on it: see host/workbench_host/volume/copies.py."""
    return remote.report_of(
        facts, f"{ALONE} {PROGRAM} look {copy.device}", _LOOK_SECONDS, "what the copy has"
    )


def bring(facts: Outputs, copy: Copy, arguments: str) -> str:
    """Has the host copy a home, or a part of one, out of it; where it is now. `arguments` are quoted for a shell."""
    command = f"{ALONE} {PROGRAM} bring {copy.device} {arguments}"
    return str(remote.report_of(facts, command, _BRING_SECONDS, "the home")["path"])
