"""Caddy: TLS from its own CA, the landing page, and a path for every enabled service that has one.

It is the only program that listens to the world. Nothing here knows any service by name: path, title and port are in
the settings. The CA and its certificates are on the data volume, in /srv/workbench/caddy (user caddy, 0700), so that a
rebuilt server shows the same ones; the CA's certificate, which is public, is copied to /etc/workbench/ca.crt (0644),
where `workbench` fetches it over SSH. No HSTS: a browser that met a certificate it did not know could not go on.
"""

import inspect
from dataclasses import dataclass
from typing import Any

from pyinfra.api.deploy import deploy
from pyinfra.operations import server

from deploy import files, programs, units, uv
from workbench.settings import Services
from workbench.stack import Context

USER = "caddy"
CONFIG = f"{programs.CONFIG}/caddy/Caddyfile"
CA = f"{programs.CONFIG}/ca.crt"
SITE = "/usr/local/share/workbench/site"
STATE = "/srv/workbench/caddy"
ADMIN = "unix//run/caddy/admin.sock"
UNIT = "caddy.service"
RELOAD_UNIT = "caddy-reload.service"
PAGES = ("index.html", "404.html", "unavailable.html", "site.css", "landing.js", "icon.svg")


@dataclass(frozen=True)
class Entry:
    """An enabled service as the proxy and the landing page see it: `path` begins and ends with a slash."""

    name: str
    title: str
    summary: str
    path: str
    port: int


def entries(services: Services) -> list[Entry]:
    """The enabled services that have a page, in the order of the settings."""
    return [
        Entry(name, service.title, inspect.getdoc(service) or "", service.path, getattr(service, "port", 0))
        for name, service in services.enabled()
        if service.path
    ]


@deploy("proxy")
def proxy(context: Context) -> None:
    """Caddy, its user, the pages, and a configuration that Caddy has judged before it is used."""
    uv.environment("caddy", context.settings.mirrors)
    server.user(  # noqa: S604 - `shell` is what the account has, nothing is run through one
        user=USER,
        system=True,
        home="/nonexistent",
        create_home=False,
        shell="/usr/sbin/nologin",
        name="User caddy",
    )
    variables: dict[str, Any] = {
        "services": entries(context.settings.services),
        "host_name": context.outputs.host_name,
        "notice": context.settings.services.proxy.notice,
    }
    for page in PAGES:
        files.template(f"proxy/{page}.j2", f"{SITE}/{page}", **variables)
    files.template("proxy/Caddyfile.j2", CONFIG, validate=validation(), site=SITE, admin=ADMIN, **variables)
    for unit in (UNIT, RELOAD_UNIT):
        files.template(
            f"proxy/{unit}.j2",
            f"{units.UNITS}/{unit}",
            program=f"{uv.folder('caddy')}/bin/caddy",
            account=USER,
            config=CONFIG,
            state=STATE,
            admin=ADMIN,
            ca=CA,
        )
    units.service(unit=UNIT, name=f"Run {UNIT}")
    # A changed Caddyfile is loaded, which keeps open websockets; only a changed unit or Caddy is a restart.
    units.service(unit=RELOAD_UNIT, reads=[CONFIG], name=f"Run {RELOAD_UNIT}")


def validation() -> str:
    """Shell that lets Caddy judge the new file `{}`, with a CA of its own that is thrown away."""
    caddy = f"{uv.folder('caddy')}/bin/caddy"
    own = "HOME=$home XDG_DATA_HOME=$home XDG_CONFIG_HOME=$home"
    return (
        f"(home=$(mktemp -d) && trap 'rm -rf \"$home\"' EXIT && "
        f"{own} {caddy} validate --adapter caddyfile --config {{}} 2>$home/said || {{ cat $home/said >&2; exit 1; }})"
    )
