"""The host itself: name, clock, language, upkeep, memory, kernel and the firewall.

What it does to the host stands in docs/host.md, section by section.
"""

from collections.abc import Generator
from shlex import quote

from pyinfra.api.command import StringCommand
from pyinfra.api.deploy import deploy
from pyinfra.api.facts import FactBase
from pyinfra.api.operation import operation
from pyinfra.context import host

from deploy import accounts, files, programs, units
from deploy.facts import Lines
from deploy.service import Service
from workbench.host import SSH_PORT, host_name
from workbench.settings.section import RESERVED_PORTS
from workbench.settings.services import Base, Services
from workbench.stack import Context
from workbench_host import data
from workbench_host.team import builder
from workbench_host.tools import PROXIES

PACKAGES = (
    "ca-certificates",
    "curl",  # units ask with it whether their service answers (deploy/units.py)
    "libnss-myhostname",  # the host's own name resolves, whatever /etc/hosts says
    "locales",
    "nftables",
    "procps",
    "tzdata",
    "tzdata-legacy",  # names such as US/Pacific, which settings take as well
    "unattended-upgrades",
)

SWAP_FILE = "/swapfile"
SWAP_PROGRAM = f"{programs.FOLDER}/swapfile"
ZONES = "/usr/share/zoneinfo"
# Connections of one user of the host at a time, from the host itself, to sshd and to each port of the proxy.
LOCAL_LOGINS, LOCAL_VISITS = 8, 64


@deploy("base")
def base(context: Context) -> None:
    """Packages have been installed before (deploy/apt.py)."""
    own = context.settings.services.base
    cloud_init()
    accounts.service_account(account=PROXIES, name=f"User {PROXIES}")
    # Environments are built by it, and what R's further versions need.
    accounts.service_account(account=builder.ACCOUNT, uid=builder.UID, name=f"User {builder.ACCOUNT}")
    hostname(value=host_name(context.outputs.stack), name="Set the host's name")
    clock_and_language(own)
    upkeep(own)
    memory(context)
    kernel()
    firewall(context)


def swap_mib(memory_mib: int, root_gib: int) -> int:
    """Size of the swap file in MiB: the memory's up to 2 GiB, then 2 GiB, with 16 GiB of memory and more 4 GiB.

    It is there to survive a peak, not to work from; an eighth of the system's disk is the most that it takes.
    """
    wanted = min(memory_mib, 2048) if memory_mib < 16 * 1024 else 4096
    return min(wanted, root_gib * 1024 // 8)


def cloud_init() -> None:
    """cloud-init has done its work at the first boot: what it looked after then is ours now."""
    files.copy("base/cloud.cfg", "/etc/cloud/cloud.cfg.d/90-workbench.cfg")


class HostName(FactBase[str]):
    """The kernel's name of the host and the one in /etc/hostname, joined by a space."""

    def command(self) -> str:
        return 'echo "$(uname -n) $(cat /etc/hostname 2>/dev/null)"'


@operation()
def hostname(value: str) -> Generator[StringCommand, None, None]:
    """Gives the host its name, now and from the next boot on."""
    if host.get_fact(HostName) == f"{value} {value}":
        host.noop(f"the host is called {value}")
        return
    yield files.replacing(
        files.Content(f"{value}\n".encode()), "/etc/hostname", then=f"hostname {quote(value)}"
    )


def clock_and_language(settings: Base) -> None:
    """Time zone and locale; whether the host has what the settings name, it says itself."""
    timezone(value=settings.timezone, name="Set the time zone")
    files.template("base/locale.gen.j2", "/etc/locale.gen", variables={"locale": settings.locale})
    locale(value=settings.locale, name="Build the locale")
    files.template("base/locale.conf.j2", "/etc/locale.conf", variables={"locale": settings.locale})


class TimeZone(FactBase[str]):
    """Where /etc/localtime leads to, and what /etc/timezone says, joined by a space."""

    def command(self) -> str:
        return 'echo "$(readlink /etc/localtime) $(cat /etc/timezone 2>/dev/null)"'


@operation()
def timezone(value: str) -> Generator[StringCommand, None, None]:
    """Sets the time zone `value` of the tz database."""
    target = f"{ZONES}/{value}"
    if host.get_fact(TimeZone) == f"{target} {value}":
        host.noop(f"the time zone is {value}")
        return
    complaint = (
        f"services.base.timezone is {value!r}, which the host's tz database does not have; "
        "takes a name such as Europe/Madrid"
    )
    yield files.Described(
        f"{{ [ -f {quote(target)} ] || {{ echo {quote(complaint)} >&2; exit 1; }}; }} && "
        f"ln -sfnT {quote(target)} /etc/localtime.new && mv -fT /etc/localtime.new /etc/localtime && "
        f"echo {value} > /etc/timezone",
        f"set the time zone to {value}",
    )


class Locales(Lines):
    """The locales that the host has built, in glibc's own spelling (en_US.utf8)."""

    def command(self) -> str:
        return "locale -a"


@operation()
def locale(value: str) -> Generator[StringCommand, None, None]:
    """Builds the locale `value`, such as es_ES.UTF-8, which /etc/locale.gen names."""
    if value.replace("UTF-8", "utf8") in host.get_fact(Locales):
        host.noop(f"the locale {value} is built")
        return
    complaint = (
        f"services.base.locale is {value!r}, which Debian does not know; /usr/share/i18n/SUPPORTED lists all"
    )
    yield files.Described(
        f"{{ grep -qxF {quote(value + ' UTF-8')} /usr/share/i18n/SUPPORTED || "
        f"{{ echo {quote(complaint)} >&2; exit 1; }}; }} && locale-gen > /dev/null",
        f"build the locale {value}",
    )


def upkeep(settings: Base) -> None:
    """Security upgrades every day, and a journal that stays within its limit."""
    judge = "apt-config -c {} dump > /dev/null"
    files.copy("base/20auto-upgrades", "/etc/apt/apt.conf.d/20auto-upgrades", validate=judge)
    files.copy("base/unattended-upgrades", "/etc/apt/apt.conf.d/52workbench-upgrades", validate=judge)
    journald = "/etc/systemd/journald.conf.d/50-workbench.conf"
    files.template("base/journald.conf.j2", journald, variables={"journal_mib": settings.journal_mib})
    units.service(unit="systemd-journald.service", reads=[journald], name="Journal within its limit")


def memory(context: Context) -> None:
    """A swap file on the system's disk. Containers share the swap of the machine that runs them: the units say so."""
    size = swap_mib(context.outputs.memory_mib, context.settings.root_volume_gib)
    files.copy("base/swapfile", SWAP_PROGRAM, mode="755", validate="sh -n {}")
    for unit in ("workbench-swapfile.service", "swapfile.swap"):
        files.template(
            f"base/{unit}.j2", f"{units.UNITS}/{unit}", variables={"swap_file": SWAP_FILE, "size_mib": size}
        )
    units.service(unit="workbench-swapfile.service", reads=[SWAP_PROGRAM], name="Make the swap file")
    units.service(unit="swapfile.swap", name="Use the swap file")


def kernel() -> None:
    """Kernel settings and limits of open files."""
    sysctl = "/etc/sysctl.d/60-workbench.conf"
    files.copy("base/sysctl.conf", sysctl)
    units.service(unit="systemd-sysctl.service", reads=[sysctl], name="Apply the kernel's settings")
    files.copy("base/limits.conf", "/etc/security/limits.d/50-workbench.conf")


def guarded(services: Services) -> list[int]:
    """The ports on loopback that only root and the proxies may ask: services with a page, where users cannot listen."""
    ports = [getattr(service, "port", None) for _, service in services.enabled() if service.path]
    return [port for port in ports if port and port in RESERVED_PORTS]


def firewall(context: Context) -> None:
    """Inbound only what the settings open; the metadata service only for root; on loopback everybody's own."""
    rules = f"{programs.CONFIG}/firewall.nft"
    services = context.settings.services
    web = (services.proxy.http_port, services.proxy.https_port)
    ports = {SSH_PORT: LOCAL_LOGINS, **dict.fromkeys(web, LOCAL_VISITS)}
    counted = {**ports, **({data.PORT: data.CONNECTIONS} if services.data.s3 else {})}
    variables = {"ports": ports, "counted": counted, "guarded": guarded(services), "proxies": PROXIES}
    files.template("base/firewall.nft.j2", rules, variables=variables, validate="nft -c -f {}")
    files.template(
        "base/workbench-firewall.service.j2",
        f"{units.UNITS}/workbench-firewall.service",
        variables={"rules": rules},
    )
    units.service(unit="workbench-firewall.service", reads=[rules], reload=True, name="Raise the firewall")


SERVICE = Service(base, lambda _: PACKAGES, system=True)
