"""The life of a snapshot, which moto takes for complete at once: pending, then completed, or failed.

Its content is taken with the call (lab/disks.py), as AWS does it too: what is pending there is the copy to S3.
"""

from datetime import datetime, timedelta
from typing import Any

from moto.ec2.models.elastic_block_store import Snapshot
from werkzeug.wrappers import Response

from lab.calls import Call
from lab.faults import Faults

MAKES = frozenset({"CreateSnapshot", "CreateSnapshots", "CopySnapshot"})


class Growing(Snapshot):
    """One of moto's that tells how far it is."""

    begun: datetime
    due: datetime
    failure: str
    seen: datetime

    @property
    def progress(self) -> str:
        if self.status == "completed":
            return "100%"
        whole = (self.due - self.begun).total_seconds() or 1.0
        return f"{min(99, int(100 * (self.seen - self.begun).total_seconds() / whole))}%"

    @property
    def status_message(self) -> str | None:
        return self.failure if self.status == "error" else None


def begin(ec2: Any, faults: Faults, now: datetime) -> None:
    """Those that moto has just made are pending for as long as the tests say, which is no time if they say nothing."""
    for snapshot in ec2.snapshots.values():
        if not snapshot.from_ami and not isinstance(snapshot, Growing):
            snapshot.__class__ = Growing
            snapshot.status = "pending"
            snapshot.begun = snapshot.seen = now
            snapshot.due = now + timedelta(seconds=faults.snapshot_seconds)
            snapshot.failure = faults.snapshot_error


def settle(ec2: Any, now: datetime) -> bool:
    """Ends those whose time has come; whether there were any."""
    ended = False
    for snapshot in ec2.snapshots.values():
        if isinstance(snapshot, Growing) and snapshot.status == "pending":
            snapshot.seen = now
            if now >= snapshot.due:
                snapshot.status = "error" if snapshot.failure else "completed"
                ended = True
    return ended


def told(call: Call, response: Response) -> Response:
    """moto's answer to a call that makes one: AWS says that it is pending."""
    if call.action in MAKES:
        text = response.get_data(as_text=True).replace("<status>completed<", "<status>pending<")
        response.set_data(text)
    return response
