"""Packages for everybody: Debian's of the settings, and the team's environments, each from its lock.

What they are built by and where they are, says workbench_host/team. They are last: one that cannot be built keeps
nothing else from being configured.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict

from pyinfra.api.deploy import deploy
from pyinfra.operations import files as host_files

from deploy import apt, files, logos, programs, python, r
from workbench import images, stackfile, team
from workbench.host import program_path
from workbench.settings import Mirrors
from workbench.settings.services import Base, Services
from workbench.stack import Context
from workbench_host.kernels import LOGO, R_LOGO
from workbench_host.team.places import PYTHON, WANTED, Wanted

COMMAND = "/usr/local/bin/workbench-env"
# With what Debian, CRAN and PyPI build most of their packages; R's headers come with those of R below.
BUILD_TOOLS = ("build-essential", "cmake", "gfortran", "pkg-config", "python3-dev")
R_BUILD_TOOLS = ("r-base-dev",)


def wanted_packages(services: Services) -> list[str]:
    """Debian's packages that the settings ask for."""
    base: Base = services.base
    tools = (*BUILD_TOOLS, *(R_BUILD_TOOLS if services.r.enabled else ())) if base.build_tools else ()
    return [*tools, *base.packages]


@deploy("packages")
def packages(context: Context) -> None:
    """Debian's packages of the settings; nothing where there are none."""
    wanted = wanted_packages(context.settings.services)
    if wanted:
        apt.further(mirrors=context.settings.mirrors, names=wanted)


@deploy("environments")
def environments(context: Context) -> None:
    """The command, and what is wanted with the program that sees to it."""
    settings = context.settings
    locks = team.locks(stackfile.path_of(images.stack_of(context.outputs.stack)), settings)
    host_files.link(path=COMMAND, target=program_path("workbench-env"), name=f"The command {COMMAND}")
    content = files.Content(wanted(locks, settings.mirrors, settings.services).encode())
    files.put(content=content, dest=str(WANTED), mode="600", name=str(WANTED))  # a mirror may have a password
    programs.run(program="team-environments", reads=str(WANTED), name="The team's environments")
    pictures = {f"{r.KERNEL}/{LOGO}": str(R_LOGO)}
    if all(one.name != PYTHON for one in settings.environments):  # else the program has seen to it
        pictures[f"{python.KERNEL}/{LOGO}"] = python.LOGO
    logos.copied(logos=pictures, name="Logos of the default kernels")


def wanted(locks: Sequence[team.Lock], mirrors: Mirrors, services: Services) -> str:
    """The environments as the host's program reads them, and what of Debian its doctor takes for granted."""
    listed = [
        Wanted(
            name=lock.environment.name,
            language=lock.environment.language,
            version=lock.environment.version,
            digest=lock.digest,
            lock=lock.text,
            setting=f"workbench:environments[{index}]",
        )
        for index, lock in enumerate(locks)
    ]
    told = {
        "index": mirrors.pypi,
        "builds": mirrors.python,
        "cran": mirrors.cran,
        "build": services.base.build_tools,
        "debian": wanted_packages(services),
        "environments": [asdict(one) for one in listed],
    }
    return json.dumps(told, indent=1) + "\n"
