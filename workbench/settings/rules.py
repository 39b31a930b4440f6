"""The rules over several keys of the settings: what each key takes by itself, their sections say."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from workbench import checks, instance_types, sshkeys, versions
from workbench.faults import Fault
from workbench.instance_types import Architecture
from workbench.settings import data, environments
from workbench.settings.section import twice

if TYPE_CHECKING:
    from workbench.settings import Settings

Faults = Iterator[Fault]

FIREWALL_RULES = 60  # inbound, of one security group. Source: AWS, "Amazon VPC quotas"


def broken(settings: "Settings") -> Faults:
    """What is wrong in whole settings, as far as it can be told without AWS."""
    rules: tuple[Callable[[Settings], Faults], ...] = (
        _reach,
        _rules_of_the_firewall,
        _keys,
        _users,
        _disk,
        _domain,
        _versions,
        _environments,
        data.broken,
        _rstudio,
        _size,
    )
    for rule in rules:
        yield from rule(settings)


def _reach(settings: "Settings") -> Faults:
    yield from twice(("sshFrom",), settings.ssh_from)
    yield from twice(("webFrom",), settings.web_from)
    if checks.reaches_far(settings.ssh_from) and not settings.ssh_from_anywhere:
        yield Fault(
            ("sshFrom",),
            f"opens SSH to the whole internet or much of it ({', '.join(settings.ssh_from)}); takes your own ranges, "
            "or sshFromAnywhere: true beside it if you mean it",
        )


def _rules_of_the_firewall(settings: "Settings") -> Faults:
    """A rule for each range of sshFrom (port 22), and two for each of webFrom (ports 80 and 443)."""
    ssh, web = len(settings.ssh_from), len(settings.web_from)
    wanted = ssh + 2 * web
    if wanted > FIREWALL_RULES:
        here = "webFrom" if 2 * web > ssh else "sshFrom"
        most = (FIREWALL_RULES - ssh) // 2 if here == "webFrom" else FIREWALL_RULES - 2 * web
        yield Fault(
            (here,),
            f"is too long: AWS allows a firewall {FIREWALL_RULES} rules, and {ssh} ranges of sshFrom with {web} of "
            f"webFrom make {wanted}, as each of webFrom takes two; takes at most {max(most, 1)} ranges here, so put "
            "those together that touch each other",
        )


def _keys(settings: "Settings") -> Faults:
    if not any(key.startswith(sshkeys.EC2_TYPES) for key in settings.admin_ssh_keys):
        yield Fault(
            ("adminSshKeys",),
            "holds no key of type ssh-ed25519 or ssh-rsa without options, and EC2 takes no other for the first boot; "
            "add one",
        )


def _users(settings: "Settings") -> Faults:
    users = settings.users
    names = [user.name for user in users]
    yield from twice(("users",), names, "name")
    yield from twice(("users",), [user.uid for user in users], "uid")
    yield from twice(("users",), [user.formerly for user in users], "formerly")
    yield from _names_in_a_circle({user.name: user.formerly for user in users})
    admins = [index for index, user in enumerate(users) if user.admin]
    if admins and all(users[index].removed for index in admins):
        yield Fault(
            ("users", admins[-1], "removed"),
            f"takes away {users[admins[-1]].name}, the last admin; make somebody else admin: true first, or take admin "
            "away from who is removed",
        )
    for index, user in enumerate(users):
        for place, group in enumerate(user.groups):
            if group in names:
                yield Fault(
                    ("users", index, "groups", place),
                    f"is {group}, which is a user as well, whose own group has that name; rename one of them",
                )


def _names_in_a_circle(former: dict[str, str | None]) -> Faults:
    """Names that people exchange, which no order of renames leads to: a name is never given to somebody else."""
    for index, name in enumerate(former):
        passed, at = [name], former[name]
        while at is not None and at not in passed:
            passed.append(at)
            at = former.get(at)
        if at == name and len(passed) > 1:
            yield Fault(
                ("users", index, "formerly"),
                f"is {former[name]}, and so names go round in a circle ({', '.join(passed)}); take other "
                "names, as nobody gets one that was somebody else's",
            )
            return


def _disk(settings: "Settings") -> Faults:
    disk = settings.limits.disk_gib
    if disk is not None and disk > settings.data_volume_gib:
        yield Fault(
            ("limits", "diskGib"),
            f"is {disk}, but the whole data volume has {settings.data_volume_gib} GiB (dataVolumeGib); lower the limit "
            "or grow the volume",
        )


def _domain(settings: "Settings") -> Faults:
    proxy = settings.services.proxy
    if settings.create_zone and settings.domain is None:
        yield Fault(("createZone",), "is true, but there is no domain to make a zone for; set domain")
    if not settings.asks_for_certificate():
        why = "there is no domain" if settings.domain is None else "certificates is internal"
        for key, value in (("acmeServer", proxy.acme_server), ("acmeRoot", proxy.acme_root)):
            if value is not None:
                yield Fault(
                    ("services", "proxy", key), f"is set, but {why}, so no ACME CA is asked; remove it"
                )
    elif proxy.asks_lets_encrypt and not checks.whole_internet(settings.web_from):
        yield Fault(
            ("webFrom",),
            "shuts out Let's Encrypt, which has to reach port 80 from addresses that it does not tell to give domain "
            "its certificate; takes 0.0.0.0/0, or a CA inside webFrom as services.proxy.acmeServer, or "
            "services.proxy.certificates: internal",
        )


def _versions(settings: "Settings") -> Faults:
    python, r = settings.services.python, settings.services.r
    yield from twice(("services", "python", "versions"), python.versions)
    yield from twice(("services", "r", "versions"), [one.version for one in r.versions], "version")
    for index, one in enumerate(r.versions):
        if one.sha256 is None and one.version not in versions.R_SHA256:
            yield _no_sha256_of_r(index, one.version)


def _environments(settings: "Settings") -> Faults:
    r = settings.services.r
    further = [one.version for one in r.versions] if r.enabled else None
    python = settings.services.python.enabled
    yield from environments.broken(settings.environments, further, python=python)


def _no_sha256_of_r(index: int, version: str, where: str = "") -> Fault:
    return Fault(
        ("services", "r", "versions", index, "sha256"),
        f"is missing: the workbench knows none for R {version}{where}; download the package from {versions.R_BUILDS} "
        "and give what `sha256sum` prints",
    )


def _rstudio(settings: "Settings") -> Faults:
    rstudio = settings.services.rstudio
    if not rstudio.enabled:
        return
    if not settings.services.r.enabled:
        yield Fault(
            ("services", "rstudio", "enabled"),
            "is true, but RStudio needs R, and services.r.enabled is false; set both alike",
        )
    if rstudio.version != versions.RSTUDIO and rstudio.sha256 is None:
        yield Fault(
            ("services", "rstudio", "sha256"),
            f"is missing: the workbench knows that of {versions.RSTUDIO} only; give what Posit's download page says "
            "of the jammy package, or leave version out",
        )


def _size(settings: "Settings") -> Faults:
    known = instance_types.find(settings.size)
    if known is not None:
        yield from unfit(settings, known.architecture, known.memory_mib)


def notes(settings: "Settings") -> Faults:
    """What is no fault, and worth knowing before it is made."""
    if instance_types.find(settings.size) is None:
        close = "".join(f"; {name} is close" for name in instance_types.similar(settings.size)[:1])
        yield Fault(
            ("size",),
            f"is {settings.size!r}, which is not among the common types, so that AWS alone knows whether there is such "
            f"a type and whether it is big enough{close}",
        )
    if instance_types.is_accelerated(settings.size):
        yield Fault(
            ("size",),
            f"is {settings.size!r}, whose GPU or other accelerator is paid for and lies idle: the workbench has no "
            "driver for it",
        )
    if settings.schedule is not None and settings.schedule.spare_busy and not settings.configure:
        yield Fault(
            ("schedule", "spareBusy"),
            "is true, but configure is false: the server stops itself only once `workbench deploy` has been there",
        )

    yield from _mails_that_never_come(settings)


def _mails_that_never_come(settings: "Settings") -> Faults:
    """Said of the first of them, for all."""
    lacking = [
        *(["alarms.mail is not set"] if settings.alarms.mail is None else []),
        *([] if settings.limits.timers else ["limits.timers is false"]),
    ]
    for index, user in enumerate(settings.users):
        if user.email and not user.removed and lacking:
            yield Fault(
                ("users", index, "email"),
                f"is set, but {' and '.join(lacking)}: failures of users' schedules are mailed to nobody",
            )
            return


def unfit(settings: "Settings", architecture: Architecture, memory_mib: int) -> Faults:
    """What the enabled services lack on a server of that architecture with `memory_mib` MiB of memory."""
    services = settings.services
    if architecture == "arm64":
        if services.rstudio.enabled:
            yield Fault(
                ("services", "rstudio", "enabled"),
                f"is true, but {settings.size} is an ARM type, for which there is no RStudio Server; set it to false, "
                "or choose an x86 type such as t3.large",
            )
        for index, one in enumerate(services.r.versions):
            if one.sha256 is None and one.version in versions.R_SHA256:  # else _versions has said so
                yield _no_sha256_of_r(index, one.version, " on ARM")
        yield from _binaries_of_r(settings)
    needed = settings.memory_needed_mib()
    if memory_mib < needed:
        names = ", ".join(name for name, _ in services.enabled())
        yield Fault(
            ("size",),
            f"is {settings.size!r} with {memory_mib} MiB of memory, but the enabled services ({names}) need {needed} "
            f"MiB; choose a bigger type, such as {_smallest(needed, architecture)}",
        )


def _binaries_of_r(settings: "Settings") -> Faults:
    """A lock of R has the sha256 of what an x86 server gets; of such a repository an ARM one gets other binaries."""
    for index, one in enumerate(settings.environments):
        if one.r is not None and "/__linux__/" in settings.mirrors.r_packages:
            yield Fault(
                ("environments", index, "r"),
                f"is set, but {settings.size} is an ARM type, and locks of R hold for the binaries for x86; choose an "
                "x86 type such as t3.large, or a repository of sources in mirrors.cran, such as "
                "https://cloud.r-project.org",
            )


def _smallest(memory_mib: int, architecture: Architecture) -> str:
    """The cheapest common type of that architecture with at least `memory_mib` MiB."""
    fitting = {
        name: kind.usd_per_hour
        for name, kind in instance_types.table().types.items()
        if kind.memory_mib >= memory_mib and kind.architecture == architecture
    }
    return min(fitting, key=lambda name: fitting[name] or 0.0, default="a memory-optimised one")
