"""Containers of users' own: Podman without root, which answers to `docker` as well.

Podman and not Docker: it needs no daemon, neither root's nor one for each user. Nobody is in a group
that amounts to root, as Debian's `docker` is.
"""

from urllib.parse import urlsplit

from pyinfra.api.deploy import deploy
from pyinfra.operations import files as host_files

from deploy import apt, files, programs
from deploy.service import Service
from workbench.settings import Settings
from workbench.stack import Context

REGISTRIES = "/etc/containers/registries.conf.d/50-workbench.conf"
# podman-docker says at each call that it is not Docker, unless this is there.
QUIET = "/etc/containers/nodocker"

_PACKAGES = (
    "podman",
    "podman-docker",
    "crun",
    "uidmap",
    "passt",
    "slirp4netns",
    "fuse-overlayfs",
    "catatonit",
)


def packages(settings: Settings) -> tuple[str, ...]:
    """Debian's packages, none while the service is off."""
    return _PACKAGES if settings.services.docker.enabled else ()


@deploy("docker")
def docker(context: Context) -> None:
    """Ids for the users inside containers, and where images come from; with the service off, no Podman.

    Images and containers are in their owners' homes, and stay.
    """
    if not context.settings.services.docker.enabled:
        apt.remove(packages=["podman", "podman-docker"], name="No Podman")
        return
    programs.run(program="container-users", name="Give users what containers need")
    mirror = urlsplit(context.settings.mirrors.docker or "")
    files.template(
        "docker/registries.conf.j2",
        REGISTRIES,
        variables={"mirror": f"{mirror.netloc}{mirror.path}", "plain": mirror.scheme == "http"},
    )
    host_files.file(path=QUIET, name=QUIET)


SERVICE = Service(docker, packages)
