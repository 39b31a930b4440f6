"""doctor: what `workbench doctor` asks of the host, in JSON on standard output. For root; it changes nothing.

{"listeners", "upkeep", "logins", "units", "disk", "mounts", "memory", "services", "certificate", "ca", "alarms",
"drift"}; what could not be found out is missing there and stands under "unknown" with the reason: {name: reason}.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from workbench_host import health, logins, tools
from workbench_host.alarms import memory
from workbench_host.checkup import drift, listeners, mounts, units, upkeep

CA = Path(tools.CONFIG) / "ca.crt"
CERTIFICATE = Path(tools.CONFIG) / "certificate.json"
SECONDS = 20.0  # for each part; whoever asks waits three times as long for all (cli/doctor.py)


def disk() -> dict[str, dict[str, float] | None]:
    """As in health's report, with `inodes`, the part of them that is in use."""
    found = {}
    for path in ("/", tools.DATA_VOLUME):
        size = health.disk(path)
        if size:
            told = os.statvfs(path)
            size["inodes"] = round(1 - told.f_ffree / told.f_files, 3) if told.f_files else 0.0
        found[path] = size
    return found


def services() -> dict[str, Any]:
    """What health last wrote of each service, with its units and path: at most 15 s old while that runs."""
    asked = json.loads(health.CONFIG.read_text())["services"]
    written = health.FOLDER / "health.json"
    told = json.loads(written.read_text())["services"]
    return {
        "age_s": round(time.time() - written.stat().st_mtime),
        "of": {
            name: {**told.get(name, {}), "units": one["units"], "path": one["path"]}
            for name, one in asked.items()
        },
    }


def failed_logins() -> dict[str, Any]:
    """As in health's report, with `bans`: whether fail2ban answers, and so does its work."""
    asked = subprocess.run([logins.CLIENT, "ping"], capture_output=True, check=False)
    return {**logins.report(), "bans": asked.returncode == 0}


def certificate() -> dict[str, Any]:
    """{domain, server}: the workbench's name, if it has one, and the ACME CA that is to vouch, if any."""
    config = json.loads(CERTIFICATE.read_text())
    return {"domain": config["domain"], "server": config["server"]}


PARTS: dict[str, Callable[[], Any]] = {
    "listeners": listeners.report,
    "upkeep": upkeep.report,
    "logins": failed_logins,
    "units": units.report,
    "disk": disk,
    "mounts": mounts.report,
    "memory": health.memory,
    "services": services,
    "certificate": certificate,
    "ca": CA.read_text,
    "alarms": memory.report,
    "drift": drift.report,
}


def report() -> dict[str, Any]:
    """All parts at once: most of them wait for another program. One that takes too long is not waited for."""
    found: dict[str, Any] = {"unknown": {}}
    pool = ThreadPoolExecutor(len(PARTS))
    running = {name: pool.submit(part) for name, part in PARTS.items()}
    ended, _ = wait(running.values(), SECONDS)
    for name, part in running.items():
        try:
            if part not in ended:
                raise tools.FailureError(f"it was not found out within {SECONDS:g} s")
            found[name] = part.result()
        except Exception as error:  # of whatever kind: the other parts are worth knowing
            found["unknown"][name] = tools.reason(error)
    return found


def main(arguments: Sequence[str]) -> int:
    if arguments:
        print("doctor takes no arguments.", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("Only root may ask this; run it with sudo.", file=sys.stderr)
        return 1
    print(json.dumps(report()), flush=True)
    os._exit(0)  # else Python waits for the threads of parts that have not ended
