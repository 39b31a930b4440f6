"""Names, tags and rules as plain data: no resource is made here, so that tests need no engine."""

from dataclasses import dataclass

from workbench.checks import EC2_KEY_TYPES
from workbench.host import SSH_PORT
from workbench.settings import Proxy, Settings

PROJECT = "workbench"
VPC_CIDR = "10.20.0.0/16"
SUBNET_CIDR = "10.20.0.0/24"


@dataclass(frozen=True)
class Rule:
    """One inbound opening: TCP `port` from the IPv4 range `cidr`."""

    name: str
    port: int
    cidr: str


def tags(stack: str, role: str) -> dict[str, str]:
    """What every resource carries, so that a leftover can be found and billed to its stack."""
    return {"Name": f"{PROJECT}-{stack}-{role}", "Project": PROJECT, "Stack": stack, "Role": role}


def inbound_rules(settings: Settings) -> list[Rule]:
    """SSH from sshFrom, the proxy's two ports from webFrom; a rule each, named after its port and range."""
    openings = [("ssh", SSH_PORT, settings.ssh_from)]
    openings += [("http", Proxy.http_port, settings.web_from), ("https", Proxy.https_port, settings.web_from)]
    return [Rule(f"{name}-{cidr}", port, cidr) for name, port, cidrs in openings for cidr in cidrs]


def first_boot_key(settings: Settings) -> str:
    """The administrator's first key that EC2 takes for a key pair: RSA or ED25519 (settings see that there is one)."""
    return next(key for key in settings.admin_ssh_keys if key.startswith(EC2_KEY_TYPES))


def region_of(zone: str) -> str:
    """The region of an availability zone: eu-west-1 for eu-west-1a."""
    return zone.rstrip("abcdefghijklmnopqrstuvwxyz")


def certificate_authority(settings: Settings) -> str | None:
    """Let's Encrypt's name in CAA records where the proxy asks it; how another CA is called there, nobody said."""
    ours = settings.asks_for_certificate() and settings.services.proxy.asks_lets_encrypt
    return "letsencrypt.org" if ours else None


def candidate_zones(domain: str) -> list[str]:
    """The hosted zones that could hold a record of that name, the most specific first."""
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]
