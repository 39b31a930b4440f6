"""What `workbench doctor` has to say, and what it makes of the facts that the host told of itself."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509

from cli import drift
from cli.common import plain
from workbench.host import SSH_PORT
from workbench.settings.services import Proxy

HTTPS = Proxy.https_port
OPEN = frozenset({SSH_PORT, Proxy.http_port, HTTPS})  # what the firewall lets in
DHCP = frozenset({68, 546})  # where the host itself asks for its address
EXPOSURE = 4.0  # of a unit, by `systemd-analyze security`: docs/security.md, "Units"
# What may be more, and how much: the reasons are there too. Versions of systemd differ by some tenths.
EXPOSED = {"rstudio-server.service": 8.5}
FULL = 0.85  # of a disk, or of its inodes: where the host's alarm begins
LITTLE_MEMORY = 0.05  # of all, still to be had
CA_DAYS = 60  # of the own CA, below which a deploy makes another (host/workbench_host/authority.py)
STALE_DAYS = 3  # of apt's lists, which are fetched every day
SILENT_SECONDS = 90  # of health, which writes every 15 s
UNSEEN = timedelta(minutes=20)  # alarms are looked for every 5
FEW = 8  # of many numbers that are listed
ON_HOST = "workbench ssh -- "
VOLUME = "volume"
MANAGER = re.compile(
    r"user@(\d+)\.service"
)  # systemd's of a user: needs /proc, which is mounted with hidepid


@dataclass(frozen=True)
class Finding:
    """One thing, in a sentence, and the command that mends it or shows more. A note asks for nothing to be done."""

    about: str
    what: str
    command: str = ""
    note: bool = False


def of_host(told: Mapping[str, Any]) -> Iterator[Finding]:
    """What the host's own report (host/workbench_host/checkup/program.py) has in it that is worth knowing."""
    judges: dict[str, Callable[[Any], Iterator[Finding]]] = {
        "listeners": _listeners,
        "upkeep": _upkeep,
        "units": _units,
        "services": _services,
        "disk": _disk,
        "mounts": _mounts,
        "memory": _memory,
        "logins": _logins,
        "ca": _ca,
        "alarms": _alarms,
        "drift": _drift,
    }
    for name, judge in judges.items():
        if name in told:
            yield from _judged(name, told[name], judge)
    for name, reason in told["unknown"].items():
        yield Finding(
            name, f"This could not be found out on the host: {plain(reason)}", f"{ON_HOST}sudo journalctl -e"
        )


def _judged(name: str, part: Any, judge: Callable[[Any], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(judge(part))
    except (KeyError, TypeError, ValueError):  # the host has the programs of another version
        what = f"What the host tells of {name} is not as this version knows it; it brings its own programs."
        return [Finding("server", what, "workbench deploy")]


def ports_beyond_loopback(told: Mapping[str, Any]) -> set[int]:
    """The TCP ports on which something on the host takes connections from elsewhere."""
    return {
        one["port"] for one in told.get("listeners", ()) if one["protocol"] == "tcp" and not one["loopback"]
    }


def _listeners(listeners: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """One of all that a unit of somebody's, or a program, listens on: who opens thousands of ports fills no screen."""
    within: dict[str, set[int]] = {}
    beyond: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in listeners:
        who = (
            f"{plain(one['unit'] or one['program'] or 'somebody').removesuffix('.service')} of {one['user']}"
        )
        if one["loopback"]:
            within.setdefault(who, set()).add(one["port"])
        elif one["port"] not in (OPEN if one["protocol"] == "tcp" else DHCP):
            beyond.setdefault((who, f"{one['protocol'].upper()} of {one['address']}"), []).append(one)
    for (who, where), found in beyond.items():
        what = f"{who} listens on {where}, port {_some({one['port'] for one in found})}"
        pids = sorted({one["pid"] for one in found if one["pid"]})
        command = f"{ON_HOST}sudo kill {_some(pids, ' ')}" if pids else f"{ON_HOST}sudo ss -lntup"
        yield Finding("listeners", f"{what}: only the firewall keeps others from it.", command)
    if within:
        listed = "; ".join(f"{who} {_some(ports)}" for who, ports in within.items())
        yield Finding("listeners", f"On loopback: {listed}.", note=True)


def _some(numbers: Collection[int], between: str = ", ") -> str:
    """The first few of them, and how many more there are (which a command does not need to be told)."""
    first = sorted(numbers)[:FEW]
    more = f" and {len(numbers) - FEW} more" if len(numbers) > FEW and between != " " else ""
    return between.join(map(str, first)) + more


def _upkeep(upkeep: Mapping[str, Any]) -> Iterator[Finding]:
    if fixes := upkeep["security"]:
        more = f" and {len(fixes) - 3} more" if len(fixes) > 3 else ""
        yield Finding(
            "updates",
            f"Security fixes that are not installed yet: {', '.join(fixes[:3])}{more}. They come by themselves within "
            "a day.",
            f"{ON_HOST}sudo unattended-upgrade",
        )
    age = upkeep["lists_age_days"]
    if age is None or age > STALE_DAYS:
        since = "never" if age is None else f"{age:.0f} days ago"
        yield Finding(
            "updates",
            f"Debian's archives were last asked for fixes {since}, so it is not known which there are.",
            f"{ON_HOST}'sudo apt-get update && systemctl status apt-daily.timer'",
        )
    if upkeep["reboot"]:
        yield Finding(
            "restart",
            f"The host has to be started again: {plain(upkeep['reboot'])}. That ends what people have running.",
            f"{ON_HOST}sudo systemctl reboot",
        )


def _units(units: Mapping[str, Any]) -> Iterator[Finding]:
    for unit in units["failed"]:
        whose = MANAGER.fullmatch(unit)
        what = f": what the user with the id {whose[1]} runs by `systemctl --user` does not" if whose else ""
        yield Finding(
            "units",
            f"{plain(unit)} failed{what}.",
            f"{ON_HOST}'sudo journalctl -e -u {unit}; sudo systemctl restart {unit}'",
        )
    if not units["firewall"]:
        yield Finding(
            "firewall",
            "The rules of the host's firewall are not in force.",
            f"{ON_HOST}sudo systemctl restart workbench-firewall",
        )
    for unit, exposure in sorted(units["exposure"].items(), key=lambda one: -one[1]):
        most = EXPOSED.get(unit, EXPOSURE)
        if exposure > most:
            yield Finding(
                "exposure",
                f"{unit} could reach more than it needs: exposure {exposure}, at most {most} is ours.",
                "workbench deploy",
            )


def _services(services: Mapping[str, Any]) -> Iterator[Finding]:
    if services["age_s"] > SILENT_SECONDS:
        yield Finding(
            "services",
            f"Whether the services answer was last looked at {services['age_s']} s ago.",
            f"{ON_HOST}sudo systemctl restart workbench-health",
        )
        return
    for name, service in services["of"].items():
        if service.get("state") == "down":
            yield Finding(
                "services",
                f"{name} is down: {plain(service.get('detail', ''))}.",
                f"{ON_HOST}sudo systemctl restart {' '.join(service['units'])}",
            )


def _disk(disks: Mapping[str, Mapping[str, float] | None]) -> Iterator[Finding]:
    for path, size in disks.items():
        setting, then = ("rootVolumeGib", ", `stop` and `start`") if path == "/" else ("dataVolumeGib", "")
        grow = f"set workbench:{setting} higher, then `workbench up`{then}"
        if size is None:
            yield Finding(
                VOLUME,
                "The data volume, with everybody's homes, is missing: what needs it has stopped, and goes on by itself "
                "once that is mounted.",
                "workbench deploy",
            )
        elif size["used_gib"] > FULL * size["total_gib"]:
            used = f"{size['used_gib']:.1f} GiB of {size['total_gib']:.1f} GiB"
            yield Finding("disk", f"The disk at {path} is nearly full ({used}): {grow}.", "workbench users")
        elif size.get("inodes", 0) > FULL:
            what = f"The disk at {path} has room for few more files ({size['inodes']:.0%} of inodes used): {grow}."
            yield Finding("disk", what, "workbench users")


def _mounts(mounts: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    if places := mounts["setuid"]:
        what = (
            f"Programs in {' and '.join(map(plain, places))} can run with the rights of whose they are, or of a group "
            "whose member put them there."
        )
        yield Finding("mounts", what, "workbench deploy")
    if folders := mounts["joined"]:
        what = (
            f"{', '.join(map(plain, folders[:FEW]))}: a file there can have a second name elsewhere, by which who "
            "leaves the group goes on changing it."
        )
        yield Finding("mounts", what, "workbench deploy")


def _memory(memory: Mapping[str, int]) -> Iterator[Finding]:
    left = memory["total_mib"] - memory["used_mib"]
    if left < LITTLE_MEMORY * memory["total_mib"]:
        yield Finding(
            "memory",
            f"{left} MiB of {memory['total_mib']} MiB of memory are left. `workbench up --size TYPE` makes it more.",
            f"{ON_HOST}'systemd-cgtop -b -n 1 -m -1 | head -20'",
        )


def _logins(logins: Mapping[str, Any]) -> Iterator[Finding]:
    if not logins["bans"]:
        yield Finding(
            "logins",
            "fail2ban does not answer: nobody is banned who guesses passwords.",
            f"{ON_HOST}sudo systemctl restart fail2ban",
        )
    if logins["failed"]:
        banned = ", ".join(plain(ban["address"]) for ban in logins["banned"]) or "nobody"
        yield Finding(
            "logins", f"Failed logins within a day: {logins['failed']}; banned now: {banned}.", note=True
        )


def _ca(pem: str) -> Iterator[Finding]:
    """The workbench's own CA, which also vouches where the public one's certificate does not come."""
    days = (x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc - datetime.now(UTC)).days
    if days >= CA_DAYS:
        yield Finding("certificate", f"The workbench's own CA holds for another {days} days.", note=True)
        return
    when = f"ends in {days} days" if days >= 0 else "has ended"
    what = "the next deploy makes another, and who imported this one has to import that: say so before."
    yield Finding("certificate", f"The workbench's own CA {when}; {what}", "workbench deploy")


def _alarms(told: Mapping[str, Any]) -> Iterator[Finding]:
    """What no other part has: of disks and the volume the report says more."""
    commands = {
        "certificate": f"{ON_HOST}sudo journalctl -u caddy -n 50",
        "snapshot": "workbench snapshots",
    }
    for one in told["on"]:
        if one["key"] in commands:
            yield Finding("alarm", f"{plain(one['text'])} Since {plain(one['since'])}.", commands[one["key"]])
    for way, why in told["refused"].items():
        yield Finding(
            "alarm", f"Nobody could be told by {plain(way)}: {plain(why)}.", "workbench alarms --test"
        )
    last = datetime.fromisoformat(told["looked"]) if told["looked"] else None
    if last is None or datetime.now(UTC) - last > UNSEEN:
        when = "not yet" if last is None else f"last at {last:%Y-%m-%d %H:%M} UTC"
        yield Finding(
            "alarm",
            f"What may be wrong with the server was looked for {when}; that is due every 5 minutes.",
            f"{ON_HOST}sudo systemctl start workbench-alarms",
        )


def _drift(told: Mapping[str, Any]) -> Iterator[Finding]:
    for what, command in drift.told(told):
        yield Finding("drift", what, command)
