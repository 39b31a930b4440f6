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
settings = context.settings

apt.sources(mirrors=settings.mirrors)
apt.packages(mirrors=settings.mirrors, names=uv.PACKAGES)
programs.install(name="The host's programs")
environments = (
    *python.environments(settings.services),
    *jupyterhub.environments(settings.services),
    proxy.ENVIRONMENT,
)
uv.ahead(mirrors=settings.mirrors, environments=environments)
system = (*base.PACKAGES, *storage.PACKAGES, *ssh.PACKAGES, *users.PACKAGES)
apt.packages(mirrors=settings.mirrors, names=system)
services = (
    *jupyterhub.PACKAGES,
    *r.packages(settings.services),
    *shiny.packages(settings),
    *docker.packages(settings),
)
apt.ahead(mirrors=settings.mirrors, names=services)

base.base(context=context)
storage.storage(context=context)
ssh.ssh(context=context)
limits.limits(context=context)
users.users(context=context)
mirrors.mirrors(context=context)
uv.uv(context=context)
python.python(context=context)
jupyterhub.jupyterhub(context=context)
health.health(context=context)
proxy.proxy(context=context)

apt.packages(mirrors=settings.mirrors, names=services)
r.r(context=context)
rstudio.rstudio(context=context)
shiny.shiny(context=context)
docker.docker(context=context)
proxy.certificate(context=context)

progress.prepared()
