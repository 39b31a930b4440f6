"""What users try on each other's loopback and on the instance's metadata: A4 and A15, from real kernels and by SSH."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab.visitor import Visitor
from tests.workbench_in_lab import Workbench
from workbench import stack as stacks

pytestmark = pytest.mark.lab

DEBUGGER, PAGES = 5678, 5679
METADATA = "169.254.169.254"
REFUSED = "ConnectionRefusedError"
# What the owner runs: a debugger as JupyterLab starts it, and a web server of the standard library.
OPEN = f"""
import debugpy, http.server, threading
debugpy.listen(("127.0.0.1", {DEBUGGER}))
class Dual(http.server.ThreadingHTTPServer):
    address_family = 10
pages = Dual(("::", {PAGES}), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=pages.serve_forever, daemon=True).start()
"""
# What an attacker runs: the first bytes of an answer to `request`, or the name of the error.
REACH = """
import socket
def reach(address, port, request):
    try:
        with socket.create_connection((address, port), 10) as there:
            there.sendall(request)
            return there.recv(15)
    except OSError as error:
        return type(error).__name__
print(reach({address!r}, {port}, {request!r}))
"""
GET = b"GET / HTTP/1.0\r\n\r\n"
INITIALIZE = b'{"seq": 1, "type": "request", "command": "initialize", "arguments": {"adapterID": "a"}}'
ATTACH = b"Content-Length: %d\r\n\r\n" % len(INITIALIZE) + INITIALIZE
TOKEN = f"curl -s --max-time 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://{METADATA}/latest/api/token"


@dataclass
class People:
    """Two users in JupyterLab; ada's kernel has opened a debugger and a web server on loopback."""

    workbench: Workbench
    ada: Visitor
    grace: Visitor

    def reach(self, visitor: Visitor, address: str, port: int, request: bytes) -> str:
        return visitor.run_code(REACH.format(address=address, port=port, request=request)).strip()

    def by_ssh(self, address: str, port: int) -> subprocess.CompletedProcess[str]:
        """What sshd says to grace, who has it connect to an address of the host."""
        *command, _ = stacks.ssh_command(self.workbench.outputs)
        target = f"grace@{self.workbench.outputs.address}"
        asked = [*command, "-o", "BatchMode=yes", "-W", f"[{address}]:{port}", target]
        return subprocess.run(
            asked, input=GET.decode(), capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture(scope="module")
def people(workbench: Workbench) -> Iterator[People]:
    with Visitor(workbench.url, workbench.ca) as ada, Visitor(workbench.url, workbench.ca) as grace:
        for visitor, name in ((ada, "ada"), (grace, "grace")):
            visitor.login(name, workbench.password(name))
            visitor.spawn()
        ada.run_code(OPEN)
        yield People(workbench, ada, grace)
    workbench.ssh("systemctl stop 'jupyter-*-singleuser.service'")


def test_a_debugger_lets_in_whom_it_debugs_and_no_other_user(people: People) -> None:
    """A15, with the real debugpy: the owner is answered in its protocol, another is not even connected."""
    assert people.reach(people.ada, "127.0.0.1", DEBUGGER, ATTACH) == "b'Content-Length:'"
    assert people.reach(people.grace, "127.0.0.1", DEBUGGER, ATTACH) == REFUSED


def test_what_a_program_opens_is_its_owners_at_each_of_the_hosts_addresses(people: People) -> None:
    """A15, for whatever listens: IPv4, IPv6, the host's own address, and IPv4 as IPv6 spells it."""
    own = people.workbench.ssh("hostname -I").stdout.split()[0]
    for address in ("127.0.0.1", "127.9.9.9", "::1", own, "::ffff:127.0.0.1"):
        assert people.reach(people.ada, address, PAGES, GET) == "b'HTTP/1.0 200 OK'", address
        assert people.reach(people.grace, address, PAGES, GET) == REFUSED, address


def test_the_wall_between_users_stands_while_the_firewall_is_loaded_anew_and_after_it(people: People) -> None:
    """A15, and nobody's notebook is cut: the kernels that are asked have their connections from before."""
    for verb in ("reload", "restart"):
        people.workbench.ssh(f"systemctl {verb} workbench-firewall")
        assert people.reach(people.ada, "127.0.0.1", PAGES, GET) == "b'HTTP/1.0 200 OK'"
        assert people.reach(people.grace, "127.0.0.1", PAGES, GET) == REFUSED
    ordered = people.workbench.ssh("systemctl show -p Before workbench-firewall").stdout
    assert {"sysinit.target", "network-pre.target"} <= set(ordered.strip().partition("=")[2].split())


def test_a_port_that_ssh_forwards_is_no_way_around(people: People) -> None:
    """A15: what sshd connects to for a user counts as that user's."""
    refused = people.by_ssh("127.0.0.1", PAGES)
    assert "HTTP" not in refused.stdout
    assert "forwarding failed" in refused.stderr
    assert "308" in people.by_ssh("127.0.0.1", 80).stdout.partition("\n")[0], "Caddy is there for all"


def test_no_user_listens_in_the_place_of_a_service(people: People) -> None:
    """A4: ports below 1024 are the host's, whatever stands still at the moment."""
    bind = "import socket\ntry: socket.create_server(('127.0.0.1', 87))\nexcept OSError as e: print(type(e).__name__)"
    assert people.grace.run_code(bind).strip() == "PermissionError"
    asked = people.workbench.ssh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start").stdout
    assert asked.strip() == "1024"


def test_the_metadata_answer_root_and_no_user(people: People) -> None:
    """The role's credentials, from the lab's stand-in, which is `lab/metadata.py`: in a kernel, in a shell, by SSH."""
    path = f"http://{METADATA}/latest/meta-data/iam/security-credentials/"
    ask = f'curl -s -H "X-aws-ec2-metadata-token: $({TOKEN})" {path}'
    assert people.workbench.ssh(f'role=$({ask}); {ask}"$role"').stdout.count("SecretAccessKey") == 1
    assert people.grace.run_code(f"import subprocess; print(subprocess.getoutput({ask!r}))").strip() == ""
    assert people.reach(people.grace, METADATA, 80, GET) == "OSError"
    forwarded = people.by_ssh(METADATA, 80)
    assert "HTTP" not in forwarded.stdout
    assert "forwarding failed" in forwarded.stderr
