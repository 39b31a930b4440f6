"""What is wrong with the host now: its certificate, the snapshots of its data, its disks."""

import json
import os
import socket
import ssl
import subprocess
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from workbench_host import alarms
from workbench_host.tools import DATA_VOLUME

# Of a disk: an alarm begins above the one and is over below the other, or it comes and goes.
FULL, ROOM = 0.85, 0.80
ASKED_HOURS = 3  # AWS is asked for snapshots every hour while the server runs
LAST_PART = 0.2  # of a certificate's time: Caddy renews it when a third is left, and has had days to try
TIMEOUT_SECONDS = 10
HTTPS = ("127.0.0.1", 443)


@dataclass(frozen=True)
class Seen:
    """One thing that was looked at: whether it is wrong (None: that cannot be told at the moment), and in words."""

    key: str
    wrong: bool | None
    text: str = ""


def look(config: Mapping[str, Any], on: Collection[str], now: datetime) -> Iterator[Seen]:
    """All that there is to see; `on` are the keys of the alarms that are on."""
    yield volume()
    for path in config["disks"]:
        yield disk(path, f"disk {path}" in on)
    yield certificate(config["host"], now)
    if config["snapshots"]:
        yield snapshot(config["snapshots"]["hours"], now)


def volume() -> Seen:
    """Whether the disk with the homes is where it belongs."""
    text = (
        "The disk with everybody's homes (the data volume) is missing; what needs it has stopped, and goes on by "
        "itself once the volume is attached again."
    )
    return Seen("volume", not os.path.ismount(DATA_VOLUME), text)


def disk(path: str, on: bool) -> Seen:
    """How full a disk is, by size or by number of files, as df counts: what is kept for root is not for others."""
    key = f"disk {path}"
    if path != "/" and not os.path.ismount(path):
        return Seen(key, None)
    size, files = used(os.statvfs(path))
    limit = ROOM if on else FULL
    if size >= files:
        return Seen(key, size > limit, f"The disk at {path} is {size:.0%} full.")
    return Seen(key, files > limit, f"The disk at {path} has {files:.0%} of the files that it has room for.")


def used(found: os.statvfs_result) -> tuple[float, float]:
    """The parts (0 to 1) that are in use of a disk's room and of its files; 0 where it does not count those."""
    taken = found.f_blocks - found.f_bfree
    files = found.f_files - found.f_ffree
    return (
        taken / max(1, taken + found.f_bavail),
        files / max(1, files + found.f_favail) if found.f_files else 0.0,
    )


def certificate(host: str, now: datetime) -> Seen:
    """Whether the certificate that visitors are shown was renewed in time, whoever gave it."""
    try:
        begin, end = times(shown(host))
    except (OSError, ValueError, subprocess.SubprocessError):
        return Seen("certificate", None)  # Caddy does not run at the moment
    left = end - now
    wrong = left < LAST_PART * (end - begin)
    when = f"ends at {end:%Y-%m-%d %H:%M} UTC" if left > timedelta() else f"ended at {end:%Y-%m-%d %H:%M} UTC"
    return Seen(
        "certificate",
        wrong,
        f"The certificate of {host} {when} and was not renewed; `journalctl -u caddy` on the server says why.",
    )


def shown(host: str) -> bytes:
    """The certificate (DER) that the proxy shows for this name. Raises OSError where it shows none."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # an ended one is what is looked for
    with (
        socket.create_connection(HTTPS, timeout=TIMEOUT_SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=host) as secure,
    ):
        return secure.getpeercert(binary_form=True) or b""


def times(der: bytes) -> tuple[datetime, datetime]:
    """From when until when a certificate holds. Raises ValueError for what is none."""
    asked = ("openssl", "x509", "-inform", "DER", "-noout", "-startdate", "-enddate")
    done = subprocess.run(asked, input=der, capture_output=True, check=True, timeout=TIMEOUT_SECONDS)
    told = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())
    begin, end = (ssl.cert_time_to_seconds(told[name]) for name in ("notBefore", "notAfter"))
    return datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC)


def snapshot(hours: float, now: datetime) -> Seen:
    """Whether the newest snapshot of the data volume is young enough, by what `snapshots` last wrote."""
    try:
        told = json.loads(Path(alarms.SNAPSHOT).read_text())
    except (OSError, ValueError):
        return Seen("snapshot", None)  # it was not asked yet
    if now - datetime.fromisoformat(told["asked"]) > timedelta(hours=ASKED_HOURS):
        return Seen("snapshot", None)  # the server was stopped meanwhile, and is about to ask
    since = datetime.fromisoformat(told["newest"] or told["first"])
    wrong = now - since > timedelta(hours=hours)
    if told["problem"]:
        text = f"Since {since:%Y-%m-%d %H:%M} UTC it cannot be found out whether snapshots are made: {told['problem']}."
        return Seen("snapshot", True if wrong else None, text)
    newest = f"the newest is of {since:%Y-%m-%d %H:%M} UTC" if told["newest"] else "there is none"
    return Seen(
        "snapshot", wrong, f"No snapshot of the data volume was made within {hours:g} hours: {newest}."
    )
