"""A real ACME CA on this machine: Debian's pebble, and its mock DNS that knows every name by the workbench's address.

What is real: pebble's protocol, its orders, and that it connects to port 80 and 443 of the workbench's address through
the lab's firewall. What stands in: the DNS, and the root that nobody trusts. pebble's log tells every order.
"""

import datetime
import ipaddress
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests import workbench_in_lab
from tests.workbench_in_lab import Applied, Workbench
from workbench import stack as stacks

DOMAIN = "bench.example.org"
BLOCKED = "blocked.example.org"
SHORT, LONG = (
    3600,
    90 * 24 * 3600,
)  # seconds that certificates are valid: one that is renewed in a test, and a usual one


@dataclass(frozen=True)
class Ca:
    """The CA that runs: its directory, the root of that address's certificate, and where it writes."""

    directory: str
    root: str
    management: str
    log: Path

    def settings(self) -> dict[str, str]:
        """The proxy's settings with which a workbench asks it."""
        return {"acmeServer": self.directory, "acmeRoot": self.root, "acmeEmail": "ada@example.org"}

    def orders(self) -> int:
        """How many certificates it was asked for so far."""
        return self.log.read_text().count("POST /order-plz")

    def trust(self) -> ssl.SSLContext:
        """Trusts what it has issued, and nothing else."""
        context = ssl.create_default_context(cafile=None, cadata=self._issuing_root())
        context.check_hostname = True
        return context

    def _issuing_root(self) -> str:
        with urllib.request.urlopen(
            f"{self.management}/roots/0", context=ssl.create_default_context(cadata=self.root)
        ) as answer:
            return str(answer.read().decode())


@contextmanager
def running(workbench: Workbench, folder: Path, valid_seconds: int) -> Iterator[Ca]:
    """pebble on the side of this machine that the workbench reaches; ended with the block.

    A newer one also tells when to renew (ARI, RFC 9773): a third of the time before the end, give or take a day. So
    what is valid for an hour is renewed at any start of Caddy.
    """
    if shutil.which("pebble") is None:
        raise AssertionError("there is no pebble; tools/test-packages installs it")
    listen = workbench.ssh("ip -4 route show default | cut -d' ' -f3").stdout.strip()
    ports = _free_ports(listen, 4)
    root = _certificates(folder, listen)
    pebble = {
        "listenAddress": f"{listen}:{ports[0]}",
        "managementListenAddress": f"{listen}:{ports[1]}",
        "certificate": str(folder / "cert.pem"),
        "privateKey": str(folder / "key.pem"),
        "httpPort": 80,
        "tlsPort": 443,
        "certificateValidityPeriod": valid_seconds,
        "domainBlocklist": [BLOCKED],
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": pebble}))
    dns = f"127.0.0.1:{ports[2]}"
    names = [
        *("pebble-challtestsrv", "-dns01", dns, "-management", f"127.0.0.1:{ports[3]}"),
        *("-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""),
        *("-defaultIPv4", workbench.outputs.address),
    ]
    command = ["pebble", "-config", str(folder / "pebble.json"), "-dnsserver", dns]
    log = folder / "pebble.log"
    environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
    with (
        log.open("w") as file,
        _process(names, file, environment),
        _process(command, file, environment),
    ):
        ca = Ca(f"https://{listen}:{ports[0]}/dir", root, f"https://{listen}:{ports[1]}", log)
        _wait(listen, ports[0])
        yield ca


@contextmanager
def _process(command: list[str], file: Any, environment: Mapping[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=dict(environment))
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def apply(workbench: Workbench, domain: str, **proxy: str) -> Applied:
    """Runs the deploy as `up` would with `domain`, but without Route 53; the stack file stays as it is."""
    told = json.loads(stacks.ask(workbench.stack))
    services = json.loads(told["config"].get("workbench:services", "{}"))
    services["proxy"] = {**services.get("proxy", {}), **proxy}
    told["config"] |= {"workbench:domain": domain, "workbench:services": services}
    told["outputs"] |= {"hostName": domain, "url": f"https://{domain}/"}
    path = workbench_in_lab.HOME / "named-context.json"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(told))
    command = [sys.executable, "-m", "pyinfra", "-y", "deploy/inventory.py", "deploy/main.py"]
    try:
        os.environ[stacks.CONTEXT_VARIABLE] = str(path)
        done = workbench_in_lab.run(command, check=False)
    finally:
        del os.environ[stacks.CONTEXT_VARIABLE]
        path.unlink()
    return Applied(done.returncode, done.stdout + done.stderr)


def shown(address: str, domain: str, context: ssl.SSLContext) -> x509.Certificate:
    """The certificate that the address shows for the name; raises SSLError where the context does not trust it."""
    with (
        socket.create_connection((address, 443), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=domain) as secure,
    ):
        der = secure.getpeercert(binary_form=True)
    assert der
    return x509.load_der_x509_certificate(der)


def _free_ports(address: str, count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind((address, 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait(address: str, port: int) -> None:
    for _ in range(100):
        with closing(socket.socket()) as one:
            if one.connect_ex((address, port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("pebble does not listen")


def _certificates(folder: Path, address: str) -> str:
    """Writes the key and certificate of pebble's own address; gives back the root that vouches for them (PEM)."""
    now = datetime.datetime.now(datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pebble's address, for a test")])
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    (folder / "cert.pem").write_text(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem
