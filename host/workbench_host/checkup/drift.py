"""What somebody installed by hand, which the next server will not have: Debian packages, and files in /usr/local."""

import gzip
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench_host import tools

HISTORY = Path("/var/log/apt")  # history.log, and older ones compressed: apt keeps a year's
LOCAL = Path("/usr/local")
WANTED = Path(tools.CONFIG) / "environments.json"  # with what the settings want of Debian
OURS = "DPkg::Lock::Timeout="  # in each command line of the deploy's (workbench_host/packages.py)
PLACES = (
    "/usr/local/lib/workbench/",
    "/opt/workbench/",
)  # where links in /usr/local/bin lead to that are ours
SIGN = b"From the workbench's deploy"  # in a file there that is ours
FIRST_BOOT = Path("/etc/machine-id")
MOST = 50  # of each kind that is told


def _logs() -> Iterator[str]:
    for path in sorted(HISTORY.glob("history.log*"), key=lambda one: one.stat().st_mtime):
        content = path.read_bytes()
        yield (gzip.decompress(content) if path.suffix == ".gz" else content).decode(errors="replace")


def by_hand(text: str) -> dict[str, str]:
    """Packages that a history of apt's says somebody asked for, with who that was, where sudo told.

    What came along with them is `automatic` there, and unattended upgrades install nothing of their own. An apt without
    a command line is a program's.
    """
    found = {}
    for block in _since_ours(re.split(r"\n\s*\n", text)):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        command = fields.get("Commandline", "")
        if not command or OURS in command or "unattended-upgrade" in command:
            continue
        for one in re.findall(r"([a-z0-9][a-z0-9+.-]+):\w+ \(([^)]*)\)", fields.get("Install", "")):
            if "automatic" not in one[1]:
                found[one[0]] = fields.get("Requested-By", "").partition(" ")[0] or "root"
    return found


def _since_ours(blocks: list[str]) -> list[str]:
    """Those from the first deploy on: what was before is the image's. Logs that do not reach so far are all later."""
    first = next((number for number, block in enumerate(blocks) if OURS in block), 0)
    return blocks[first:]


def manual() -> set[str]:
    """The packages that are installed and not merely because others need them."""
    done = subprocess.run(["apt-mark", "showmanual"], capture_output=True, text=True, check=True, timeout=30)
    return {line.partition(":")[0] for line in done.stdout.split()}


def debian() -> list[dict[str, str]]:
    """[{name, by}] of packages that were installed by hand, are still there, and no setting asks for."""
    asked = by_hand("\n\n".join(_logs()))
    if not asked:
        return []
    wanted = set(json.loads(WANTED.read_text())["debian"]) if WANTED.exists() else set()
    return [{"name": name, "by": asked[name]} for name in sorted(asked.keys() & manual() - wanted)][:MOST]


def programs() -> list[str]:
    """Files in /usr/local/bin and sbin that the deploy did not put there."""
    files = [path for folder in ("bin", "sbin") for path in sorted((LOCAL / folder).glob("*"))]
    return [str(path) for path in files if _is_later(path) and not _is_ours(path)][:MOST]


def _is_later(path: Path) -> bool:
    """Whether it came after the first boot, which gave the host its id: what was there before is the image's."""
    return path.lstat().st_ctime > FIRST_BOOT.stat().st_mtime


def _is_ours(path: Path) -> bool:
    if str(path.resolve()).startswith(PLACES):
        return True
    try:
        with path.open("rb") as file:
            return SIGN in file.read(400)
    except OSError:  # a link to nowhere, a folder
        return False


def python_packages() -> list[str]:
    """Names of what `sudo pip` has put where Debian's Python looks."""
    folders = LOCAL.glob("lib/python3*/*-packages/*.dist-info")
    return sorted({folder.name.partition("-")[0] for folder in folders if _is_later(folder)})[:MOST]


def r_packages() -> list[str]:
    """Names of what an R of root's has put into the library for all."""
    found = [path for path in LOCAL.glob("lib/R/site-library/*/DESCRIPTION") if _is_later(path)]
    return sorted(path.parent.name for path in found)[:MOST]


def report() -> dict[str, Any]:
    """{debian: [{name, by}], programs: [path], python: [name], r: [name]}, of each at most 50."""
    return {"debian": debian(), "programs": programs(), "python": python_packages(), "r": r_packages()}
