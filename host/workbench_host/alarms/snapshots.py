"""snapshots: asks EC2 when the newest snapshot of the data volume was made, for the alarm that none was.

For root, which alone reaches the metadata service and so has the credentials of the server's role; they may read the
list of snapshots (ec2:DescribeSnapshots, which cannot be limited to some) and nothing else. What it finds, which is no
secret, is in /var/lib/workbench-snapshots/snapshot.json: {"volume", "newest" (ISO time, null for none), "first" and
"asked" (when it was asked first and last), "problem" (why it could not be asked, null)}. alarms.json says in
"snapshots" what to ask: {"volume", "region", "endpoint", "hours"}.
"""

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench_host import alarms
from workbench_host.aws import TIMEOUT_SECONDS, AskError, Credentials, Place, answered, credentials
from workbench_host.tools import write

VERSION = "2016-11-15"  # of the EC2 API
PAGE = 1000  # snapshots in an answer; the API takes 5 to 1000


def newest(own: Credentials, wanted: Mapping[str, Any], now: datetime) -> datetime | None:
    """When the newest snapshot of the volume was begun, unless it failed; None where there is none. Raises AskError."""
    found: list[datetime] = []
    ec2 = Place("ec2", wanted["region"], wanted["endpoint"])
    page: dict[str, str] = {}
    while True:
        parameters = {
            "Action": "DescribeSnapshots",
            "Version": VERSION,
            "Owner.1": "self",
            "Filter.1.Name": "volume-id",
            "Filter.1.Value.1": wanted["volume"],
            "Filter.2.Name": "status",
            "Filter.2.Value.1": "completed",
            "Filter.2.Value.2": "pending",  # one that is being made, which takes hours where much has changed
            "MaxResults": str(PAGE),
            **page,
        }
        root = answered(own, ec2, parameters, now, TIMEOUT_SECONDS)
        found += [
            datetime.fromisoformat(at.text)
            for at in root.iterfind("{*}snapshotSet/{*}item/{*}startTime")
            if at.text
        ]
        following = root.findtext("{*}nextToken")
        if not following:
            return max(found, default=None)
        page = {"NextToken": following}


def ask(wanted: Mapping[str, Any], before: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What is to be written, of what was written before. What was found stays where AWS cannot be asked."""
    time = now.isoformat(timespec="seconds")
    same = before.get("volume") == wanted["volume"]
    kept = {
        "volume": wanted["volume"],
        "asked": time,
        "first": before["first"] if same else time,
        "newest": before["newest"] if same else None,
    }
    try:
        found = newest(credentials(), wanted, now)
    except AskError as error:
        return {**kept, "problem": str(error)}
    return {**kept, "newest": found.isoformat(timespec="seconds") if found else None, "problem": None}


def main(arguments: Sequence[str]) -> int:
    if arguments:
        print("snapshots takes no arguments.", file=sys.stderr)
        return 2
    wanted, file = json.loads(Path(alarms.CONFIG).read_text())["snapshots"], Path(alarms.SNAPSHOT)
    if wanted is None:
        return 0
    before: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        before = json.loads(file.read_text())
    told = ask(wanted, before, datetime.now(UTC))
    write(file, json.dumps(told))
    if told["problem"]:
        print(f"{told['problem']}.", file=sys.stderr)
    return 0
