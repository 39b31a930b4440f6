"""Everything that the host runs, in order: `pyinfra deploy/inventory.py deploy/main.py`.

One line a service. pyinfra orders operations by the lines that they come from: no loop here.
"""

from deploy import (
    apt,
    base,
    docker,
    health,
    jupyterhub,
    kernels,
    limits,
    mirrors,
    packages,
    programs,
    progress,
    proxy,
    python,
    r,
    rstudio,
    selected,
    shiny,
    ssh,
    storage,
    users,
    uv,
)

context = selected.context()

debian = (
    *base.PACKAGES,
    *storage.PACKAGES,
    *ssh.PACKAGES,
    *users.PACKAGES,
    *uv.PACKAGES,
    *r.packages(context.settings.services),
    *jupyterhub.PACKAGES,
    *shiny.packages(context.settings),
    *docker.packages(context.settings),
)
apt.apt(mirrors=context.settings.mirrors, packages=debian)

base.base(context=context)
programs.tools()
storage.storage(context=context)
ssh.ssh(context=context)
limits.limits(context=context)
users.users(context=context)
mirrors.mirrors(context=context)
uv.uv(context=context)
packages.packages()
kernels.kernels()
python.python(context=context)
r.r(context=context)
rstudio.rstudio(context=context)
jupyterhub.jupyterhub(context=context)
shiny.shiny(context=context)
docker.docker(context=context)
health.health(context=context)
proxy.proxy(context=context)

progress.prepared()
