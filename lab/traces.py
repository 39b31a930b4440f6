"""What the lab leaves on this machine outside its home, and taking it away again, whether a daemon lives or not."""

import json
import re
import shlex
import shutil
from pathlib import Path

from lab.containers import LABEL
from lab.disks import Disks
from lab.paths import Layout
from lab.redirects import Redirects
from lab.runtime import Runtime
from lab.shell import attempt

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
TABLES = ("nat", "filter", "mangle")
PODMANS_CHAIN = "NETAVARK"
NFTABLE = "table inet netavark"
# A network's own chains, beside those that all share.
OWN_CHAIN = re.compile(r"NETAVARK-[0-9A-F]{13}")
OWN_NFT_CHAIN = re.compile(r"chain nv_[0-9a-f]{8}_")


def remember_before(layout: Layout) -> None:
    """Note, at the first start, what podman's bridge is about to change: forwarding, and its chains in iptables."""
    file = layout.root / "before.json"
    if not file.exists():
        noted = {
            "ip_forward": FORWARDING.read_text(),
            "chains": bool(_podmans_rules()),
            "table": _has_table(),
        }
        file.write_text(json.dumps(noted))


def _has_table() -> bool:
    """Whether podman's networks have their table in nftables, which Debian 13's use instead."""
    return NFTABLE in attempt(["nft", "list", "tables"]).stdout.splitlines()


def _chains_in_use() -> bool:
    """Whether a network of some podman's (perhaps not ours: a chroot's) still has chains in iptables."""
    chains = {words[1] for _, rule in _podmans_rules() if (words := shlex.split(rule))[0] == "-N"}
    return any(OWN_CHAIN.fullmatch(chain) for chain in chains)


def _table_in_use() -> bool:
    """The same of the table in nftables."""
    return OWN_NFT_CHAIN.search(attempt(["nft", "list", *NFTABLE.split()]).stdout) is not None


def _podmans_rules() -> list[tuple[str, str]]:
    """(table, rule) of every line in iptables that makes or names a chain of podman's."""
    found = []
    for table in TABLES:
        rules = attempt(["iptables", "--wait", "10", "-t", table, "-S"]).stdout.splitlines()
        found += [(table, rule) for rule in rules if PODMANS_CHAIN in rule]
    return found


def remove(layout: Layout) -> None:
    """Containers, network, image, loop devices, firewall rules; safe to call again."""
    known = json.loads(layout.runtime.read_text()) if layout.runtime.exists() else {}
    runtime = Runtime(**known)
    if shutil.which("podman"):
        _remove_containers(runtime, layout)
    Disks(layout.volumes, layout.snapshots).release_unused(set())
    if shutil.which("iptables"):
        Redirects(layout.id).clear()
    if shutil.which("podman") and shutil.which("iptables"):
        _restore_network(runtime, layout)


def _remove_containers(runtime: Runtime, layout: Layout) -> None:
    label = f"--filter=label={LABEL}={layout.id}"
    if ids := runtime.podman("ps", "--all", "--quiet", label).split():
        runtime.podman("rm", "--force", "--time=5", *ids, timeout=120)
    runtime.podman("rm", "--force", "--time=0", "--ignore", f"{layout.prefix}-probe")
    if runtime.podman("network", "ls", "--quiet", f"--filter=name=^{layout.prefix}$").split():
        told = json.loads(runtime.podman("network", "inspect", layout.prefix))[0]
        runtime.podman("network", "rm", layout.prefix)
        # podman takes its bridge away with the last container, unless that was killed half-made.
        attempt(["ip", "link", "delete", told["network_interface"]])
    if images := runtime.podman("images", "--quiet", f"--filter=reference=localhost/{layout.prefix}").split():
        runtime.podman("rmi", "--force", *images)


def _restore_network(runtime: Runtime, layout: Layout) -> None:
    """Undo what podman leaves behind after its last container, where it was not so before the lab."""
    noted = layout.root / "before.json"
    if not noted.exists() or runtime.podman("ps", "--quiet").split():
        return  # somebody else's containers need it
    before = json.loads(noted.read_text())
    chains, table = _chains_in_use(), _table_in_use()
    if not (chains or table) and before["ip_forward"] != FORWARDING.read_text():
        FORWARDING.write_text(before["ip_forward"])
    if not (chains or before["chains"]):
        _remove_podmans_chains()
    if not (table or before["table"]) and _has_table():
        attempt(["nft", "delete", *NFTABLE.split()])


def _remove_podmans_chains() -> None:
    rules = [(table, shlex.split(rule)) for table, rule in _podmans_rules()]
    for table, words in rules:  # first the rules, then the chains that they name
        if words[0] == "-A":
            attempt(["iptables", "--wait", "10", "-t", table, "-D", *words[1:]])
    for table, words in rules:
        if words[0] == "-N":
            attempt(["iptables", "--wait", "10", "-t", table, "-X", words[1]])
