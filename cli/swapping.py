"""Another volume takes the data volume's place. Cut off anywhere, the roles of the volumes say how far it came.

1. A volume with the role INCOMING is made of the snapshot.
2. The server stops, and lets go of the data volume.
3. The incoming one is attached in its place: from here on it goes forward only, since people may get to work on it.
4. The old one becomes KEPT, then the incoming one DATA.
5. The state forgets the old one; the next run of the program finds the new one by its tags and takes it into the state,
   as it does where a state was lost (infra/adoption.py).

Until 5 is done, the program refuses to run by itself (infra/existing.py).
"""

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psutil

from cli import common, locks, makers, repair
from cli.common import console
from cli.described import Disk, Server, Snapshot
from cli.disks import Disks
from cli.waiting import KNOWN_SECONDS, until
from workbench import stack as stacks
from workbench import volumes
from workbench.errors import WorkbenchError

_HOLDER = re.compile(r"([1-9][0-9]{0,8}) (workbench[a-z -]*)")
_VOLUME = "aws:ebs/volume:Volume"
_ATTACHMENT = "aws:ec2/volumeAttachment:VolumeAttachment"


@contextmanager
def alone(stack: str, command: str) -> Iterator[None]:
    """No other command of this machine that changes this stack is at work meanwhile; `command`: the name of this one.

    Raises WorkbenchError, which says who is.
    """
    with (stacks.state_folder(stack) / "command.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise WorkbenchError(
                f"Another workbench command is at work on stack {stack}{_named(lock.read())}; wait for it to end."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()} workbench {command}")
        lock.flush()
        yield


def _named(noted: str) -> str:
    """` (pid 7, `workbench up`)`; "" where the lock does not say yet who has it, but who had it before."""
    match = _HOLDER.fullmatch(noted)
    return f" (pid {match[1]}, `{match[2]}`)" if match and psutil.pid_exists(int(match[1])) else ""


def refuse_runs(stack: str) -> None:
    """Raises WorkbenchError where a run of Pulumi is at the stack, here or elsewhere."""
    locks.refuse_living(stack, locks.of(stack) or [])


def incoming(disks: Disks) -> Disk | None:
    """The volume of a restore that has not ended. Raises WorkbenchError where there are several."""
    found = disks.volumes(volumes.INCOMING)
    if len(found) > 1:
        raise WorkbenchError(
            f"{len(found)} restores of stack {disks.stack} have begun and not ended "
            f"({', '.join(f'{one.id} of {one.snapshot}' for one in found)}), two at once perhaps; nothing has been "
            "changed. Delete those volumes but one (`aws ec2 delete-volume --volume-id ID`), then try again."
        )
    return found[0] if found else None


def refuse_unfinished(disks: Disks) -> None:
    """Raises WorkbenchError where a restore has begun and not ended."""
    if one := incoming(disks):
        raise WorkbenchError(
            f"A restore of stack {disks.stack} has begun and not ended ({one.id}, of {one.snapshot}): "
            f"`workbench restore {one.snapshot}` goes on with it, `workbench up` goes back where it still can."
        )


def settle(stack: str, exported: Mapping[str, Any]) -> bool:
    """Ends what a restore that died has left, forward where it has gone too far to go back; whether there was any.

    Of a stack that the state does not know nothing is touched: the program says what AWS has of one of that name.
    To be called with `alone`. Raises WorkbenchError where it lives, or may live, since it is another machine's.
    """
    if repair.stack_id(exported) is None:
        return False
    disks = Disks.of(stack, exported)
    one = incoming(disks)
    if one is None:
        return forget_old(stack, disks, exported) or forget_attachment(stack, disks, exported)
    if not makers.is_over(one.by):
        raise WorkbenchError(
            f"A restore of {one.snapshot} has begun on {makers.said(one.by)} and not ended; wait for it. If "
            f"you know that it is dead, `workbench restore {one.snapshot}` goes on with it."
        )
    if one.server or disks.data() is None:
        console.print(f"A restore that died is ended: {one.id} becomes the data volume.")
        take_place(disks, one)
        forget_old(stack, disks, exported)
    else:
        console.print(f"A restore that died is taken back: {one.id} goes, the data volume stays as it was.")
        go_back(disks, one)
    return True


def settled(stack: str, state: repair.Repaired) -> repair.Repaired:
    """The state once nothing of a restore that died is left; see `settle`."""
    if settle(stack, state.exported):
        return repair.Repaired(repair.export(stack), state.creating)
    return state


def go_back(disks: Disks, one: Disk) -> None:
    """As if the restore had never begun. The incoming volume was never anybody's: its snapshot has all of it."""
    if one.snapshot not in [snapshot.id for snapshot in disks.snapshots()]:
        raise WorkbenchError(
            f"The restore of {one.snapshot} into {one.id} did not end, and that snapshot is gone; "
            f"if nobody needs what is on {one.id}: `aws ec2 delete-volume --volume-id {one.id}`."
        )
    data, server = disks.data(), disks.server()
    if data and data.attachment == "detaching":  # which would else end once all here is done
        disks.detach(data.id, data.server)
    if data and server and (not data.server or data.attachment == "detaching"):
        disks.attach(data.id, server.id, volumes.DEVICE)
    disks.delete_volume(one.id)


def make_incoming(disks: Disks, snapshot: Snapshot, zone: str, gib: int) -> Disk:
    """The volume that is to take the data volume's place; the one that an earlier run has made, if it is the same.

    That may have its place already, but for the state: then it says still who made it, which the program takes off.
    """
    data = disks.data()
    if data is not None and data.by and data.snapshot == snapshot.id and data.zone == zone:
        return data
    one = incoming(disks)
    if one is not None and makers.lives(one.by):
        raise WorkbenchError(
            f"A restore of {one.snapshot} is at work ({makers.said(one.by)}); wait for it to end."
        )
    if one is not None and (one.snapshot, one.zone) == (snapshot.id, zone) and one.gib >= gib:
        if one.by != makers.this():
            disks.retag(one.id, {"By": makers.this()})
        return disks.wait(one.id, "in-use" if one.server else "available")
    if one is not None:
        if one.server:
            raise WorkbenchError(
                f"The restore of {one.snapshot} has gone too far to go back; end it first: `workbench restore "
                f"{one.snapshot}`, or `workbench up`."
            )
        go_back(disks, one)
    with common.stage(f"A volume of the snapshot {snapshot.name}"):
        return disks.make_volume(snapshot, volumes.INCOMING, zone, gib)


def replace(stack: str, disks: Disks, new: Disk, exported: Mapping[str, Any]) -> None:
    """Steps 2 to 5; the server is left stopped."""
    server = disks.server()
    if server is not None and new.server != server.id:
        _swap(disks, new, server)
    take_place(disks, new)
    forget_old(stack, disks, exported)


def _swap(disks: Disks, new: Disk, server: Server) -> None:
    with common.stage(f"Stop the server {server.id}"):
        disks.stop(server)
    old = disks.data()
    with common.stage("Put the restored volume in the data volume's place"):
        now = disks.server()
        if now is not None and now.state != "stopped":  # by AWS's console, or by a schedule
            raise WorkbenchError(
                f"The server {now.id} was started meanwhile (it is {now.state}), with the data volume as it was; "
                f"`workbench restore {new.snapshot}` goes on, `workbench up` goes back."
            )
        if old is not None and old.server == server.id:
            disks.detach(old.id, server.id)
        disks.attach(new.id, server.id, volumes.DEVICE)


def take_place(disks: Disks, new: Disk) -> None:
    """The old one is named first: none that is the data volume stops a run, two could be taken for each other."""
    old = disks.data()
    if old is not None and old.id != new.id:
        disks.retag(old.id, disks.tags(volumes.KEPT, ReplacedBy=new.id))
    disks.retag(new.id, disks.tags(volumes.DATA))
    # AWS may find things by their former tags for a while, and the next step goes by what it finds.
    until(
        lambda: [one.id for one in disks.volumes(volumes.DATA)],
        ", ".join,
        new.id,
        "the data volume by its tags",
        KNOWN_SECONDS,
    )


def forget_old(stack: str, disks: Disks, exported: Mapping[str, Any]) -> bool:
    """Has the state forget the data volume that it has, where that is another one than the one in its place."""
    known = volume_in(exported)
    data = disks.data()
    if known is None or data is None or known["id"] == data.id:
        return False
    drop(stack, known["urn"])
    return True


def forget_attachment(stack: str, disks: Disks, exported: Mapping[str, Any]) -> bool:
    """Has the state forget that the server has the data volume, where AWS says that nothing has it; whether it did.

    The engine asks AWS for nothing that has not changed: without this no run would attach it again.
    """
    known = next((one for one in stacks.resources_in(exported) if one["type"] == _ATTACHMENT), None)
    data, server = disks.data(), disks.server()
    if known is None or data is None or server is None or data.server:
        return False
    console.print(f"The data volume {data.id} is attached to no server: it is attached again.", markup=False)
    drop(stack, known["urn"])
    return True


def volume_in(exported: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The data volume as the state has it."""
    return next(
        (
            one
            for one in stacks.resources_in(exported)
            if one["type"] == _VOLUME and one["urn"].endswith("::data")
        ),
        None,
    )


def drop(stack: str, urn: str) -> None:
    """Has the state forget a volume or a server, and what hangs on it (attachment, configuration), for the next run.

    In AWS nothing happens. `--force`, since the volume is protected: from being deleted, that is.
    """
    stacks.Question("state", "delete", urn, "--force", "--target-dependents", "--yes", stack=stack).said()
