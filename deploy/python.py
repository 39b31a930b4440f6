"""The data science environment: the default kernel of every notebook, and the `python` of every terminal.

It is apart from the hub's environment, so that neither can break the other. Users add packages with `pip install`,
which land in their own ~/.local and are looked at after the locked ones.
"""

from pyinfra.api.deploy import deploy
from pyinfra.operations import files as host_files

from deploy import files, uv
from workbench.stack import Context

KERNEL = "/usr/local/share/jupyter/kernels/python3"
PROFILE = "/etc/profile.d/workbench-python.sh"
BIN = f"{uv.link('python')}/bin"  # first on the PATH of terminals


@deploy("python")
def python(context: Context) -> None:
    """The environment, its kernel, its place on the PATH; with the service off, neither of the latter two."""
    if not context.settings.services.python.enabled:
        host_files.directory(path=KERNEL, present=False, name=f"No {KERNEL}")
        host_files.file(path=PROFILE, present=False, name=f"No {PROFILE}")
        return
    uv.environment("python", context.settings.mirrors, "--system-site-packages")
    files.template(
        "python/kernel.json.j2",
        f"{KERNEL}/kernel.json",
        validate="python3 -m json.tool {} > /dev/null",
        environment=uv.folder("python"),
    )
    files.template("python/workbench-python.sh.j2", PROFILE, validate="sh -n {}", bin=BIN)
