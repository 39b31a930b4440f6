"""Projects of users: the command that makes one, and what git has to know to reach public forges by SSH."""

from pyinfra.api.deploy import deploy
from pyinfra.operations import files as host_files

from deploy import files
from deploy.service import Service
from workbench.host import program_path
from workbench.stack import Context

COMMAND = "/usr/local/bin/workbench-project"
KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts2"  # which every ssh reads too (ssh_config(5), GlobalKnownHostsFile)
PACKAGES = ("git", "openssh-client")


@deploy("projects")
def projects(context: Context) -> None:  # noqa: ARG001 - all are called so
    """The command, and the keys of public forges."""
    host_files.link(path=COMMAND, target=program_path("workbench-project"), name=f"The command {COMMAND}")
    files.copy("projects/ssh_known_hosts2", KNOWN_HOSTS, validate="ssh-keygen -lf {} > /dev/null")


SERVICE = Service(projects, lambda _: PACKAGES)
