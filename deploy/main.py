"""Everything that the host runs, in order: `pyinfra deploy/inventory.py deploy/main.py`."""

from deploy import (
    alarms,
    apps,
    apt,
    base,
    data,
    docker,
    environments,
    fail2ban,
    guide,
    health,
    journal,
    jupyterhub,
    limits,
    mirrors,
    notice,
    privacy,
    programs,
    progress,
    projects,
    proxy,
    python,
    r,
    rstudio,
    schedule,
    shiny,
    ssh,
    storage,
    temporary,
    timers,
    tools,
    trust,
    updates,
    users,
    uv,
)
from deploy.context import current

HOST = (
    *(base.SERVICE, temporary.SERVICE, storage.SERVICE, ssh.SERVICE, limits.SERVICE, users.SERVICE),
    *(privacy.SERVICE, mirrors.SERVICE, uv.SERVICE, trust.SERVICE, python.SERVICE, jupyterhub.SERVICE),
    *(health.SERVICE, notice.SERVICE, proxy.SERVICE, guide.SERVICE, apps.SERVICE, alarms.SERVICE),
    *(schedule.SERVICE, timers.SERVICE, projects.SERVICE, data.SERVICE),
)
# Their packages are large: all the others are configured meanwhile.
LARGE = (tools.SERVICE, fail2ban.SERVICE, r.SERVICE, rstudio.SERVICE, shiny.SERVICE, docker.SERVICE)

context = current()
settings = context.settings

apt.sources(mirrors=settings.mirrors)
temporary.root()
apt.packages(mirrors=settings.mirrors, names=uv.PACKAGES)
programs.install(name="The host's programs")
locked = [one for service in (*HOST, *LARGE) for one in service.environments(settings)]
uv.prefetch(mirrors=settings.mirrors, environments=locked)
system = [name for service in HOST if service.system for name in service.packages(settings)]
apt.packages(mirrors=settings.mirrors, names=system)
others = [name for service in (*HOST, *LARGE) if not service.system for name in service.packages(settings)]
apt.prefetch(mirrors=settings.mirrors, names=others)

for service in HOST:
    service.configure(context=context)
apt.packages(mirrors=settings.mirrors, names=others)
for service in LARGE:
    service.configure(context=context)
proxy.certificate(context=context)
environments.packages(context=context)
environments.environments(context=context)
updates.updates()

journal.keep()
progress.prepared()
