"""The tools that people expect of a server they log in to, in terminals of JupyterLab and RStudio, and over SSH.

Debian's package of git-lfs tells git of it for everybody (/etc/gitconfig): `git clone` brings large files without a
step by each user.
"""

from pyinfra.api.deploy import deploy

from deploy.service import Service
from workbench.stack import Context

PACKAGES = (
    "file",
    "git",
    "git-lfs",
    "htop",
    "jq",
    "less",
    "man-db",
    "nano",
    "ncdu",  # what takes the place in a home that is full
    "rsync",
    "tmux",
    "tree",
    "unzip",
    "vim",
    "wget",
    "zip",
)


@deploy("tools")
def tools(context: Context) -> None:
    """Nothing but the packages."""


SERVICE = Service(tools, lambda _: PACKAGES)
