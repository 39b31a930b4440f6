"""What may be configured: the keys under `workbench:` of a stack file, one frozen object for both sides.

Every description lands in docs/settings.md.
"""

import string
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from workbench import checks
from workbench.faults import Fault
from workbench.instance_types import Architecture
from workbench.settings import rules
from workbench.settings.alarms import Alarms
from workbench.settings.backups import Snapshots
from workbench.settings.budget import Budget
from workbench.settings.environments import Environment
from workbench.settings.images import Images
from workbench.settings.mirrors import Mirrors
from workbench.settings.schedule import Schedule
from workbench.settings.section import Section, Service, SignIn, SshKey
from workbench.settings.services import Services
from workbench.settings.users import Limits, User

__all__ = [
    "Alarms",
    "Budget",
    "Environment",
    "Images",
    "Limits",
    "Mirrors",
    "Schedule",
    "Section",
    "Service",
    "Services",
    "Settings",
    "SignIn",
    "Snapshots",
    "User",
]


Cidr = Annotated[str, AfterValidator(checks.cidr)]
Gib = Annotated[int, Field(ge=1, le=16384)]


class Settings(Section):
    """Everything under `workbench:` of a stack file."""

    title: Annotated[str, AfterValidator(checks.title)] = Field(
        "Workbench",
        description="name of the workbench, which its pages show, such as Workbench of the genetics group",
    )
    size: Annotated[str, AfterValidator(checks.instance_type)] = Field(
        description="instance type, such as t3.large; changing it keeps everything"
    )
    zone: Annotated[str, AfterValidator(checks.zone)] = Field(
        description="availability zone of the server and of its data volume, which cannot move"
    )
    root_volume_gib: Annotated[int, Field(ge=8, le=16384)] = Field(
        30, description="disk of the system, in GiB; goes with the server"
    )
    data_volume_gib: Gib = Field(
        50, description="disk of the homes and of all state, in GiB; outlives the server, can only grow"
    )
    ssh_from: Annotated[list[Cidr], Field(min_length=1)] = Field(
        description="IPv4 ranges that may connect by SSH, such as [203.0.113.7/32]"
    )
    ssh_from_anywhere: bool = Field(
        False,
        description="has to be true where sshFrom holds 0.0.0.0/0, or other ranges that together are wider than "
        "a /8 (private ones alone may be): the whole internet, or much of it, may then try",
    )
    web_from: Annotated[list[Cidr], Field(min_length=1)] = Field(
        ["0.0.0.0/0"],
        description="IPv4 ranges that may reach the web pages; each takes two of the 60 rules that AWS allows, each of "
        "sshFrom one",
    )
    admin_ssh_keys: Annotated[list[SshKey], Field(min_length=1)] = Field(
        description="public keys of the administrator, who logs in as `admin`: lines of .pub files, with options of "
        "authorized_keys before them where wanted",
    )
    users: list[User] = Field(
        [], description="who has an account; one no longer listed is locked, never deleted"
    )
    limits: Limits = Field(Limits(), description="what one user may take of the server")
    alarms: Alarms = Field(Alarms(), description="whom the host tells when something is wrong with it")
    domain: Annotated[str, AfterValidator(checks.domain)] | None = Field(
        None, description="name of the workbench, such as bench.example.org; its Route 53 zone must exist"
    )
    create_zone: bool = Field(
        False,
        description="make a new Route 53 zone named as `domain`, whose name servers you then delegate to",
    )
    keep_address: bool = Field(
        False,
        description="whether the public address stays, and is paid for, when `workbench destroy` gives the server "
        "back, so that the next one has it too",
    )
    schedule: Schedule | None = Field(None, description="when the server is started and stopped by itself")
    snapshots: Snapshots = Field(Snapshots(), description="daily snapshots of the data volume")
    budget: Budget | None = Field(None, description="who is told when a month costs more than it may")
    images: Images = Field(Images(), description="images that new servers start from")
    services: Services = Field(Services(), description="a section for each service")
    environments: list[Environment] = Field(
        [], description="packages for everybody, as environments beside the default ones: docs/packages.md"
    )
    mirrors: Mirrors = Field(Mirrors(), description="where downloads come from")
    configure: bool = Field(
        True, description="whether `pulumi up` also configures the host, as its last step"
    )

    def faults(self) -> Iterator[Fault]:
        """The rules over several keys, in workbench/settings/rules.py."""
        yield from rules.broken(self)

    def notes(self) -> Iterator[Fault]:
        """What is no fault, and worth knowing before it is made."""
        yield from rules.notes(self)

    def unfit(self, architecture: Architecture, memory_mib: int) -> Iterator[Fault]:
        """What the enabled services lack on a server of that architecture with `memory_mib` MiB of memory."""
        yield from rules.unfit(self, architecture, memory_mib)

    def asks_for_certificate(self) -> bool:
        """Whether an ACME CA vouches for `domain`; else the workbench's own CA does."""
        return self.domain is not None and self.services.proxy.certificates == "acme"

    @property
    def region(self) -> str:
        """The region of `zone`: eu-west-1 for eu-west-1a."""
        return self.zone.rstrip(string.ascii_lowercase)

    def people(self) -> list[User]:
        """The users who are to get in: all but the removed ones."""
        return [user for user in self.users if not user.removed]

    def memory_needed_mib(self) -> int:
        """Memory that the system and the enabled services need before anybody has logged in, in MiB."""
        always = self.services.proxy.memory_mib + self.services.fail2ban.memory_mib
        return 384 + always + sum(s.memory_mib for _, s in self.services.enabled())
