"""What AWS does only now and then, on demand: a stand-in for the tests, who write what they want into a file.

`faults.json` in the lab's home holds any of: `snapshot_seconds` (how long the next snapshots stay pending),
`snapshot_error` (why they fail in the end), `without_capacity` (the types for which AWS has no room), `debian` (the
release that Debian has published last, such as 20261123-2300). Without the file all is at once, and well, and Debian's
release is the first.
"""

import json
from pathlib import Path
from typing import Any

from lab.seed import RELEASE


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

    @property
    def without_capacity(self) -> frozenset[str]:
        return frozenset(self._told().get("without_capacity", ()))

    @property
    def debian(self) -> str:
        return str(self._told().get("debian", RELEASE))
