"""What the API's memory says should be: plain records, so that whoever makes it so need not know moto."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network


@dataclass(frozen=True)
class Machine:
    """An instance that is not terminated."""

    id: str
    state: str
    """running or stopped."""
    type: str
    vcpus: int
    memory_mib: int
    private_ip: str
    user_data: bytes = b""
    public_key: str = ""
    """One line of OpenSSH's authorized_keys, empty without a key pair."""
    volumes: tuple[str, ...] = ()
    """Ids of the attached data volumes, in the order of their device names; the root volume is not among them."""
    zone: str = ""
    image: str = ""
    lower: str = ""
    """The machine that its image was made of, whose file system is under its own; empty for Debian's image."""
    role: str = ""
    """The ARN of the role of its instance profile, empty without one."""
    token_required: bool = False
    """Whether its metadata service insists on a token (IMDSv2)."""
    hop_limit: int = 1
    """The TTL of that service's answers."""

    @property
    def hostname(self) -> str:
        """The name that EC2 gives: ip-10-0-1-10."""
        return "ip-" + self.private_ip.replace(".", "-")


@dataclass(frozen=True)
class Volume:
    """A data volume."""

    id: str
    size_gib: int
    snapshot_id: str = ""
    """The snapshot that it was made from, or empty."""


@dataclass(frozen=True)
class Snapshot:
    id: str
    volume_id: str
    """Where its content comes from: a volume, or (a copied snapshot) another snapshot's id."""


@dataclass(frozen=True)
class Allowed:
    """One TCP rule of a security group: ports from first to last, for clients in the network."""

    first: int
    last: int
    network: IPv4Network


@dataclass(frozen=True)
class Address:
    """An Elastic IP that belongs to a running instance, with what the instance's security groups allow."""

    ip: str
    machine_id: str
    allowed: tuple[Allowed, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that should be, at one moment."""

    machines: dict[str, Machine] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    addresses: tuple[Address, ...] = ()
    kept: frozenset[str] = frozenset()
    """Ids of machines, terminated perhaps, whose file systems are images or under a machine (lab/images.py)."""
    doomed: frozenset[str] = frozenset()
    """Ids of deleted volumes and snapshots whose files may still be there."""
