"""The services' sections: a class named after each (`JupyterHub` for deploy/jupyterhub.py).

Adding one here, and its line in `Services`, is the first step of adding a service.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from workbench import checks, times, versions
from workbench.faults import Fault
from workbench.settings.data import Data
from workbench.settings.section import (
    Judge,
    Passage,
    ReservedPort,
    Section,
    Service,
    Sha256,
    SignIn,
    Url,
    twice,
)

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"


class Base(Section):
    """The host itself: clock, language and upkeep."""

    reserved_names: ClassVar[tuple[str, ...]] = (
        "workbench-alarms",
        "workbench-build",
        "workbench-schedule-mail",
    )

    timezone: Annotated[str, AfterValidator(times.time_zone)] = Field(
        "Etc/UTC", description="time zone of the host, a name of the tz database such as Europe/Madrid"
    )
    locale: Annotated[str, Field(pattern=r"^[a-z]{2,3}_[A-Z]{2}\.UTF-8$")] = Field(
        "en_US.UTF-8", description="language and formats of the host, a UTF-8 locale such as es_ES.UTF-8"
    )
    journal_mib: Annotated[int, Field(ge=16, le=65536)] = Field(
        500, description="the most disk that the system's journal takes, in MiB"
    )
    packages: list[Annotated[str, AfterValidator(checks.debian_package)]] = Field(
        [],
        description="Debian packages for everybody, further to the workbench's own, such as [libgdal-dev, unixodbc]; "
        "one taken out again stays until the server is rebuilt",
    )
    build_tools: bool = Field(
        False,
        description="compilers and headers, with which users and environments build packages from source",
    )

    def faults(self) -> Iterator[Fault]:
        """No package twice."""
        yield from twice(("packages",), self.packages)


class Python(Service):
    """The locked data science environment: the default kernel of every notebook."""

    memory_mib: ClassVar[int] = 256
    title: ClassVar[str] = "Python"

    versions: list[Annotated[str, AfterValidator(checks.python_version)]] = Field(
        [], description='further versions below /opt/python, such as ["3.12", "3.11.9"], each a kernel'
    )


class RVersion(Section):
    """One of Posit's builds of R."""

    version: Annotated[str, AfterValidator(checks.r_version)] = Field(description="release, such as 4.4.3")
    sha256: Sha256 | None = Field(
        None, description="of the package r-VERSION_1_amd64.deb; known for " + ", ".join(versions.R_SHA256)
    )


class R(Service):
    """R from Debian with a set of packages, on OpenBLAS: a kernel of every notebook."""

    memory_mib: ClassVar[int] = 256
    title: ClassVar[str] = "R"

    versions: list[RVersion] = Field(
        [], description="further versions below /opt/R, each a kernel and a choice in RStudio"
    )


class RStudio(Service):
    """RStudio Server in the browser for every user."""

    memory_mib: ClassVar[int] = 256
    title: ClassVar[str] = "RStudio"
    path: ClassVar[str | None] = "/rstudio/"
    strip_path: ClassVar[bool] = True
    path_header: ClassVar[str | None] = "X-RStudio-Root-Path"
    units: ClassVar[tuple[str, ...]] = (
        "rstudio-server.service",
        "workbench-session-scope.socket",
        "workbench-rstudio-ports.socket",
        "workbench-sign-in.socket",
    )
    health: ClassVar[str | None] = "/auth-sign-in"
    # What may lead to a port of loopback; with a percent sign, whatever it spells.
    judge: ClassVar[Judge] = Judge(socket="/run/workbench-rstudio-ports.sock", of="/p6?/|%")
    sign_in: ClassVar[SignIn] = SignIn(("auth-do-sign-in*",), "/run/workbench-sign-in.sock")
    reserved_names: ClassVar[tuple[str, ...]] = (
        "rstudio-server",
        "workbench-rstudio-ports",
        "workbench-sign-in",
    )

    # IANA has 87 for private use ("any private terminal link"); NFS and its like take theirs from 512 on.
    port: ReservedPort = Field(
        87, description="loopback port of the server, where only Caddy and root find it; below 1024"
    )
    version: Annotated[str, AfterValidator(checks.rstudio_version)] = Field(
        versions.RSTUDIO, description="release; another one than the default needs its sha256"
    )
    sha256: Sha256 | None = Field(
        None, description="of the package rstudio-server-VERSION-amd64.deb; known for the default version"
    )


class JupyterHub(Service):
    """JupyterLab in the browser for every user."""

    memory_mib: ClassVar[int] = 1024
    title: ClassVar[str] = "JupyterHub"
    path: ClassVar[str | None] = "/jupyter/"
    units: ClassVar[tuple[str, ...]] = ("jupyterhub-proxy.service", "jupyterhub.service")
    health: ClassVar[str | None] = "/jupyter/hub/health"
    socket: ClassVar[str] = "/run/jupyterhub-proxy/public.sock"
    passage: ClassVar[Passage] = Passage(
        socket="/run/caddy/jupyterhub.sock", to="/run/jupyterhub/hub.sock", path="/jupyter/hub/api"
    )
    sign_in: ClassVar[SignIn] = SignIn(("hub/login", "hub/api/users/*/tokens"))
    rules: ClassVar[str | None] = "jupyterhub/proxy.caddy.j2"
    reserved_names: ClassVar[tuple[str, ...]] = ("jupyterhub", "jupyterhub-proxy")

    message: Annotated[str, Field(max_length=500)] = Field(
        "", description="message of the day, on the hub's pages and in every new terminal"
    )
    named_servers: Annotated[int, Field(ge=0, le=100)] = Field(
        1, description="servers that a user may have beside the usual one"
    )
    idle_minutes: Annotated[int, Field(ge=0, le=43200)] = Field(
        1440,
        description="kernels, terminals and servers without work for so long are ended, in minutes; "
        "0 never ends any",
    )


class Shiny(Service):
    """Shiny apps that people here made."""

    title: ClassVar[str] = "Shiny"
    path: ClassVar[str | None] = "/shiny/"
    units: ClassVar[tuple[str, ...]] = ("workbench-apps.service",)
    apps: ClassVar[bool] = True
    reserved_names: ClassVar[tuple[str, ...]] = ("workbench-listed-apps",)


class Docker(Service):
    """Containers of users' own, without root."""

    title: ClassVar[str] = "Containers"
    reserved_names: ClassVar[tuple[str, ...]] = ("docker",)

    enabled: bool = Field(False, description="whether users may run containers, by rootless Podman")


class Fail2ban(Section):
    """Bans addresses from which logins fail. It is always on."""

    memory_mib: ClassVar[int] = 64
    title: ClassVar[str] = "Bans"
    units: ClassVar[tuple[str, ...]] = ("fail2ban.service",)
    reserved_names: ClassVar[tuple[str, ...]] = ("fail2ban",)

    never_ban: list[Annotated[str, AfterValidator(checks.cidr)]] = Field(
        [],
        description="IPv4 ranges that are never banned for failed logins, only slowed, such as the one address that a "
        "whole course comes from",
    )


class Proxy(Section):
    """Caddy: the only service that listens to the world. It is always on."""

    memory_mib: ClassVar[int] = 128
    title: ClassVar[str] = "Web server"
    units: ClassVar[tuple[str, ...]] = ("caddy.service",)
    health: ClassVar[str] = "/"
    reserved_names: ClassVar[tuple[str, ...]] = ("caddy",)

    http_port: ClassVar[int] = 80
    https_port: ClassVar[int] = 443

    notice: Annotated[str, AfterValidator(checks.notice)] = Field(
        "",
        description="a line for everybody, on all pages and in terminals, for as long as it is set; `workbench notice` "
        "says one for the moment",
    )
    contact: Annotated[str, AfterValidator(checks.contact)] = Field(
        "", description="whom to ask, on the landing page: an e-mail address, a web address, or words"
    )
    certificates: Literal["acme", "internal"] = Field(
        "acme",
        description="who vouches for `domain`: a CA that browsers trust (acme), or the workbench's own (internal)",
    )
    acme_server: Url | None = Field(
        None, description=f"directory of the ACME CA in place of {LETS_ENCRYPT}, Let's Encrypt's"
    )
    acme_root: Annotated[str, AfterValidator(checks.certificate)] | None = Field(
        None, description="root certificate (PEM) of a private ACME CA, which the host does not know"
    )
    acme_email: Annotated[str, AfterValidator(checks.email)] | None = Field(
        None, description="where the ACME CA may write to; given to it with the first request"
    )

    @property
    def ca_directory(self) -> str:
        """The address of the ACME CA that gives `domain` its certificate."""
        return self.acme_server or LETS_ENCRYPT

    @property
    def asks_lets_encrypt(self) -> bool:
        """Whether that is Let's Encrypt, in production or staging."""
        return (urlsplit(self.ca_directory).hostname or "").endswith(".letsencrypt.org")


class Services(Section):
    """A section for each service."""

    base: Base = Field(Base(), description="the host itself")
    python: Python = Field(Python(), description="the data science environment")
    r: R = Field(R(), description="R and its packages")
    jupyterhub: JupyterHub = Field(JupyterHub(), alias="jupyterhub", description="JupyterLab for every user")
    rstudio: RStudio = Field(RStudio(), description="RStudio Server for every user")
    shiny: Shiny = Field(Shiny(), description="Shiny for users' own apps")
    docker: Docker = Field(Docker(), description="containers for users")
    data: Data = Field(Data(), description="data in AWS, for the members of groups")
    fail2ban: Fail2ban = Field(Fail2ban(), alias="fail2ban", description="bans for failed logins")
    proxy: Proxy = Field(Proxy(), description="the web server in front")

    def enabled(self) -> Iterator[tuple[str, Service]]:
        """The services that can be switched and are on, by name, in the order of the settings."""
        for name in type(self).model_fields:
            section = getattr(self, name)
            if isinstance(section, Service) and section.enabled:
                yield name, section

    @classmethod
    def reserved_names(cls) -> dict[str, str]:
        """What no user and no group may be called, with the service that takes it, be that on or off.

        Whoever had the name of one that is off would own its files and run its daemon once it is on.
        """
        return {
            name: service
            for service, field in cls.model_fields.items()
            for name in getattr(field.annotation, "reserved_names", ())
        }
