"""Where packets go instead, with iptables: ports that something of this machine holds on every address (an ordinary
sshd), and the address at which machines ask for their metadata.

The rules carry a comment with the lab's id, by which stale ones are found and removed.
"""

import shlex

from lab.shell import attempt, run

NAT = ("iptables", "--wait", "10", "-t", "nat")
HERE, FROM_MACHINES = (
    "OUTPUT",
    "PREROUTING",
)  # the chains of what is sent from this machine, and from the lab's


class Redirects:
    """The lab's rules in the nat table."""

    def __init__(self, lab_id: str) -> None:
        self._comment = f"workbench-lab:{lab_id}"

    def _rule(self, chain: list[str], ip: str, port: int, to: str) -> list[str]:
        return [
            *chain, "-d", f"{ip}/32", "-p", "tcp", "-m", "tcp", "--dport", str(port),
            "-m", "comment", "--comment", self._comment, "-j", "DNAT", "--to-destination", to,
        ]  # fmt: skip

    def add(self, ip: str, port: int, to_port: int) -> None:
        """Send what goes to ip:port to ip:to_port instead; raises CommandFailed."""
        run([*NAT, "-A", *self._rule([HERE], ip, port, f"{ip}:{to_port}")])

    def remove(self, ip: str, port: int, to_port: int) -> None:
        attempt([*NAT, "-D", *self._rule([HERE], ip, port, f"{ip}:{to_port}")])

    def add_from_machines(self, bridge: str, ip: str, port: int, to: str) -> None:
        """Send what the machines on a bridge send to ip:port to `to` (address:port) instead; raises CommandFailed."""
        run([*NAT, "-A", *self._rule([FROM_MACHINES, "-i", bridge], ip, port, to)])

    def remove_from_machines(self, bridge: str, ip: str, port: int, to: str) -> None:
        attempt([*NAT, "-D", *self._rule([FROM_MACHINES, "-i", bridge], ip, port, to)])

    def clear(self) -> None:
        """Remove every rule of this lab, whoever made it."""
        for chain in (HERE, FROM_MACHINES):
            for line in attempt([*NAT, "-S", chain]).stdout.splitlines():
                words = shlex.split(line)
                if self._comment in words:
                    run([*NAT, "-D", *words[1:]])
