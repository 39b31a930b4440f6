"""Getting in: sshd takes keys only, shows the same host keys on every server, and knows the administrator's keys.

Host keys live on the data volume (/srv/workbench/ssh) and are copied to their usual place, so that getting in does not
need the volume. deploy/knownhosts.py says how this machine follows when a rebuilt server is given them back.
"""

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.deploy import deploy
from pyinfra.api.exceptions import DeployError
from pyinfra.api.facts import FactBase
from pyinfra.api.operation import operation
from pyinfra.context import host
from pyinfra.operations import files as pyinfra_files

from deploy import files, knownhosts, programs, python, units
from deploy.service import Service
from workbench import keys as own_keys
from workbench import sshkeys, stack
from workbench.host import ADMIN_HOME, program_path
from workbench.outputs import ADMIN
from workbench.stack import Context
from workbench_host.accounts.records import ADMIN_GROUPS, SYSTEM_GROUPS

PACKAGES = ("openssh-server",)

SSHD = "/etc/ssh/sshd_config.d/00-workbench.conf"
AUTHORIZED = f"{ADMIN_HOME}/.ssh/authorized_keys"
HOST_KEYS = [f"/etc/ssh/ssh_host_{kind}_key" for kind in ("ed25519", "rsa")]

# What gives sshd further ways in, which no firewall and no ban sees: sockets that everybody on the host may open, and
# vsock where the machine has it (systemd-ssh-generator(8)). A link of the same name to nowhere turns it off.
GENERATOR = "/etc/systemd/system-generators/systemd-ssh-generator"
GENERATED = ("sshd-unix-local.socket", "sshd-unix-export.socket", "sshd-vsock.socket")

# LC_*, as locale(7) has them. With an empty value each counts as not set (setlocale(3)).
CATEGORIES = (
    *("ALL", "ADDRESS", "COLLATE", "CTYPE", "IDENTIFICATION", "MEASUREMENT", "MESSAGES", "MONETARY", "NAME"),
    *("NUMERIC", "PAPER", "TELEPHONE", "TIME"),
)

GROUPS = (ADMIN, *sorted(SYSTEM_GROUPS - ADMIN_GROUPS))  # whom sshd lets in


@deploy("ssh")
def ssh(context: Context) -> None:
    """The data volume is mounted (deploy/storage.py)."""
    keys = context.settings.admin_ssh_keys
    content = files.Content("".join(f"{key}\n" for key in keys).encode())
    guard(keys, content)
    administrator(content)
    path = python.PATH if context.settings.services.python.enabled else None
    language = {"locale": context.settings.services.base.locale, "categories": CATEGORIES}
    variables = {"path": path, "host_keys": HOST_KEYS, "groups": GROUPS, **language}
    files.template("ssh/sshd.conf.j2", SSHD, variables=variables, validate="sshd -t -f {}")
    known, address = stack.known_hosts(context.outputs), context.outputs.address
    know(path=known, address=address, exchange=True, name="Expect the host keys to come")
    show_kept(name="Show the data volume's host keys")
    pyinfra_files.link(path=GENERATOR, target="/dev/null", name="No further ways to sshd")
    shut(name="Shut further ways to sshd")
    units.service(unit="ssh.service", reads=[SSHD, *HOST_KEYS], reload=True, name="sshd with these settings")
    know(path=known, address=address, exchange=False, name="Know the host keys")


@operation()
def shut() -> Generator[StringCommand, None, None]:
    """What the generator has made is gone, and what it has opened is shut; nothing where it has not.

    Nothing can be disabled that was generated: systemd forgets it when it reads its files anew.
    """
    states = {
        unit: host.get_fact(units.Unit, unit=unit, paths=units.unit_paths(unit, [])) for unit in GENERATED
    }
    if any(state.enabled for state in states.values()):
        yield StringCommand("systemctl daemon-reload")
    for unit in [unit for unit, state in states.items() if not state.down]:
        yield StringCommand(f"systemctl stop {unit}")


def administrator(keys: files.Content) -> None:
    """The administrator's keys are those of the settings, exactly."""
    folder = str(Path(AUTHORIZED).parent)
    pyinfra_files.directory(path=folder, user=ADMIN, group=ADMIN, mode="700", name=folder)
    files.put(content=keys, dest=AUTHORIZED, mode="600", user=ADMIN, group=ADMIN, name=AUTHORIZED)


class EnteredWith(FactBase[str]):
    """The public key (type and base64) that this connection was let in with, as sshd says itself (ExposeAuthInfo).

    So it does not matter where the key came from: WORKBENCH_SSH_KEY, an agent or ~/.ssh. Empty before the first
    deploy, whose sshd does not say it yet. Asked without sudo, which keeps that variable from its commands.
    """

    def command(self) -> str:
        return "sed -n 's/^publickey //p' \"${SSH_USER_AUTH:-/dev/null}\""

    def process(self, output: list[str]) -> str:
        return output[-1].strip() if output else ""

    @staticmethod
    def default() -> str:
        return ""


def guard(keys: Sequence[str], content: files.Content) -> None:
    """Raises DeployError where to replace authorized_keys by `content` would lock this deploy out."""
    there = host.get_fact(files.FileState, path=AUTHORIZED)
    if there is None or there.sha256 != content.sha256:
        refuse_lockout(keys, host.get_fact(EnteredWith, _sudo=False) or declared_key(own_keys.named()))


def declared_key(private_key: Path | None) -> str:
    """The public half of the key that WORKBENCH_SSH_KEY names, where it lies beside it; else nothing."""
    public = Path(f"{private_key}.pub")
    return public.read_text() if private_key and public.exists() else ""


def refuse_lockout(keys: Sequence[str], own: str) -> None:
    """Raises DeployError where the administrator's `keys` lack `own`, with which this deploy itself came in, or bar it.

    `own` is empty where nobody knows, as at the first deploy by an agent's key; the first boot was given `keys` then.
    """
    if not keys:
        raise DeployError(
            "adminSshKeys is empty, and nobody could log in any more; it takes at least one key."
        )
    key = sshkeys.bare(own)
    if key and key not in map(sshkeys.bare, keys):
        raise DeployError(
            f"adminSshKeys lacks the key that this deploy logs in with, which would lock it out: {key}; add that key, "
            "or use another one first (WORKBENCH_SSH_KEY)."
        )
    barrier = next(
        filter(None, (sshkeys.barrier(line) for line in keys if key and sshkeys.bare(line) == key)), ""
    )
    if barrier:
        raise DeployError(
            f"adminSshKeys has the key that this deploy logs in with, but with the option {barrier}, which can lock it "
            f"out: {key}; leave that option out, or use another key first (WORKBENCH_SSH_KEY)."
        )


@dataclass(frozen=True)
class Keys:
    """Public host keys (type and base64): those `present`, and those `coming` once the volume's are in use.

    `right` says that the program hostkeys would find nothing to do.
    """

    present: list[str]
    coming: list[str]
    right: bool


def host_keys() -> Keys:
    """The Keys of the host; none where it cannot say, as before the program is there."""
    said = host.get_fact(programs.Says, line="hostkeys --list")
    return Keys(**json.loads("".join(said.lines))) if said.status == 0 else Keys([], [], right=False)


@operation()
def show_kept() -> Generator[StringCommand, None, None]:
    """The server shows the host keys of the data volume."""
    if host_keys().right:
        host.noop("they are in use")
    else:
        yield StringCommand(program_path("hostkeys"))


@operation()
def know(path: Path, address: str, exchange: bool) -> Generator[FunctionCommand, None, None]:
    """This machine's known_hosts file `path` has the server's keys, learnt over the connection that it trusts already.

    With `exchange`, before keys change: the present ones first, then those to come. Without, after it: just these.
    """
    keys = host_keys()
    present = [key for key in keys.present if key not in keys.coming] if exchange else []
    entries = knownhosts.lines(address, [*present, *keys.coming])
    if (exchange and not present) or not entries or knownhosts.read(path) == entries:
        host.noop(f"the host keys of {address} are known")
        return
    yield FunctionCommand(knownhosts.write, (path, entries), {})


SERVICE = Service(ssh, lambda _: PACKAGES, system=True)
