"""Shared folders: what lies in a folder that others may write to does not run by surprise, by Python, IPython and git.

For R see deploy/r.py. A folder is trusted by its user alone, with the command trust-folder.
"""

from pyinfra.api.deploy import deploy
from pyinfra.operations import files as host_files

from deploy import files, programs
from deploy.service import Service
from workbench import versions
from workbench.host import program_path
from workbench.stack import Context
from workbench_host.accounts.shared import SHARED
from workbench_host.python_versions import GUARD as GUARD_FILE

FOLDER = f"{programs.FOLDER}/trust"  # on the path of each Python that reads the file GUARD
MODULE = f"{FOLDER}/workbench_trust.py"
GUARD = str(GUARD_FILE)
# Debian's Python reads it there, and all environments that see its packages, as the data science one does. That of a
# further version has a copy (workbench_host/python_versions.py).
PYTHON_GUARD = f"/usr/local/lib/python{versions.PYTHON}/dist-packages/workbench_trust.pth"
IPYTHON = "/etc/ipython/ipython_config.py"
TELL = f"{programs.FOLDER}/tell_ipython.py"
COMMAND = "/usr/local/bin/trust-folder"
GIT = "/usr/local/bin/git"  # found before Debian's


@deploy("trust")
def trust(context: Context) -> None:  # noqa: ARG001 - all are called so
    """Python's module, IPython's configuration, what stands before git, and the command."""
    files.copy("trust/workbench_trust.py", MODULE, validate=programs.PYTHON_COMPILES)
    for guard in (GUARD, PYTHON_GUARD):
        files.template("trust/workbench_trust.pth.j2", guard, variables={"folder": FOLDER})
    files.copy("trust/tell_ipython.py", TELL, validate=programs.PYTHON_COMPILES)
    files.template(
        "trust/ipython_config.py.j2",
        IPYTHON,
        variables={"module": MODULE, "tell": TELL},
        validate=programs.PYTHON_COMPILES,
    )
    files.template("trust/git.j2", GIT, variables={"shared": SHARED}, mode="755", validate="sh -n {}")
    host_files.link(path=COMMAND, target=program_path("trust-folder"), name=f"The command {COMMAND}")


SERVICE = Service(trust)
