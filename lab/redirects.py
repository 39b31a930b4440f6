"""Ports that something of this machine holds on every address (an ordinary sshd): redirected, with iptables.

The rules carry a comment with the lab's id, by which stale ones are found and removed.
"""

import shlex

from lab.shell import attempt, run


class Redirects:
    """The lab's rules in the nat table's OUTPUT chain: what is sent from this machine only."""

    def __init__(self, lab_id: str) -> None:
        self._comment = f"workbench-lab:{lab_id}"

    def _rule(self, ip: str, port: int, to_port: int) -> list[str]:
        return [
            "OUTPUT", "-d", f"{ip}/32", "-p", "tcp", "-m", "tcp", "--dport", str(port),
            "-m", "comment", "--comment", self._comment, "-j", "DNAT", "--to-destination", f"{ip}:{to_port}",
        ]  # fmt: skip

    def add(self, ip: str, port: int, to_port: int) -> None:
        """Send what goes to ip:port to ip:to_port instead; raises CommandFailed."""
        run(["iptables", "--wait", "10", "-t", "nat", "-A", *self._rule(ip, port, to_port)])

    def remove(self, ip: str, port: int, to_port: int) -> None:
        attempt(["iptables", "--wait", "10", "-t", "nat", "-D", *self._rule(ip, port, to_port)])

    def clear(self) -> None:
        """Remove every rule of this lab, whoever made it."""
        for line in attempt(["iptables", "--wait", "10", "-t", "nat", "-S", "OUTPUT"]).stdout.splitlines():
            words = shlex.split(line)
            if self._comment in words:
                run(["iptables", "--wait", "10", "-t", "nat", "-D", *words[1:]])
