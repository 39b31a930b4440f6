"""Names, tags and rules as plain data: no resource is made here, so that tests need no engine."""

from dataclasses import dataclass

from workbench.host import SSH_PORT
from workbench.settings import Settings
from workbench.settings.services import Proxy
from workbench.sshkeys import EC2_TYPES

PROJECT = "workbench"
VPC_CIDR = "10.20.0.0/16"
SUBNET_CIDR = "10.20.0.0/24"
_ID = 12  # characters of a stack's id


@dataclass(frozen=True)
class Rule:
    """One inbound opening: TCP `port` from the IPv4 range `cidr`."""

    name: str
    port: int
    cidr: str


@dataclass(frozen=True)
class Owner:
    """Whose a resource is: a stack by its name, and by its random id, which no other stack of that name has.

    `fresh`: the id was drawn in this run, so that AWS has nothing of it yet.
    """

    stack: str
    id: str
    fresh: bool = False

    def tags(self, role: str) -> dict[str, str]:
        """What every resource carries, so that a leftover can be found and billed to its stack."""
        named = {"Name": f"{PROJECT}-{self.stack}-{role}", "Stack": self.stack}
        return {**named, **self.found_by(role)}

    def found_by(self, role: str) -> dict[str, str]:
        """The tags to look for. A stack can be renamed, and `Name` is there for people, who may change it."""
        return {"Project": PROJECT, "StackId": self.id, "Role": role}


def role_name(owner: Owner, service: str = "") -> str:
    """That of the role and its profile, 64 characters at most: a credential can be limited to `workbench-STACK-*`.

    `service` is what the role is for, where it is not the server's. What has no tags of its own is called so too.
    """
    end = f"-{service}" if service else ""
    return f"{PROJECT}-{owner.stack}"[: 64 - len("-") - _ID - len(end)] + f"-{owner.id}{end}"


def inbound_rules(settings: Settings) -> list[Rule]:
    """SSH from sshFrom, the proxy's two ports from webFrom; a rule each, named after its port and range."""
    openings = [("ssh", SSH_PORT, settings.ssh_from)]
    openings += [("http", Proxy.http_port, settings.web_from), ("https", Proxy.https_port, settings.web_from)]
    return [Rule(f"{name}-{cidr}", port, cidr) for name, port, cidrs in openings for cidr in cidrs]


def first_boot_key(settings: Settings) -> str:
    """The administrator's first key that EC2 takes for a key pair: RSA or ED25519 (settings see that there is one)."""
    return next(key for key in settings.admin_ssh_keys if key.startswith(EC2_TYPES))


def certificate_authority(settings: Settings) -> str | None:
    """Let's Encrypt's name in CAA records where the proxy asks it; how another CA is called there, nobody said."""
    ours = settings.asks_for_certificate() and settings.services.proxy.asks_lets_encrypt
    return "letsencrypt.org" if ours else None


def caa(authority: str) -> str:
    """The value of a CAA record that lets that authority alone issue certificates (RFC 8659)."""
    return f'0 issue "{authority}"'


def candidate_zones(domain: str) -> list[str]:
    """The hosted zones that could hold a record of that name, the most specific first."""
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]
