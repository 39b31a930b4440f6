"""What may be configured: the keys under `workbench:` of a stack file, one frozen object for both sides.

A service's section is a class named after it (`JupyterHub` for deploy/jupyterhub.py); adding one here is the first
step of adding a service. Every description lands in docs/settings.md.
"""

from collections.abc import Callable, Iterator
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic.alias_generators import to_camel

from workbench import checks, instance_types


def _instance_type(value: str) -> str:
    if not checks.INSTANCE_TYPE.fullmatch(value):
        close = ", ".join(instance_types.similar(value)) or "t3.large"
        raise ValueError(f"is no instance type; takes one such as {close}")
    return value


Cidr = Annotated[str, AfterValidator(checks.cidr)]
SshKey = Annotated[str, AfterValidator(checks.ssh_key)]
Url = Annotated[str, AfterValidator(checks.web_address)]
Port = Annotated[int, Field(ge=1024, le=65535)]
Gib = Annotated[int, Field(ge=1, le=16384)]


class Section(BaseModel):
    """Base of all settings: frozen, camelCase in the stack file, unknown keys refused, no silent conversions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, validate_default=True
    )


class Service(Section):
    """Base of a service's section. `memory_mib` is what the service needs before anybody has logged in."""

    memory_mib: ClassVar[int] = 0
    title: ClassVar[str] = ""
    path: ClassVar[str | None] = None  # below the site's root; None for what has no page of its own
    units: ClassVar[tuple[str, ...]] = ()  # systemd units that have to be active while it is enabled
    health: ClassVar[str | None] = None  # path on its `port` that answers with success while it is well

    enabled: bool = Field(True, description="whether the service runs")


class Base(Section):
    """The host itself: clock, language and upkeep."""

    timezone: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$")] = Field(
        "Etc/UTC", description="time zone of the host, a name of the tz database such as Europe/Madrid"
    )
    locale: Annotated[str, Field(pattern=r"^[a-z]{2,3}_[A-Z]{2}\.UTF-8$")] = Field(
        "en_US.UTF-8", description="language and formats of the host, a UTF-8 locale such as es_ES.UTF-8"
    )
    journal_mib: Annotated[int, Field(ge=16, le=65536)] = Field(
        500, description="the most disk that the system's journal takes, in MiB"
    )


class Python(Service):
    """The locked data science environment: the default kernel of every notebook."""

    memory_mib: ClassVar[int] = 256
    title: ClassVar[str] = "Python"


class JupyterHub(Service):
    """JupyterLab in the browser for every user."""

    memory_mib: ClassVar[int] = 1024
    title: ClassVar[str] = "JupyterHub"
    path: ClassVar[str | None] = "/jupyter/"
    units: ClassVar[tuple[str, ...]] = ("jupyterhub-proxy.service", "jupyterhub.service")
    health: ClassVar[str | None] = "/jupyter/hub/health"

    port: Port = Field(8000, description="loopback port of the hub's proxy, where Caddy finds it")
    hub_port: Port = Field(8081, description="loopback port of the hub itself")
    api_port: Port = Field(8001, description="loopback port of the hub's proxy's API")


class Proxy(Section):
    """Caddy: the only service that listens to the world. It is always on."""

    memory_mib: ClassVar[int] = 128
    title: ClassVar[str] = "Web server"
    units: ClassVar[tuple[str, ...]] = ("caddy.service",)
    health: ClassVar[str] = "/"

    http_port: ClassVar[int] = 80
    https_port: ClassVar[int] = 443

    notice: Annotated[str, Field(max_length=500)] = Field(
        "", description="a line for everybody on the landing page, such as a maintenance window"
    )


class Services(Section):
    """A section for each service."""

    base: Base = Field(Base(), description="the host itself")
    python: Python = Field(Python(), description="the data science environment")
    jupyterhub: JupyterHub = Field(JupyterHub(), alias="jupyterhub", description="JupyterLab for every user")
    proxy: Proxy = Field(Proxy(), description="the web server in front")

    def enabled(self) -> Iterator[tuple[str, Service]]:
        """The services that can be switched and are on, by name, in the order of the settings."""
        for name in type(self).model_fields:
            section = getattr(self, name)
            if isinstance(section, Service) and section.enabled:
                yield name, section


class Mirrors(Section):
    """Where downloads come from, one address for each kind; unset means the public one."""

    debian: Url | None = Field(None, description="Debian archive in place of http://deb.debian.org/debian")
    debian_security: Url | None = Field(
        None, description="Debian security archive in place of http://deb.debian.org/debian-security"
    )
    pypi: Url | None = Field(
        None, description="Python index (simple API) in place of https://pypi.org/simple"
    )
    npm: Url | None = Field(None, description="npm registry in place of https://registry.npmjs.org")


class User(Section):
    """A person with an account: the same name and password everywhere on the workbench."""

    name: Annotated[str, AfterValidator(checks.user_name)] = Field(description="login name")
    admin: bool = Field(False, description="may use sudo and administer the hub")
    ssh_keys: list[SshKey] = Field([], description="public keys for SSH")
    password_hash: SecretStr | None = Field(
        None, description="from `workbench password`; without it the user cannot log in with a password"
    )
    uid: Annotated[int, Field(ge=1001, le=59999)] | None = Field(
        None, description="numeric id; unset, the next free one from 2000 on, remembered on the data volume"
    )

    @model_validator(mode="after")
    def _hash_is_a_hash(self) -> "User":
        if self.password_hash is not None:
            try:
                checks.password_hash(self.password_hash.get_secret_value())
            except ValueError as error:
                raise ValueError(f".passwordHash {error}") from None
        return self


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
        False, description="has to be true where sshFrom holds 0.0.0.0/0: the whole internet may then try"
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
        if "0.0.0.0/0" in self.ssh_from and not self.ssh_from_anywhere:
            raise ValueError(
                ".sshFrom opens SSH to the whole internet (0.0.0.0/0); takes your own ranges, "
                "or sshFromAnywhere: true beside it if you mean it"
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
        self._judge_ports()
        self._judge_size()
        return self

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
