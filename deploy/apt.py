"""Debian packages: where they come from, and all that the services need in as few calls as possible.

Each service lists its packages in `PACKAGES`; main.py hands the lists over. What only services need is begun with and
not waited for (`prefetch`): on a new host it takes most of the time, in which all that does not need it is configured.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
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

_ENVIRONMENT = ["env", *(f"{key}={value}" for key, value in APT_ENVIRONMENT.items())]
APT_GET = join([*_ENVIRONMENT, *COMMAND])
# In English, since it is told by its words that it waits for a lock.
_CONFIGURE = join(
    [*_ENVIRONMENT, "LC_ALL=C.UTF-8", "dpkg", "--configure", "-a", "--force-confdef", "--force-confold"]
)

LISTS = "/var/lib/apt/lists"
UPDATED = "/var/lib/workbench/apt-updated"  # its time is that of the last update that was whole
PAUSE_SECONDS = 5  # between two tries

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


def further(mirrors: Mirrors, names: Sequence[str]) -> None:
    """Sees to the packages that the settings name, of which some may not exist."""
    wanted = sorted(set(names))
    name = f"Debian packages of the settings ({len(wanted)})"
    install(packages=wanted, mirrors=named(mirrors), setting="workbench:services.base.packages", name=name)


@deploy("apt")
def prefetch(mirrors: Mirrors, names: Sequence[str]) -> None:
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
    """Shell that waits while packages are installed that a deploy has begun with (`prefetch`).

    `timeout` makes a process group of its own unless it is in the foreground, and then the agent could not end it with
    the rest of a fact's command (connector/agent.py).
    """
    waiting = f"while [ -e {AT_WORK} ] && systemctl is-active --quiet {UNIT}; do sleep 0.5; done"
    return f"[ ! -e {AT_WORK} ] || timeout --foreground {LOCK_SECONDS} sh -c {quote(waiting)}"


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
            "timeout --foreground 600 cloud-init status --wait 2>/dev/null | sed -n 's/^status: //p'"
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
    """Names that dpkg has installed, and whether an interrupted dpkg has to be taken up again.

    `waited`: what was begun with was still at work, and has changed the host by now.
    """

    installed: frozenset[str]
    broken: bool
    waited: bool = False


class Packages(FactBase[PackageState]):
    """The PackageState of the host, for the packages named, once what was begun with is through."""

    may_wait = True  # not to be asked before it is needed (connector/batched.py)

    def command(self, packages: Sequence[str]) -> str:
        return self.batch([{"packages": packages}])

    @staticmethod
    def batch(asked: Sequence[Mapping[str, Any]]) -> str:
        packages = dict.fromkeys(name for one in asked for name in one["packages"])
        return (
            f"[ ! -e {AT_WORK} ] || echo waited; {wait_for_begun()}; "
            f"dpkg-query -W -f '${{db:Status-Status}} ${{Package}}\\n' {join(packages)} 2>/dev/null; "
            '[ -z "$(dpkg --audit; ls /var/lib/dpkg/updates)" ] || echo broken'
        )

    def process(self, output: list[str]) -> PackageState:
        words = [line.split() for line in output]
        installed = frozenset(pair[1] for pair in words if pair[0] == "installed")
        return PackageState(installed, broken=["broken"] in words, waited=["waited"] in words)

    @staticmethod
    def split(asked: Sequence[Mapping[str, Any]], output: Sequence[str]) -> Sequence[Sequence[str]]:
        def concerns(line: str, names: Sequence[str]) -> bool:
            return line in {"broken", "waited"} or line.split()[-1] in names

        return [[line for line in output if concerns(line, one["packages"])] for one in asked]

    @staticmethod
    def default() -> PackageState:
        return PackageState(frozenset(), broken=False)


@operation()
def install(
    packages: Sequence[str], mirrors: Mapping[str, str] | None = None, setting: str | None = None
) -> Generator[StringCommand, None, None]:
    """Installs what is missing of `packages` in one call, after taking up a dpkg that was interrupted.

    Where they come from a `setting`, those that the archive does not have are told by its key.
    """
    state = host.get_fact(Packages, packages=packages)
    if state.broken:
        yield files.Described(configure_script(), "take up an installation that was interrupted")
        yield StringCommand(f"{APT_GET} --fix-broken install")
    missing = [package for package in packages if package not in state.installed]
    if missing:
        yield files.Described(update_script(mirrors or {}), "fetch the lists of packages where they are old")
        known = f"{{ {unknown_script(missing, setting)}; }} && " if setting else ""
        yield files.Described(f"{known}{APT_GET} install {join(missing)}", f"install {join(missing)}")
    elif state.waited:
        # A command that changes nothing, so that this counts as the change that it was: what was read meanwhile is old.
        yield files.Described("true", "wait for what was begun with")


def unknown_script(names: Sequence[str], setting: str) -> str:
    """Shell that fails where the archive's lists do not have one of the packages, and says so with the key."""
    return (
        f'absent=; for name in {join(names)}; do apt-cache show "$name" > /dev/null 2>&1 || '
        f'absent="$absent $name"; done; [ -z "$absent" ] || {{ echo "{setting} has$absent, which Debian '
        f'{versions.DEBIAN_CODENAME} does not have; workbench ssh -- apt-cache search WORD finds names." >&2; false; }}'
    )


@operation()
def begin(
    packages: Sequence[str], mirrors: Mapping[str, str] | None = None
) -> Generator[StringCommand, None, None]:
    """Has the host install what is missing of `packages` by itself, in a transient unit.

    This only saves time: what failed there, `install` does again, and shows its error.
    """
    state = host.get_fact(Packages, packages=packages)
    missing = [package for package in packages if package not in state.installed]
    if state.broken or not missing:
        host.noop("there is nothing to begin with")
        return
    script = f"{{ {update_script(mirrors or {})}; }} && {APT_GET} install {join(missing)}"
    yield files.Described(
        f"systemd-run --quiet --collect -p PrivateTmp=yes --unit={UNIT} /bin/sh -c {quote(script)} || true",
        f"begin to install {join(missing)}",
    )


@operation()
def remove(packages: Sequence[str]) -> Generator[StringCommand, None, None]:
    """Removes those of `packages` that are installed; `install` has taken up before what was interrupted."""
    state = host.get_fact(Packages, packages=packages)
    there = [package for package in packages if package in state.installed]
    if not there:
        host.noop("none of them is installed")
        return
    yield files.Described(f"{APT_GET} remove {join(there)}", f"remove {join(there)}")


def patiently(command: str, lock: str, tries: int, failed: str) -> str:
    """Shell that runs `command`, again while what it says shows that another one has the lock.

    `lock` is what it says then. Else it is tried `tries` times; after the last, `failed` is run, which finds its words
    in $said and its exit status in $status, and the shell ends with status 1.
    """
    return (
        f"tried=1; until said=$({{ {command}; }} 2>&1); do status=$?; "
        f'case "$said" in *{quote(lock)}*) most={LOCK_SECONDS // PAUSE_SECONDS};; *) most={tries};; esac; '
        f"if [ $tried -ge $most ]; then {failed}; exit 1; fi; "
        f"tried=$((tried+1)); sleep {PAUSE_SECONDS}; done"
    )


def configure_script() -> str:
    """Shell that has dpkg end what was interrupted; dpkg itself does not wait for another one."""
    return patiently(_CONFIGURE, "was locked by another process", tries=1, failed='echo "$said" >&2')


def update_script(mirrors: Mapping[str, str]) -> str:
    """Shell that fetches the archive's lists where they are old or older than the file that says where they are.

    `apt-get update` does not wait for another one that holds the lists. Where it fails because of one of `mirrors`
    (addresses by keys), the key is named.

    Only an update that was whole counts, when its files are on the disk. One that was killed while it put its files in
    place may leave a new Release file beside old lists, which apt then takes for those of that Release. Without the
    Release files it fetches both, so they go wherever an update was cut short: by its exit status, or by the mark
    that the shell itself leaves where it is killed.
    """
    blame = " ".join(
        f"*{quote(url)}*) echo {quote(f'{key} is {url}, which apt cannot use as a Debian archive.')} >&2;;"
        for key, url in mirrors.items()
    )
    blame = f'; case "$said" in {blame} esac' if blame else ""
    begun, forget = f"{UPDATED}.begun", f"rm -f {LISTS}/*Release"
    killed = f"{{ status=$?; [ $status -lt 128 ] || {forget}; exit $status; }}"
    update = patiently(
        f"{APT_GET} -o APT::Update::Error-Mode=any update || {killed}",
        f"{LISTS}/lock",
        tries=3,
        failed=(
            f'rm -f {begun}; echo "$said" | grep "^[EW]: " >&2 || '
            f'echo "apt-get update ended with status $status before it was through." >&2{blame}'
        ),
    )
    return (
        f'if [ -z "$(find {UPDATED} -mmin -{LISTS_HOURS * 60} -newer {SOURCES} 2>/dev/null)" ]; then '
        f"mkdir -p {PurePosixPath(UPDATED).parent}; [ ! -e {begun} ] || {forget}; touch {begun}; {update}; "
        f"find {LISTS} -type f -exec sync {{}} + && mv -f {begun} {UPDATED}; fi"
    )
