"""The bridge that the machines are on: podman makes it, with a name and a subnet that are this lab's own.

podman gives the first name and subnet that nothing uses at the moment. Two labs that share one network but not
one podman (a chroot, a container with the machine's network) then get the same as soon as neither runs a machine,
and the first that stops takes the other's bridge away.

A machine tells clients apart by their addresses, as on AWS. An address of loopback, which this machine's clients have,
means the machine itself wherever it arrives: 240.a.b.c stands in for 127.a.b.c. Nobody has such addresses (RFC 1112,
section 4), and Linux takes them. The kernel counts them as its own while the bridge is there.
"""

import hashlib
import json
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from lab.runtime import Runtime
from lab.shell import CommandFailed, attempt, run

CONFIGURATION = Path("/etc/containers/networks")
# Where Docker, podman and libvirt take none of theirs from by themselves.
POOL = IPv4Network("10.96.0.0/11")
LOOPBACK = IPv4Network("127.0.0.0/8")
CLIENTS = IPv4Network("240.0.0.0/8")


def interface(lab_id: str) -> str:
    """The bridge's name: at most 15 characters."""
    return f"wb-{lab_id}"


def ensure(runtime: Runtime, name: str, lab_id: str, label: str) -> None:
    """Make the network unless it is there; raises CommandFailed."""
    if attempt(runtime.argv("network", "exists", name)).returncode == 0:
        return
    subnet = free_subnet(lab_id, routes(Path("/proc/net/route").read_text()))
    common = ["network", "create", "--disable-dns", f"--label={label}", f"--subnet={subnet}"]
    try:
        runtime.podman(*common, f"--interface-name={interface(lab_id)}", name)
    except CommandFailed as failure:
        if "unknown flag" not in failure.output:
            raise
        runtime.podman(*common, name)
        _name_bridge(CONFIGURATION / f"{name}.json", interface(lab_id))


def seen_as(client: str) -> str:
    """The address by which machines know a client of this machine, which itself has one of loopback."""
    return str(CLIENTS[int(IPv4Address(client)) - int(LOOPBACK[0])])


def keep_clients(lab_id: str) -> None:
    """Have the kernel take clients' addresses for its own, until the bridge goes; raises CommandFailed.

    Each lab's route has a metric of its own: none takes another's with it.
    """
    metric = int.from_bytes(hashlib.sha256(lab_id.encode()).digest()[:3], "big") + 1
    run(["ip", "route", "replace", "local", str(CLIENTS), "dev", interface(lab_id), "metric", str(metric)])


def _name_bridge(file: Path, bridge: str) -> None:
    """Before podman 4.5 the name could be said in the network's file only."""
    told = json.loads(file.read_text())
    fresh = file.with_name(file.name + ".new")
    fresh.write_text(json.dumps({**told, "network_interface": bridge}, indent=5))
    fresh.replace(file)


def free_subnet(lab_id: str, taken: Iterable[IPv4Network]) -> IPv4Network:
    """The first /24 from the one that the id points to on, which no route overlaps."""
    used = list(taken)
    subnets = list(POOL.subnets(new_prefix=24))
    start = int.from_bytes(hashlib.sha256(lab_id.encode()).digest()[:4], "big") % len(subnets)
    ordered = subnets[start:] + subnets[:start]
    free = (subnet for subnet in ordered if not any(subnet.overlaps(other) for other in used))
    return next(free, ordered[0])


def routes(table: str) -> list[IPv4Network]:
    """The networks of /proc/net/route, the default route aside."""
    found = []
    for row in (line.split() for line in table.splitlines()[1:]):
        address, mask = (IPv4Address(int.from_bytes(bytes.fromhex(row[n]), "little")) for n in (1, 7))
        if int(mask):
            found.append(IPv4Network(f"{address}/{mask}"))
    return found
