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

apt.sources(mirrors=context.settings.mirrors)
apt.packages(mirrors=context.settings.mirrors, names=uv.PACKAGES)
environments = (
    *python.environments(context.settings.services),
    *jupyterhub.environments(context.settings.services),
    proxy.ENVIRONMENT,
)
uv.ahead(mirrors=context.settings.mirrors, environments=environments)
debian = (
    *base.PACKAGES,
    *storage.PACKAGES,
    *ssh.PACKAGES,
    *users.PACKAGES,
    *r.packages(context.settings.services),
    *jupyterhub.PACKAGES,
    *shiny.packages(context.settings),
    *docker.packages(context.settings),
)
apt.packages(mirrors=context.settings.mirrors, names=debian)

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
