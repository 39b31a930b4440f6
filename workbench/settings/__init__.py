"""What may be configured: the keys under `workbench:` of a stack file, one frozen object for both sides.

Every description lands in docs/settings.md.
"""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic.alias_generators import to_camel

from workbench import checks, instance_types, versions
from workbench.settings.mirrors import Mirrors
from workbench.settings.section import Section, Service, SshKey
from workbench.settings.services import Base, Docker, JupyterHub, Proxy, Python, R, RStudio, Services, Shiny
from workbench.settings.users import Limits, User

__all__ = [
    "Base",
    "Docker",
    "JupyterHub",
    "Limits",
    "Mirrors",
    "Proxy",
    "Python",
    "R",
    "RStudio",
    "Section",
    "Service",
    "Services",
    "Settings",
    "Shiny",
    "User",
]


def _instance_type(value: str) -> str:
    if not checks.INSTANCE_TYPE.fullmatch(value):
        close = ", ".join(instance_types.similar(value)) or "t3.large"
        raise ValueError(f"is no instance type; takes one such as {close}")
    return value


Cidr = Annotated[str, AfterValidator(checks.cidr)]
Gib = Annotated[int, Field(ge=1, le=16384)]


class Settings(Section):
    """Everything under `workbench:` of a stack file."""

    size: Annotated[str, AfterValidator(_instance_type)] = Field(
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
        "a /8: the whole internet, or much of it, may then try",
    )
    web_from: Annotated[list[Cidr], Field(min_length=1)] = Field(
        ["0.0.0.0/0"], description="IPv4 ranges that may reach the web pages"
    )
    admin_ssh_keys: Annotated[list[SshKey], Field(min_length=1)] = Field(
        description="public keys of the administrator, who logs in as `admin`"
    )
    users: list[User] = Field(
        [], description="who has an account; one no longer listed is locked, never deleted"
    )
    limits: Limits = Field(Limits(), description="what one user may take of the server")
    domain: Annotated[str, AfterValidator(checks.domain)] | None = Field(
        None, description="name of the workbench, such as bench.example.org; its Route 53 zone must exist"
    )
    create_zone: bool = Field(
        False,
        description="make a new Route 53 zone named as `domain`, whose name servers you then delegate to",
    )
    services: Services = Field(Services(), description="a section for each service")
    mirrors: Mirrors = Field(Mirrors(), description="where downloads come from")
    configure: bool = Field(
        True, description="whether `pulumi up` also configures the host, as its last step"
    )

    @model_validator(mode="after")
    def _whole(self) -> "Settings":
        for key, cidrs in (("sshFrom", self.ssh_from), ("webFrom", self.web_from)):
            _about(key, checks.distinct, cidrs, "range")
        if checks.reaches_far(self.ssh_from) and not self.ssh_from_anywhere:
            raise ValueError(
                f".sshFrom opens SSH to the whole internet or much of it ({', '.join(self.ssh_from)}); takes your own "
                "ranges, or sshFromAnywhere: true beside it if you mean it"
            )
        if not any(key.startswith(checks.EC2_KEY_TYPES) for key in self.admin_ssh_keys):
            raise ValueError(
                ".adminSshKeys holds no key of type ssh-ed25519 or ssh-rsa, and EC2 takes no other for the first "
                "boot; add one"
            )
        if self.create_zone and self.domain is None:
            raise ValueError(".createZone is true, but there is no domain to make a zone for; set domain")
        _about("users", checks.distinct, [user.name for user in self.users], "user")
        _about("users", checks.distinct, [str(user.uid) for user in self.users if user.uid], "uid")
        self._judge_people()
        self._judge_certificate()
        self._judge_ports()
        self._judge_r()
        self._judge_size()
        return self

    def _judge_certificate(self) -> None:
        proxy = self.services.proxy
        if not self.asks_for_certificate():
            for key, value in (("acmeServer", proxy.acme_server), ("acmeRoot", proxy.acme_root)):
                if value is not None:
                    why = "there is no domain" if self.domain is None else "certificates is internal"
                    raise ValueError(
                        f".services.proxy.{key} is set, but {why}, so no ACME CA is asked; remove it"
                    )
        elif proxy.asks_lets_encrypt and not checks.whole_internet(self.web_from):
            raise ValueError(
                ".webFrom shuts out Let's Encrypt, which has to reach port 80 from addresses that it does not "
                "tell to give domain its certificate; takes 0.0.0.0/0, or a CA inside webFrom as "
                "services.proxy.acmeServer, or services.proxy.certificates: internal"
            )

    def asks_for_certificate(self) -> bool:
        """Whether an ACME CA vouches for `domain`; else the workbench's own CA does."""
        return self.domain is not None and self.services.proxy.certificates == "acme"

    def _judge_r(self) -> None:
        services = self.services
        _about("services.python.versions", checks.distinct, services.python.versions, "version")
        _about(
            "services.r.versions", checks.distinct, [one.version for one in services.r.versions], "version"
        )
        for index, one in enumerate(services.r.versions):
            if one.sha256 is None and one.version not in versions.R_SHA256:
                raise ValueError(_no_sha256_of_r(index, one.version, ""))
        if not services.rstudio.enabled:
            return
        if not services.r.enabled:
            raise ValueError(
                ".services.rstudio.enabled is true, but RStudio needs R, and services.r.enabled is false; set "
                "both alike"
            )
        if services.rstudio.version != versions.RSTUDIO and services.rstudio.sha256 is None:
            raise ValueError(
                f".services.rstudio.sha256 is missing: the workbench knows that of {versions.RSTUDIO} only; give what "
                "Posit's download page says of the jammy package, or leave version out"
            )

    def judge_architecture(self, architecture: instance_types.Architecture) -> None:
        """Raises ValueError where an enabled service cannot be had for the server's architecture."""
        if architecture != "arm64":
            return
        if self.services.rstudio.enabled:
            raise ValueError(
                f".services.rstudio.enabled is true, but {self.size} is an ARM type, for which there is no RStudio "
                "Server; set it to false, or choose an x86 type such as t3.large"
            )
        for index, one in enumerate(self.services.r.versions):
            if one.sha256 is None:
                raise ValueError(_no_sha256_of_r(index, one.version, " on ARM"))

    def people(self) -> list[User]:
        """The users who are to get in: all but the removed ones."""
        return [user for user in self.users if not user.removed]

    def _judge_people(self) -> None:
        admins = [user.name for user in self.users if user.admin]
        if admins and not any(user.admin for user in self.people()):
            raise ValueError(
                f".users removes {admins[-1]}, the last admin; make somebody else admin: true first, "
                "or take admin away from who is removed"
            )
        names = {user.name for user in self.users}
        for index, user in enumerate(self.users):
            for group in user.groups:
                if group in names:
                    raise ValueError(
                        f".users has {group} as a group of users[{index}] and as a user, whose own group has "
                        "that name; rename one of them"
                    )
        disk = self.limits.disk_gib
        if disk is not None and disk > self.data_volume_gib:
            raise ValueError(
                f".limits.diskGib is {disk}, but the whole data volume has {self.data_volume_gib} GiB "
                "(dataVolumeGib); lower the limit or grow the volume"
            )

    def _judge_ports(self) -> None:
        owners: dict[int, str] = {}
        for name, service in self.services.enabled():
            for field in type(service).model_fields:
                if field == "port" or field.endswith("_port"):
                    key = f"services.{name}.{to_camel(field)}"
                    taken = owners.setdefault(getattr(service, field), key)
                    if taken != key:
                        raise ValueError(
                            f".{key} is {getattr(service, field)}, which {taken} has; choose another"
                        )

    def _judge_size(self) -> None:
        known = instance_types.find(self.size)
        if known is not None:
            self.judge_architecture(known.architecture)
            self.judge_memory(known.memory_mib)

    def memory_needed_mib(self) -> int:
        """Memory that the system and the enabled services need before anybody has logged in, in MiB."""
        return 384 + self.services.proxy.memory_mib + sum(s.memory_mib for _, s in self.services.enabled())

    def judge_memory(self, memory_mib: int) -> None:
        """Raises ValueError when a server with `memory_mib` MiB is too small for the enabled services."""
        needed = self.memory_needed_mib()
        if memory_mib < needed:
            names = ", ".join(name for name, _ in self.services.enabled())
            raise ValueError(
                f".size is {self.size!r} with {memory_mib} MiB of memory, but the enabled services ({names}) "
                f"need {needed} MiB; choose a bigger type, such as {_smallest(needed, self.size)}"
            )


def _no_sha256_of_r(index: int, version: str, where: str) -> str:
    return (
        f".services.r.versions[{index}].sha256 is missing: the workbench knows none for R {version}{where}; download "
        f"the package from {versions.R_BUILDS} and give what `sha256sum` prints"
    )


def _about(key: str, judge: Callable[..., None], *arguments: object) -> None:
    try:
        judge(*arguments)
    except ValueError as error:
        raise ValueError(f".{key} {error}") from None


def _smallest(memory_mib: int, like: str) -> str:
    """The cheapest common type with at least `memory_mib` MiB and the architecture of the type `like`."""
    known = instance_types.find(like)
    architecture = known.architecture if known else "x86_64"
    fitting = {
        name: kind.usd_per_hour
        for name, kind in instance_types.table().types.items()
        if kind.memory_mib >= memory_mib and kind.architecture == architecture
    }
    return min(fitting, key=lambda name: fitting[name] or 0.0, default="a memory-optimised one")
