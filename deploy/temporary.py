"""Temporary files: root's where nobody else can put any, users' in folders of their own, /tmp on the disk.

Many programs take what they find in /tmp under a name that everybody knows, as npm takes modules that Node compiled
before. So TMPDIR leads elsewhere, for root (sudo sets it, and so all that a deploy runs has it) and for users (PAM sets
it; the hub and RStudio, which open no PAM session, set it themselves). /tmp itself is not memory, as Debian 13 has it:
what is large goes there, and would be taken from those who compute.

/tmp and /var/tmp are mounts of their own, with nosuid: a program with the set-group-ID bit, which a member of a group
may make, would give the group's rights to whoever runs it, also to who has left the group. Wherever else users can make
files there is nosuid too (tests/e2e/attacks/test_leaving.py).
"""

from collections.abc import Generator
from shlex import quote

from pyinfra.api.command import StringCommand
from pyinfra.api.deploy import deploy
from pyinfra.api.facts import FactBase
from pyinfra.api.operation import operation
from pyinfra.context import host
from pyinfra.operations import files as host_files

from deploy import data, files, programs, units
from deploy.service import Service
from workbench.stack import Context
from workbench_host.accounts.records import EVERYBODY
from workbench_host.accounts.scratch import SCRATCH
from workbench_host.processes import USER_UIDS

ROOT = "/var/lib/workbench/tmp"
ROOT_ENVIRONMENT = f"{programs.CONFIG}/root.env"
SUDOERS = "/etc/sudoers.d/50-workbench"
AGES = "/etc/tmpfiles.d/tmp.conf"  # its name puts it in the place of Debian's
PAM_CONFIG = "/usr/share/pam-configs/workbench-temporary"
PAM_ENVIRONMENT = f"{programs.CONFIG}/pam_env.conf"
PAM_SESSIONS = ("/etc/pam.d/common-session", "/etc/pam.d/common-session-noninteractive")
ENABLE = "pam-auth-update --package --enable workbench-temporary"
JOBS = ("apt-daily.service", "apt-daily-upgrade.service")  # Debian's, of root
PLACES = {"tmp.mount": "/tmp", "var-tmp.mount": "/var/tmp"}  # noqa: S108 - what the units mount on itself
OPTIONS = ("nosuid", "nodev")
SWITCH = f"{programs.FOLDER}/temporary-mounts"


def root() -> None:
    """Root's own folder, and sudo told of it: before anything large is run, which a user may be waiting for."""
    host_files.directory(path=ROOT, mode="700", user="root", group="root", name=ROOT)
    files.template("temporary/root.env.j2", ROOT_ENVIRONMENT, variables={"root": ROOT})
    files.template(
        "temporary/sudoers.j2",
        SUDOERS,
        variables={"root_environment": ROOT_ENVIRONMENT},
        mode="440",
        validate="visudo -cqf {}",
    )


@deploy("temporary")
def temporary(context: Context) -> None:
    """Nothing is aged out of /tmp, which is on the disk; users' TMPDIR, whose folders are made with their accounts."""
    files.template(
        "temporary/tmp.conf.j2",
        AGES,
        variables={"root": ROOT},
        validate="systemd-tmpfiles --dry-run --create {} > /dev/null",
    )
    for job in JOBS:
        files.copy("temporary/private-tmp.conf", f"{units.UNITS}/{job}.d/50-workbench.conf")
    units.reread(units=JOBS, name="Debian's jobs with a /tmp of their own")
    for unit in PLACES:
        files.copy(f"temporary/{unit}", f"{units.UNITS}/{unit}")
    variables = {"uids": USER_UIDS, "places": PLACES.values(), "options": ",".join(OPTIONS)}
    files.template(
        "temporary/temporary-mounts.j2", SWITCH, variables=variables, mode="755", validate="sh -n {}"
    )
    mounts(name="Temporary files on the disk, in mounts of their own")
    variables = {"scratch": SCRATCH, "others": data.environment(context.settings)}
    files.template("temporary/pam_env.conf.j2", PAM_ENVIRONMENT, variables=variables)
    files.template(
        "temporary/pam-config.j2", PAM_CONFIG, variables={"environment": PAM_ENVIRONMENT, "group": EVERYBODY}
    )
    pam_sessions(name="PAM gives users their TMPDIR")


class Mounted(FactBase[bool]):
    """Whether both places are mounted as they should be, now and at the next boot."""

    def command(self) -> str:
        shown = f"systemctl show -p FragmentPath,UnitFileState,NeedDaemonReload {' '.join(PLACES)}"
        options = (
            f"for at in {' '.join(PLACES.values())}; do findmnt -rno VFS-OPTIONS -M $at | tail -n 1; done"
        )
        return f"{shown}; {options}"

    def process(self, output: list[str]) -> bool:
        shown = [line for line in output if "=" in line]
        mounted = [set(line.split(",")) for line in output if line and "=" not in line]
        expected = ["NeedDaemonReload=no", "UnitFileState=enabled"] * len(PLACES)
        expected += [f"FragmentPath={units.UNITS}/{unit}" for unit in PLACES]
        kept = [one for one in mounted if one >= set(OPTIONS)]
        return sorted(shown) == sorted(expected) and len(kept) == len(PLACES)

    @staticmethod
    def default() -> bool:
        return False


@operation()
def mounts() -> Generator[StringCommand, None, None]:
    """Mounts what is not mounted so, and has the next boot do it. Nothing is unmounted under whom it would disturb.

    A /tmp in memory goes at once where nobody is at work, else with the next boot.
    """
    if host.get_fact(Mounted) and not any(files.coming(f"{units.UNITS}/{unit}") for unit in PLACES):
        host.noop("temporary files are in mounts of their own")
        return
    enable = f"systemctl enable --quiet {' '.join(PLACES)}"
    yield files.Described(
        f"systemctl daemon-reload && {enable} && {SWITCH}",
        f"have {' and '.join(PLACES.values())} on the disk, as mounts of their own",
    )


# In both is what Debian's pam-auth-update makes of our configuration, or what somebody wrote there by hand.
PAM_HAS_IT = f'[ "$(grep -ls {PAM_ENVIRONMENT} {" ".join(PAM_SESSIONS)} | wc -l)" -eq {len(PAM_SESSIONS)} ]'


class PamSessions(FactBase[bool]):
    """Whether PAM's common sessions give users their TMPDIR."""

    def command(self) -> str:
        return f"{PAM_HAS_IT} && echo there || true"

    def process(self, output: list[str]) -> bool:
        return output == ["there"]

    @staticmethod
    def default() -> bool:
        return False


@operation()
def pam_sessions() -> Generator[StringCommand, None, None]:
    """Has pam-auth-update take up our configuration.

    Where somebody edited the files by hand it says so, leaves them alone and succeeds. Then this fails: whether the
    edits are to stay is for people to say.
    """
    if host.get_fact(PamSessions):
        host.noop("PAM has it")
        return
    edited = (
        f"PAM does not give users their TMPDIR: /etc/pam.d/common-* were edited by hand, so pam-auth-update leaves "
        f'them alone. Either add what {PAM_CONFIG} has below "Session:" to the end of {" and ".join(PAM_SESSIONS)}, '
        f'each line after the word "session", or give the edits up (they are kept in *.pam-old) by '
        f"`sudo {ENABLE} --force`; then deploy again."
    )
    yield StringCommand(
        f"{_when_unlocked(ENABLE)} && {{ {PAM_HAS_IT} || {{ echo {quote(edited)} >&2; exit 1; }}; }}"
    )


def _when_unlocked(command: str) -> str:
    """Shell that waits up to ten minutes for debconf's lock, which packages have that are installed meanwhile."""
    script = (
        f"for _ in $(seq 300); do said=$(DEBIAN_FRONTEND=noninteractive {command} 2>&1) && exit 0; "
        'case $said in *"is locked by another process"*) sleep 2;; *) break;; esac; done; echo "$said" >&2; exit 1'
    )
    return f"sh -c {quote(script)}"


SERVICE = Service(temporary)
