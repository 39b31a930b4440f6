"""What AWS does only now and then, on demand: a stand-in for the tests, who write what they want into a file.

`faults.json` in the lab's home holds any of: `snapshot_seconds` (how long the next snapshots stay pending),
`snapshot_error` (why they fail in the end), `clock_ahead` (seconds by which the lab's clock is ahead of this machine's,
for AWS's limits of so much an hour). Without the file all is at once, and well.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from moto.core.utils import utcnow


class Faults:
    """What the file says at the moment."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def _told(self) -> dict[str, Any]:
        try:
            told: dict[str, Any] = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        return told

    @property
    def snapshot_seconds(self) -> float:
        return float(self._told().get("snapshot_seconds", 0))

    @property
    def snapshot_error(self) -> str:
        return str(self._told().get("snapshot_error", ""))

    def now(self) -> datetime:
        """The lab's time, UTC without a zone, as moto keeps it."""
        return utcnow() + timedelta(seconds=float(self._told().get("clock_ahead", 0)))
