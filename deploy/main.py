"""Everything that the host runs, in order: `pyinfra deploy/inventory.py deploy/main.py`.

One line a service. pyinfra orders operations by the lines that they come from: no loop here.
"""

from deploy import (
    apt,
    base,
    docker,
    health,
    jupyterhub,
    limits,
    mirrors,
    programs,
    progress,
    proxy,
    python,
    selected,
    shiny,
    ssh,
    storage,
    users,
    uv,
)

context = selected.context()

packages = (
    *base.PACKAGES,
    *storage.PACKAGES,
    *ssh.PACKAGES,
    *users.PACKAGES,
    *uv.PACKAGES,
    *jupyterhub.PACKAGES,
    *shiny.packages(context.settings),
    *docker.packages(context.settings),
)
apt.apt(mirrors=context.settings.mirrors, packages=packages)

base.base(context=context)
programs.tools()
storage.storage(context=context)
ssh.ssh(context=context)
limits.limits(context=context)
users.users(context=context)
mirrors.mirrors(context=context)
uv.uv(context=context)
python.python(context=context)
jupyterhub.jupyterhub(context=context)
shiny.shiny(context=context)
docker.docker(context=context)
health.health(context=context)
proxy.proxy(context=context)

progress.prepared()
