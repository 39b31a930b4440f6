"""Where users' own pip, uv and npm download from: the same addresses as the host itself.

apt's are in deploy/apt.py. The files are there without mirrors too: what is unset is then the public address.
"""

from urllib.parse import urlsplit

from pyinfra.api.deploy import deploy

from deploy import files
from deploy.service import Service
from workbench.stack import Context

PIP, UV, NPM = "/etc/pip.conf", "/etc/uv/uv.toml", "/etc/npmrc"
PROFILE = "/etc/profile.d/workbench-npm.sh"


@deploy("mirrors")
def mirrors(context: Context) -> None:
    """The system-wide configuration of each tool, below which a user's own counts."""
    urls = context.settings.mirrors
    pypi = urlsplit(urls.pypi or "")
    toml = "python3 -c 'import sys, tomllib; tomllib.load(open(sys.argv[1], \"rb\"))' {}"
    files.template(
        "mirrors/pip.conf.j2",
        PIP,
        variables={"url": urls.pypi, "plain": pypi.scheme == "http", "host": pypi.netloc},
    )
    files.template(
        "mirrors/uv.toml.j2", UV, variables={"url": urls.pypi, "builds": urls.python}, validate=toml
    )
    files.template("mirrors/npmrc.j2", NPM, variables={"url": urls.npm})
    files.template("mirrors/workbench-npm.sh.j2", PROFILE, variables={"npmrc": NPM}, validate="sh -n {}")


SERVICE = Service(mirrors)
