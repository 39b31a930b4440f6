"""Locked environments below /opt/workbench: uv itself first, then whatever the services ask for.

On a new host they are installed beside Debian's packages (`prefetch`): neither waits for the other's downloads.

An environment lives in a folder named after the digest of its lock, /opt/workbench/NAME-DIGEST, and what runs from it
names that folder: an update is built beside it and does not touch what is running. The link /opt/workbench/NAME is
for people. Everything there belongs to root and can be read by all.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from shlex import join, quote

from pyinfra.api.command import StringCommand
from pyinfra.api.deploy import deploy
from pyinfra.api.facts import FactBase
from pyinfra.api.operation import operation
from pyinfra.context import host
from pyinfra.operations import files as host_files

from deploy import files, locks, programs
from deploy.service import Service
from workbench.host import program_path
from workbench.settings import Mirrors
from workbench.stack import Context
from workbench_host.environments import MARKER, ROOT

PACKAGES = ("python3-venv",)

PROGRAM = "environment"
UNIT = "workbench-environments"  # a transient one
COMMAND = "/usr/local/bin/uv"


@dataclass(frozen=True)
class Environment:
    """The locked environment `name` of deploy/locks; `flags` are the program's (workbench_host/environments.py)."""

    name: str
    flags: tuple[str, ...] = ()

    def arguments(self, mirrors: Mirrors) -> list[str]:
        """The program's command line."""
        index = ("--index", mirrors.pypi) if mirrors.pypi else ()
        npm = ("--npm", mirrors.npm) if mirrors.npm else ()
        return [self.name, locks.digest(self.name), *index, *npm, *self.flags]


UV = Environment("uv")


class Current(FactBase[bool]):
    """Whether an environment is whole, of the digest named, and what its link leads to."""

    def command(self, environment: str, digest: str) -> str:
        at = link(environment)
        return (
            f'[ "$(readlink {at})" = {environment}-{digest} ] && [ -e {at}/{MARKER} ] && echo current || true'
        )

    def process(self, output: list[str]) -> bool:
        return output == ["current"]

    @staticmethod
    def default() -> bool:
        return False


def is_current(wanted: Environment) -> bool:
    """Whether the host has the environment as it is locked at present."""
    return host.get_fact(Current, environment=wanted.name, digest=locks.digest(wanted.name))


@deploy("uv")
def prefetch(mirrors: Mirrors, environments: Sequence[Environment]) -> None:
    """Begins with `environments`, uv first of them, and does not wait for them: each service waits for its own."""
    begin(environments=environments, mirrors=mirrors, name="Begin with the locked environments")


@operation()
def begin(environments: Sequence[Environment], mirrors: Mirrors) -> Generator[StringCommand, None, None]:
    """Has the host install what is missing of `environments` by itself, in a transient unit.

    That is a matter of time alone. `environment` finds the work done, waits for it, or does it: the program lets one
    install at a time, and what failed here is tried again there, where its error is seen.
    """
    missing = [each for each in environments if not is_current(each)]
    if not missing:
        host.noop("all locked environments are there")
        return
    for each in missing:
        for at, content in lock_files(each.name).items():
            yield files.replacing(content, at)
    work = quote("; ".join(command(each, mirrors) for each in missing))
    yield StringCommand(
        f"systemctl is-active --quiet {UNIT} || "
        f"systemd-run --quiet --collect -p PrivateTmp=yes --unit={UNIT} /bin/sh -c {work}"
    )


@deploy("uv")
def uv(context: Context) -> None:
    """uv, which the environments are installed with, and its command."""
    environment(UV, context.settings.mirrors)
    # For users' own environments; where JupyterLab's terminals and notebooks look too.
    host_files.link(path=COMMAND, target=f"{link('uv')}/bin/uv", name=f"The command {COMMAND}")


def folder(name: str) -> str:
    """Where the environment `name` as locked at present is on the host."""
    return f"{ROOT}/{name}-{locks.digest(name)}"


def link(name: str) -> str:
    """The link to the environment `name` that is in use, whatever its lock."""
    return f"{ROOT}/{name}"


def lock_files(name: str) -> dict[str, files.Content]:
    """The files of deploy/locks/`name`: path on the host -> content."""
    folder = f"{programs.CONFIG}/locks/{name}"
    return {f"{folder}/{file}": files.Content(content) for file, content in locks.files(name).items()}


def put_lock(name: str) -> None:
    """Puts the files of deploy/locks/`name` on the host."""
    for at, content in lock_files(name).items():
        files.put(content=content, dest=at, name=at)


def command(wanted: Environment, mirrors: Mirrors) -> str:
    """The command line that installs it, or waits until it is installed."""
    return join([program_path(PROGRAM), *wanted.arguments(mirrors)])


@operation()
def install(wanted: Environment, mirrors: Mirrors) -> Generator[StringCommand, None, None]:
    """Installs the environment unless the host has it whole."""
    if is_current(wanted):
        host.noop(f"the environment {wanted.name} is there")
        return
    yield StringCommand(command(wanted, mirrors))


def environment(wanted: Environment, mirrors: Mirrors) -> None:
    """The lock on the host, and the environment that it asks for."""
    put_lock(wanted.name)
    install(wanted=wanted, mirrors=mirrors, name=f"Install the locked environment {wanted.name}")


SERVICE = Service(uv, environments=lambda _: (UV,))
