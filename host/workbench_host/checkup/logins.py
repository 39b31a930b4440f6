"""Logins that failed in the last day, as the journal has them, and who is banned.

Only what a service's own unit wrote counts: anybody may write to the journal under another's name. What a client chose
(a user's name) stands before what the service adds, so the address is looked for from the end.
"""

import ast
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

HOURS = 24
MOST = 20000  # lines of the journal that are looked at, the newest
SECONDS = 10
UNITS = {"ssh.service": "SSH", "jupyterhub.service": "JupyterHub", "rstudio-server.service": "RStudio"}
PATTERNS = {
    "SSH": (
        re.compile(r"^Invalid user .* from (\S+) port \d+$"),
        re.compile(r"^Connection (?:closed|reset) by authenticating user .* (\S+) port \d+ \[preauth\]$"),
        re.compile(r"^Disconnected from authenticating user .* (\S+) port \d+ \[preauth\]$"),
    ),
    "JupyterHub": (re.compile(r"PAM Authentication failed \(.*@([0-9A-Fa-f.:]+)\): \[PAM Error"),),
    "RStudio": (re.compile(r"^pam_unix\(rstudio:auth\): authentication failure;.* rhost=(\S*)"),),
}
GREP = "Invalid user|authenticating user|PAM Authentication failed|pam_unix.rstudio:auth"


def failures(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(service, address) of each failed login in the journal's JSON; "" where the service does not say from where."""
    for line in lines:
        entry = json.loads(line)
        service, message = UNITS.get(entry.get("_SYSTEMD_UNIT", "")), entry.get("MESSAGE")
        if service is None or not isinstance(message, str):  # bytes that are no text come as a list
            continue
        for pattern in PATTERNS[service]:
            if match := pattern.search(message):
                yield service, match[1]
                break


def journal() -> list[str]:
    """The journal's lines, as JSON, that may be a failed login's."""
    command = ["journalctl", "-q", "-o", "json", f"--since=-{HOURS}h", f"--lines={MOST}", f"--grep={GREP}"]
    fields = "--output-fields=MESSAGE,_SYSTEMD_UNIT"
    units = [f"_SYSTEMD_UNIT={unit}" for unit in UNITS]
    # status 1: nothing is found
    done = subprocess.run(
        [*command, fields, *units], capture_output=True, text=True, check=False, timeout=SECONDS
    )
    if done.returncode not in (0, 1) or done.stderr.strip():
        raise OSError(f"journalctl: {done.stderr.strip()}")
    return done.stdout.splitlines()


def banned() -> list[str] | None:
    """The addresses that fail2ban keeps out now; None where it is not installed. Raises OSError where it is down."""
    try:
        done = subprocess.run(
            ["fail2ban-client", "banned"], capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except FileNotFoundError:
        return None
    if done.returncode != 0:
        raise OSError(f"fail2ban does not answer: {(done.stdout + done.stderr).strip()}")
    return addresses_in(done.stdout)


def addresses_in(said: str) -> list[str]:
    """Those in what `fail2ban-client banned` says: a Python list of {jail: [address, ...]}."""
    jails: list[dict[str, list[str]]] = ast.literal_eval(said.strip())
    return sorted({address for jail in jails for addresses in jail.values() for address in addresses})


def report() -> dict[str, Any]:
    """{hours, services {name: {count, addresses {address: count}}}, the addresses that failed most often}."""
    services: dict[str, Counter[str]] = {}
    for service, address in failures(journal()):
        services.setdefault(service, Counter())[address] += 1
    return {
        "hours": HOURS,
        "services": {
            name: {"count": counted.total(), "addresses": dict(counted.most_common(5))}
            for name, counted in services.items()
        },
    }
