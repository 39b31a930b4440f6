"""Units of systemd that failed, and how much of the system each of ours could reach."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SECONDS = 20
FOLDER = Path("/etc/systemd/system")
OURS = "# From the workbench's deploy"  # how each file begins that the deploy writes


def ours(folder: Path = FOLDER) -> list[str]:
    """The services whose file is the deploy's; of templates none, they are no units."""
    files = [path for path in sorted(folder.glob("*.service")) if not path.name.endswith("@.service")]
    return [
        path.name for path in files if path.is_file() and path.read_text(errors="replace").startswith(OURS)
    ]


def exposures(said: str, units: Iterable[str]) -> dict[str, float]:
    """The exposure of each of the units that is loaded, in what `systemd-analyze security --json=short` says of all."""
    listed = {entry["unit"]: float(entry["exposure"]) for entry in json.loads(said)}
    return {unit: listed[unit] for unit in units if unit in listed}


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    if done.returncode != 0:
        raise OSError(f"{command[0]}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def report() -> dict[str, Any]:
    """{failed [unit, ...], exposure {unit: 0 to 10}, firewall (whether its rules are in force)}."""
    failed = json.loads(_said("systemctl", "list-units", "--state=failed", "--no-pager", "--output=json"))
    analysed = _said("systemd-analyze", "security", "--no-pager", "--json=short")
    rules = subprocess.run(["nft", "list", "table", "inet", "workbench"], capture_output=True, check=False)
    return {
        "failed": [entry["unit"] for entry in failed],
        "exposure": exposures(analysed, ours()),
        "firewall": rules.returncode == 0,
    }
