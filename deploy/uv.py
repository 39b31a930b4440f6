"""Locked environments below /opt/workbench: uv itself first, then whatever the services ask for.

An environment lives in a folder named after the digest of its lock, /opt/workbench/NAME-DIGEST, and what runs from it
names that folder: an update is built beside it and does not touch what is running. The link /opt/workbench/NAME is
for people. Everything there belongs to root and can be read by all.
"""

from pyinfra.api.deploy import deploy
from pyinfra.operations import files as host_files

from deploy import files, locks, programs
from workbench.settings import Mirrors
from workbench.stack import Context

PACKAGES = ("python3-venv",)

PROGRAM = "environment"
ROOT = "/opt/workbench"
COMMAND = "/usr/local/bin/uv"


@deploy("uv")
def uv(context: Context) -> None:
    """The program that installs environments, and uv, which it installs them with."""
    programs.install("uv/environment.j2", PROGRAM)
    environment("uv", context.settings.mirrors)
    # For users' own environments; where JupyterLab's terminals and notebooks look too.
    host_files.link(path=COMMAND, target=f"{link('uv')}/bin/uv", name=f"The command {COMMAND}")


def folder(name: str) -> str:
    """Where the environment `name` as locked at present is on the host."""
    return f"{ROOT}/{name}-{locks.digest(name)}"


def link(name: str) -> str:
    """The link to the environment `name` that is in use, whatever its lock."""
    return f"{ROOT}/{name}"


def put_lock(name: str) -> None:
    """Puts the files of deploy/locks/`name` on the host."""
    for file, content in locks.files(name).items():
        at = f"{programs.CONFIG}/locks/{name}/{file}"
        files.put(content=files.Content(content), dest=at, name=at)


def environment(name: str, mirrors: Mirrors, *flags: str) -> None:
    """Installs deploy/locks/`name` unless the host has it whole; `flags` are the program's (templates/uv)."""
    put_lock(name)
    sources = [
        *(("--index", mirrors.pypi) if mirrors.pypi else ()),
        *(("--npm", mirrors.npm) if mirrors.npm else ()),
    ]
    programs.run(
        program=PROGRAM,
        arguments=[name, locks.digest(name), *sources, *flags],
        name=f"Install the locked environment {name}",
    )
