"""What AWS does only now and then, on demand: a stand-in for the tests, who write what they want into a file.

`faults.json` in the lab's home holds any of:

- `snapshot_seconds`: how long the next snapshots stay pending; `snapshot_error`: why they fail in the end.
- `without_capacity`: the types for which AWS has no room.
- `debian`: the release that Debian has published last, such as 20261123-2300; without it the first.
- `detach_seconds`, `attach_seconds`: how long a volume says that it is detaching, or attaching (lab/attachments.py).
- `device_seconds`: how long after it was attached, or its machine started, the machine does not see a volume's device.
- `expires_after`: after how many calls, from when the file was written, the credentials have expired. All are: the lab
  has one account, and looks at nobody's keys.
- `hold`: {action: "before" or "after"}: calls that stand still before they are done, or before they are answered, until
  the file says otherwise. Which does, stands in the file `held` beside it; so a test can do something at that moment.

Seconds may be "never". They are counted anew whenever they are looked at: with another number, or without the file,
all goes on. Without the file all is at once, and well.
"""

import json
import math
import time
from pathlib import Path
from typing import Any

from lab.seed import RELEASE

HELD_SECONDS = 600.0  # the longest: a test that dies leaves no lab that stands still for ever
_LOOK_SECONDS = 0.05


class Faults:
    """What the file says at the moment."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._written = 0
        self._calls = 0

    def _told(self) -> dict[str, Any]:
        try:
            told: dict[str, Any] = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        return told

    def _seconds(self, name: str) -> float:
        told = self._told().get(name, 0)
        return math.inf if told == "never" else float(told)

    @property
    def snapshot_seconds(self) -> float:
        return self._seconds("snapshot_seconds")

    @property
    def snapshot_error(self) -> str:
        return str(self._told().get("snapshot_error", ""))

    @property
    def without_capacity(self) -> frozenset[str]:
        return frozenset(self._told().get("without_capacity", ()))

    @property
    def debian(self) -> str:
        return str(self._told().get("debian", RELEASE))

    @property
    def detach_seconds(self) -> float:
        return self._seconds("detach_seconds")

    @property
    def attach_seconds(self) -> float:
        return self._seconds("attach_seconds")

    @property
    def device_seconds(self) -> float:
        return self._seconds("device_seconds")

    def expired(self) -> bool:
        """Whether the credentials of the call that is asked about have expired. Counts it."""
        after = self._told().get("expires_after")
        if after is None:
            return False
        written = self._file.stat().st_mtime_ns
        if written != self._written:
            self._written, self._calls = written, 0
        self._calls += 1
        return self._calls > int(after)

    def hold(self, action: str, when: str) -> None:
        """Returns once a call of the action may go on. `when` is before or after it is done."""
        mark, end = self._file.with_name("held"), time.monotonic() + HELD_SECONDS
        while self._told().get("hold", {}).get(action) == when and time.monotonic() < end:
            mark.write_text(action)
            time.sleep(_LOOK_SECONDS)
