"""The data science environment: the default kernel of every notebook, and the `python` of every terminal.

It is apart from the hub's environment, so that neither can break the other. Users add packages with `pip install`,
which land in their own ~/.local and are looked at after the locked ones. Further versions are uv's builds in
/opt/python/<version>, a kernel each (workbench_host/python_versions.py).
"""

import json

from pyinfra.api.deploy import deploy
from pyinfra.operations import files as host_files

from deploy import files, locks, programs, uv
from deploy.service import Service
from workbench import versions
from workbench.settings import Mirrors, Settings
from workbench.settings.services import Python
from workbench.stack import Context
from workbench_host.kernels import KERNELS, PYTHON_LOGO
from workbench_host.team.places import DEFAULT_KERNEL, DEFAULT_TITLE, PYTHON

ENVIRONMENT = uv.Environment("python", ("--system-site-packages",))  # so that users can add their own
KERNEL = f"{KERNELS}/{DEFAULT_KERNEL}"
# As ipykernel ships it, below an environment that is never the team's: root reads what is copied.
LOGO = f"{uv.link('jupyterhub')}/{PYTHON_LOGO.replace('3*', versions.PYTHON)}"
PROFILE = "/etc/profile.d/workbench-python.sh"
BIN = f"{uv.link(ENVIRONMENT.name)}/bin"  # first on the PATH of people
# What people's commands have where no shell reads a profile: as Debian's /etc/profile, and ours after it, make it.
PATH = f"{BIN}:/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
GENERATOR = "/etc/systemd/user-environment-generators/50-workbench-python"
VERSIONS = f"{programs.CONFIG}/python/versions.json"
LOCK = "kernel"  # the lock of what a further version's kernel needs


def environments(settings: Settings) -> tuple[uv.Environment, ...]:
    """The environments of this service; none where it is off, or where the team has its own in that place."""
    return (ENVIRONMENT,) if settings.services.python.enabled and not is_the_teams(settings) else ()


def is_the_teams(settings: Settings) -> bool:
    """Whether one of the team's environments is the default one; then that has the kernel and the link as well."""
    return any(one.name == PYTHON for one in settings.environments)


@deploy("python")
def python(context: Context) -> None:
    """The environment, its kernel, its place on the PATH, and the further versions; with the service off, none."""
    service, mirrors = context.settings.services.python, context.settings.mirrors
    if service.enabled:
        if not is_the_teams(context.settings):
            uv.environment(ENVIRONMENT, mirrors)
            files.template(
                "python/kernel.json.j2",
                f"{KERNEL}/kernel.json",
                variables={"environment": uv.folder(ENVIRONMENT.name), "title": DEFAULT_TITLE},
                validate="python3 -m json.tool {} > /dev/null",
            )
        files.template("python/workbench-python.sh.j2", PROFILE, variables={"bin": BIN}, validate="sh -n {}")
        files.template(
            "python/environment-generator.j2",
            GENERATOR,
            variables={"bin": BIN},
            mode="755",
            validate="sh -n {}",
        )
    else:
        host_files.directory(path=KERNEL, present=False, name=f"No {KERNEL}")
        host_files.file(path=PROFILE, present=False, name=f"No {PROFILE}")
        host_files.file(path=GENERATOR, present=False, name=f"No {GENERATOR}")
    if service.enabled and service.versions:
        uv.put_lock(LOCK)
    content = files.Content(further(service, mirrors).encode())
    files.put(content=content, dest=VERSIONS, name=VERSIONS)
    programs.run(program="python-versions", reads=VERSIONS, name="Further versions of Python")


def further(service: Python, mirrors: Mirrors) -> str:
    """The further versions as the host's program reads them; none where the service is off."""
    wanted = {
        "versions": service.versions if service.enabled else [],
        "mirror": mirrors.python,
        "index": mirrors.pypi,
        "lock": locks.digest(LOCK),
    }
    return json.dumps(wanted, indent=1) + "\n"


SERVICE = Service(python, environments=environments)
