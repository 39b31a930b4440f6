"""health --json | --watch SECONDS

Asks how the services in /etc/workbench/health.json are. --json prints it (for root, since it names who is at work),
with what people are at (workbench_host/activity.py), how many logins failed, which addresses are banned and which
alarms are on; --watch asks every SECONDS seconds and writes /run/workbench/health.json (root only) and
/run/workbench/status.json (the services alone, for the landing page). A service is

  up        its units are active and its address answers with success
  starting  a unit is starting, or has been active for less than 60 s while the address does not answer yet
  down      anything else; `detail` says what
"""

import argparse
import contextlib
import dataclasses
import datetime
import http.client
import json
import os
import pwd
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from workbench_host import activity, logins, tools
from workbench_host.alarms import memory as alarms
from workbench_host.processes import PROCESSES, USER_UIDS, owners
from workbench_host.tools import write

CONFIG = Path(tools.CONFIG) / "health.json"
FOLDER = Path("/run/workbench")
GRACE_SECONDS = 60
TIMEOUT_SECONDS = 5
GIB = 1024**3


def unit_states(units: Sequence[str]) -> dict[str, dict[str, str]]:
    """What systemd says of the units: name -> property -> value."""
    if not units:
        return {}
    wanted = "Id,ActiveState,SubState,Result,NRestarts,ActiveEnterTimestampMonotonic"
    done = subprocess.run(
        ["systemctl", "show", "-p", wanted, *units], capture_output=True, text=True, check=False
    )
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in done.stdout.split("\n\n")]
    return {block["Id"]: block for block in blocks if "Id" in block}


def age_seconds(state: Mapping[str, str]) -> float:
    """How long the unit has been active, in seconds."""
    return time.monotonic() - int(state.get("ActiveEnterTimestampMonotonic") or 0) / 1e6


def units_verdict(units: Sequence[str], states: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """(state, detail) as far as the units go."""
    for unit in units:
        state = states.get(unit, {})
        active = state.get("ActiveState", "unknown")
        if active in ("activating", "reloading") and state.get("SubState") != "auto-restart":
            if state.get("NRestarts", "0") != "0":
                return "down", f"{unit} failed and is being started again"
            return "starting", f"{unit} is starting"
        if active != "active":
            result = state.get("Result", "success")
            return "down", f"{unit} is {active}" + (f" ({result})" if result != "success" else "")
    return "up", ""


class UnixConnection(http.client.HTTPConnection):
    """HTTP by way of a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def answer(url: str, host: str | None, path: str | None = None) -> str | None:
    """None where the address answers with success, else what is wrong with its answer; `path` is a unix socket.

    Whether a certificate is to be trusted is for those to say who come from outside; here it only has to be there.
    """
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if path:
        connection = UnixConnection(path)
    elif parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", parts.path, headers={"Host": host} if host else {})
        status = connection.getresponse().status
        return None if 200 <= status < 400 else f"answers with status {status}"
    except (OSError, http.client.HTTPException) as error:
        name = type(error).__name__
        if isinstance(error, OSError):
            return f"does not answer ({error.strerror or name})"
        return f"does not speak HTTP ({name})"
    finally:
        connection.close()


def judge(service: Mapping[str, Any], states: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """(state, detail) of one service."""
    state, detail = units_verdict(service["units"], states)
    if state != "up" or not service["url"]:
        return state, detail
    wrong = answer(service["url"], service["host"], service["socket"])
    if wrong is None:
        return "up", ""
    youngest = min((age_seconds(states[unit]) for unit in service["units"]), default=GRACE_SECONDS)
    return ("starting" if youngest < GRACE_SECONDS else "down"), wrong


def judge_all(services: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    states = unit_states([unit for service in services.values() for unit in service["units"]])
    found = {}
    for name, service in services.items():
        state, detail = judge(service, states)
        if state == "down" and not os.path.ismount(tools.DATA_VOLUME):
            detail += "; the data volume is missing"
        found[name] = {"title": service["title"], "path": service["path"], "state": state, "detail": detail}
    return found


def disk(path: str) -> dict[str, float] | None:
    """GiB of a file system; None where nothing is mounted there."""
    if path != "/" and not os.path.ismount(path):
        return None
    found = os.statvfs(path)
    total, free = found.f_blocks * found.f_frsize, found.f_bfree * found.f_frsize
    return {"used_gib": round((total - free) / GIB, 2), "total_gib": round(total / GIB, 2)}


def memory() -> dict[str, int]:
    lines = (line.split(":") for line in (PROCESSES / "meminfo").read_text().splitlines())
    mib = {key: int(value.split()[0]) // 1024 for key, value in lines}
    return {"used_mib": mib["MemTotal"] - mib["MemAvailable"], "total_mib": mib["MemTotal"]}


def people() -> list[str]:
    """Names of declared users who have a process: a shell, a notebook server, whatever."""
    names = set()
    for uid in {uid for _, uid in owners() if uid in USER_UIDS}:
        with contextlib.suppress(KeyError):  # a user without a name
            names.add(pwd.getpwuid(uid).pw_name)
    return sorted(names)


def report(config: Mapping[str, Any]) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "services": judge_all(config["services"]),
        "disk": {path: disk(path) for path in config["disks"]},
        "memory": memory(),
        "users": people(),
        "checked": now,
    }


def watch(config: Mapping[str, Any], seconds: int) -> NoReturn:
    FOLDER.mkdir(mode=0o755, exist_ok=True)
    while True:
        found = report(config)
        write(FOLDER / "health.json", json.dumps(found), 0o600)
        write(FOLDER / "status.json", json.dumps({key: found[key] for key in ("services", "checked")}), 0o644)
        time.sleep(seconds)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("health")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--json", action="store_true")
    how.add_argument("--watch", type=int, metavar="SECONDS")
    options = parser.parse_args(arguments)
    config = json.loads(CONFIG.read_text())
    if options.watch:
        watch(config, options.watch)
    if os.geteuid() != 0:
        print("Only root may ask who is at work here; run it with sudo.", file=sys.stderr)
        return 1
    people = dataclasses.asdict(activity.look())["people"]
    told = {"people": people, "logins": logins.report(), "alarms": alarms.report()}
    print(json.dumps({**report(config), **told}, indent=2))
    return 0
