"""logins --admitted ADDRESS

Exits with 0 where the administrator came in by SSH from ADDRESS within a day, which is how every deploy comes in, and
with 1 where not: fail2ban asks, and never bans such an address. `workbench status` hears from this module how many
logins failed, and who is banned.

The journal says of each line which unit it is of, which no user can choose; the words alone anybody can log.
"""

import datetime
import ipaddress
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

JAIL = "workbench"
CLIENT = "/usr/bin/fail2ban-client"
ADMIN = "admin"  # of Debian's images
SINCE = "-24h"
SSH = ("_SYSTEMD_UNIT=ssh.service", "_UID=0")
HUB, RSTUDIO = "_SYSTEMD_UNIT=jupyterhub.service", "_SYSTEMD_UNIT=workbench-sign-in.service"
# As fail2ban's (templates/fail2ban/filter.conf), without the connections that sshd did not even ask.
FAILED = (
    r"Failed login from |^(Connection (closed|reset) by|Disconnected from) (authenticating|invalid) user .*\[preauth\]$"
    r"|^(error: )?maximum authentication attempts exceeded for .*\[preauth\]$"
)
_BAN = re.compile(r"^(\S+)\s.*= (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)$")


def lines(pattern: str, *matches: str) -> list[str]:
    """What the journal's lines of a day say that match the pattern (PCRE2); none where it cannot be asked."""
    command = ["journalctl", "--quiet", "--no-pager", f"--since={SINCE}", "--output=cat", f"--grep={pattern}"]
    done = subprocess.run(
        [*command, "--case-sensitive=yes", *matches],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return done.stdout.splitlines()


def admitted(address: str) -> bool:
    """Whether the administrator came in from there. Raises ValueError for what is no address."""
    sought = re.escape(str(ipaddress.ip_address(address)))
    return bool(lines(rf"^Accepted publickey for {ADMIN} from {sought} port \d+ ssh2: ", *SSH))


def bans() -> list[dict[str, str]]:
    """{address, until (ISO time, the host's zone)} of each banned address; none where fail2ban does not run."""
    done = subprocess.run(
        [CLIENT, "get", JAIL, "banip", "--with-time"], capture_output=True, text=True, check=False
    )
    found = [_BAN.match(line.strip()) for line in done.stdout.splitlines()] if done.returncode == 0 else []
    return [{"address": one[1], "until": _time(f"{one[2]}T{one[3]}")} for one in found if one]


def _time(local: str) -> str:
    return datetime.datetime.fromisoformat(local).astimezone().isoformat()


def report() -> dict[str, Any]:
    """{failed: how many logins failed within a day, banned: the present bans}."""
    failed = lines(FAILED, *SSH, "+", HUB, "+", RSTUDIO)
    try:
        return {"failed": len(failed), "banned": bans()}
    except FileNotFoundError:  # before the first deploy has come to it
        return {"failed": len(failed), "banned": []}


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 2 or arguments[0] != "--admitted":
        print("logins takes --admitted and an address.", file=sys.stderr)
        return 2
    try:
        return 0 if admitted(arguments[1]) else 1
    except ValueError as error:
        print(f"{error}.", file=sys.stderr)
        return 2
