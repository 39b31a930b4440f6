"""Debian packages: where they come from, and all that the services need in as few calls as possible.

Each service lists its packages in `PACKAGES`; main.py hands the lists over. What only services need is begun with and
not waited for (`ahead`): on a new host it takes most of the time, in which all that does not need it is configured.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from shlex import join, quote
from typing import Any

from pyinfra.api.command import StringCommand
from pyinfra.api.deploy import deploy
from pyinfra.api.facts import FactBase
from pyinfra.api.operation import operation
from pyinfra.context import host

from deploy import files
from workbench import versions
from workbench.settings import Mirrors
from workbench_host.packages import APT_ENVIRONMENT, LOCK_SECONDS
from workbench_host.packages import APT_GET as COMMAND

DEBIAN = "http://deb.debian.org/debian"
DEBIAN_SECURITY = "http://deb.debian.org/debian-security"

LISTS_HOURS = 12  # how old the archive's lists may be when something is installed

APT_GET = join(["env", *(f"{key}={value}" for key, value in APT_ENVIRONMENT.items()), *COMMAND])

UNIT = "workbench-packages.service"  # a transient one
AT_WORK = f"/run/systemd/transient/{UNIT}"  # is there as long as that unit; to look there costs nothing

SOURCES = "/etc/apt/sources.list.d/debian.sources"


@deploy("apt")
def sources(mirrors: Mirrors) -> None:
    """Waits for the first boot, then sees to the archive's address."""
    first_boot(name="Wait for cloud-init")
    files.template(
        "base/debian.sources.j2",
        SOURCES,
        variables={
            "debian": mirrors.debian or DEBIAN,
            "security": mirrors.debian_security or DEBIAN_SECURITY,
            "codename": versions.DEBIAN_CODENAME,
        },
    )
    files.copy("base/sources.list", "/etc/apt/sources.list")


@deploy("apt")
def packages(mirrors: Mirrors, names: Sequence[str]) -> None:
    """Sees to all packages called `names`."""
    wanted = sorted(set(names))
    install(packages=wanted, mirrors=named(mirrors), name=f"Debian packages ({len(wanted)})")


@deploy("apt")
def ahead(mirrors: Mirrors, names: Sequence[str]) -> None:
    """Begins with the packages called `names`; a later `packages` waits for them."""
    wanted = sorted(set(names))
    begin(packages=wanted, mirrors=named(mirrors), name=f"Begin with Debian packages ({len(wanted)})")


def named(mirrors: Mirrors) -> dict[str, str]:
    """The archives that are not Debian's own, by the settings' keys that name them."""
    keys = {
        "workbench:mirrors.debian": mirrors.debian,
        "workbench:mirrors.debianSecurity": mirrors.debian_security,
    }
    return {key: url for key, url in keys.items() if url}


def wait_for_begun() -> str:
    """Shell that waits while packages are installed that a deploy has begun with (`ahead`)."""
    waiting = f"while [ -e {AT_WORK} ] && systemctl is-active --quiet {UNIT}; do sleep 0.5; done"
    return f"[ ! -e {AT_WORK} ] || timeout {LOCK_SECONDS} sh -c {quote(waiting)}"


class CloudInit(FactBase[str]):
    """What cloud-init says once it is through with this boot: done, error, disabled, or nothing where it is absent.

    What an earlier deploy began with, and did not wait for, is through then as well.

    Its last step writes result.json, which spares the seconds that the command takes to start.
    """

    waits = True  # no other fact is worth reading before (connector/remembering.py)

    def command(self) -> str:
        return (
            f"{wait_for_begun()}; "
            "[ -e /run/cloud-init/result.json ] && echo through || "
            "timeout 600 cloud-init status --wait 2>/dev/null | sed -n 's/^status: //p'"
        )

    @staticmethod
    def default() -> str:
        return ""


@operation()
def first_boot() -> Generator[StringCommand, None, None]:
    """Waits until cloud-init is through, which runs apt and writes files that we write too. It changes nothing.

    Whether it succeeded is not judged here: what matters of its work, the steps that need it find out.
    """
    host.noop(f"cloud-init is through: {host.get_fact(CloudInit) or 'it is not installed'}")
    yield from ()


@dataclass(frozen=True)
class PackageState:
    """Names that dpkg has installed, and whether an interrupted dpkg has to be taken up again."""

    installed: frozenset[str]
    broken: bool


class Packages(FactBase[PackageState]):
    """The PackageState of the host, for the packages named, once what was begun with is through."""

    def command(self, packages: Sequence[str]) -> str:
        return self.together([{"packages": packages}])

    @staticmethod
    def together(asked: Sequence[Mapping[str, Any]]) -> str:
        packages = dict.fromkeys(name for one in asked for name in one["packages"])
        return (
            f"{wait_for_begun()}; "
            f"dpkg-query -W -f '${{db:Status-Status}} ${{Package}}\\n' {join(packages)} 2>/dev/null; "
            '[ -z "$(dpkg --audit; ls /var/lib/dpkg/updates)" ] || echo broken'
        )

    def process(self, output: list[str]) -> PackageState:
        words = [line.split() for line in output]
        installed = frozenset(pair[1] for pair in words if pair[0] == "installed")
        return PackageState(installed, broken=["broken"] in words)

    @staticmethod
    def apart(asked: Sequence[Mapping[str, Any]], output: Sequence[str]) -> Sequence[Sequence[str]]:
        def concerns(line: str, names: Sequence[str]) -> bool:
            return line == "broken" or line.split()[-1] in names

        return [[line for line in output if concerns(line, one["packages"])] for one in asked]

    @staticmethod
    def default() -> PackageState:
        return PackageState(frozenset(), broken=False)


@operation()
def install(
    packages: Sequence[str], mirrors: Mapping[str, str] | None = None
) -> Generator[StringCommand, None, None]:
    """Installs what is missing of `packages` in one call, after taking up a dpkg that was interrupted."""
    state = host.get_fact(Packages, packages=packages)
    if state.broken:
        yield StringCommand(f"{wait_for_dpkg()} && dpkg --configure -a --force-confdef --force-confold")
        yield StringCommand(f"{APT_GET} --fix-broken install")
    missing = [package for package in packages if package not in state.installed]
    if missing:
        yield files.Described(update_script(mirrors or {}), "fetch the lists of packages where they are old")
        yield files.Described(f"{APT_GET} install {join(missing)}", f"install {join(missing)}")


@operation()
def begin(
    packages: Sequence[str], mirrors: Mapping[str, str] | None = None
) -> Generator[StringCommand, None, None]:
    """Has the host install what is missing of `packages` by itself, in a transient unit.

    That is a matter of time alone: what failed there, `install` does again where its error is seen.
    """
    state = host.get_fact(Packages, packages=packages)
    missing = [package for package in packages if package not in state.installed]
    if state.broken or not missing:
        host.noop("there is nothing to begin with")
        return
    script = f"{{ {update_script(mirrors or {})}; }} && {APT_GET} install {join(missing)}"
    yield files.Described(
        f"systemd-run --quiet --collect --unit={UNIT} /bin/sh -c {quote(script)} || true",
        f"begin to install {join(missing)}",
    )


def wait_for_dpkg() -> str:
    """Shell that waits while another dpkg or apt is at work; `dpkg --configure` itself does not wait."""
    return f"timeout {LOCK_SECONDS} sh -c 'while pgrep -x \"apt-get|dpkg\" > /dev/null; do sleep 1; done'"


def update_script(mirrors: Mapping[str, str]) -> str:
    """Shell that fetches the archive's lists where they are old or older than the file that says where they are.

    `apt-get update` does not wait for another one that holds the lists, so it is tried again while that lasts. Where
    it fails because of one of `mirrors` (addresses by keys), the key is named.
    """
    blame = " ".join(
        f"*{quote(url)}*) echo {quote(f'{key} is {url}, which apt cannot use as a Debian archive.')} >&2;;"
        for key, url in mirrors.items()
    )
    blame = f'case "$said" in {blame} esac; ' if blame else ""
    stamp = "/var/lib/workbench/apt-updated"
    hours = LISTS_HOURS * 60
    return (
        f'if [ -z "$(find {stamp} -mmin -{hours} -newer {SOURCES} 2>/dev/null)" ]; then '
        f"mkdir -p /var/lib/workbench && tries=0; "
        f"until said=$({APT_GET} -o APT::Update::Error-Mode=any update 2>&1); do "
        f'case "$said" in *"/var/lib/apt/lists/lock"*) [ $tries -lt {LOCK_SECONDS // 5} ] || break;; '
        f"*) [ $tries -lt 2 ] || break;; esac; tries=$((tries+1)); sleep 5; done; "
        f'case "$said" in *"E: "*) echo "$said" | grep "^[EW]: " >&2; {blame}exit 1;; esac; touch {stamp}; fi'
    )
