"""Units of systemd that failed, and how much of the system each of ours could reach."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

SECONDS = 20
OVERALL = re.compile(r"Overall exposure level for (\S+): ([0-9.]+)")
MADE_UP = re.compile(r"@[^.]+(?=\.service$)")  # the instance that stands for all of a template's
FOLDER = Path("/etc/systemd/system")
ADDED = "50-workbench-*.conf"  # what the deploy adds to the services that it looks after (deploy/units.py)


def ours(folder: Path = FOLDER) -> list[str]:
    """The services that are the deploy's own files, templates (NAME@.service) among them; Debian's are links there."""
    files = [path for path in folder.glob("*.service") if path.is_file() and not path.is_symlink()]
    return sorted(
        path.name
        for path in files
        if path.name.startswith("workbench-") or any(Path(f"{path}.d").glob(ADDED))
    )


def exposures(said: str) -> dict[str, float]:
    """{unit: 0 to 10} in what `systemd-analyze security` says of units that are named to it.

    Asked about all, it leaves out those that only do something once (systemd-analyze(1)).
    """
    return {unit: float(exposure) for unit, exposure in OVERALL.findall(said)}


def of_templates(said: str) -> dict[str, float]:
    """The same of files of templates, by the templates' names: it judges an instance whose name it makes up."""
    return {MADE_UP.sub("@", unit): exposure for unit, exposure in exposures(said).items()}


def of_ours(folder: Path = FOLDER) -> dict[str, float]:
    """Of units as they are loaded, and of templates, which never are, as their files say."""
    units = ours(folder)
    templates = [str(folder / unit) for unit in units if unit.endswith("@.service")]
    loaded = [unit for unit in units if not unit.endswith("@.service")]
    judge = ("systemd-analyze", "security", "--no-pager")
    found = exposures(_said(*judge, *loaded)) if loaded else {}
    return {**found, **(of_templates(_said(*judge, "--offline=true", *templates)) if templates else {})}


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    if done.returncode != 0:
        raise OSError(f"{command[0]}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def report() -> dict[str, Any]:
    """{failed [unit, ...], exposure {unit: 0 to 10}, firewall (whether its rules are in force)}."""
    failed = json.loads(_said("systemctl", "list-units", "--state=failed", "--no-pager", "--output=json"))
    rules = subprocess.run(["nft", "list", "table", "inet", "workbench"], capture_output=True, check=False)
    return {
        "failed": [entry["unit"] for entry in failed],
        "exposure": of_ours(),
        "firewall": rules.returncode == 0,
    }
