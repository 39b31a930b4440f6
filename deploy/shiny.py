"""Shiny Server: what users put into ~/ShinyApps is served below /shiny/, each app run as its user.

It is Debian's package, under our own unit and configuration. Shiny Server itself knows no passwords: an app is for
everybody who can open the workbench's pages. So that one user's app does not act with a visitor's cookies, the proxy
has browsers treat its pages as another site's (Service.sandboxed). State (apps' bookmarks) is in /srv/workbench/shiny.
"""

from typing import Any

from pyinfra.api.deploy import deploy

from deploy import files, programs, units
from deploy.service import Service
from workbench.settings import Settings
from workbench.stack import Context

UNIT = "shiny-server.service"
ACCOUNT = "shiny"  # made by Debian's package; runs nothing but the page that says how it works
PROGRAM = "/usr/lib/shiny-server/bin/shiny-server"
CONFIG = f"{programs.CONFIG}/shiny-server.conf"
SITE = "/usr/local/share/workbench/shiny"
STATE = "/srv/workbench/shiny"
IDLE_SECONDS = 600


def packages(settings: Settings) -> tuple[str, ...]:
    """Debian's packages, which bring R: none while the service is off."""
    return ("shiny-server", "r-cran-shiny") if settings.services.shiny.enabled else ()


@deploy("shiny")
def shiny(context: Context) -> None:
    """Its configuration, its page and its unit; with the service off, a stopped unit."""
    service = context.settings.services.shiny
    if not service.enabled:
        units.off(unit=UNIT, name=f"Stop {UNIT}")
        return
    variables: dict[str, Any] = {
        "service": service,
        "state": STATE,
        "site": SITE,
        "idle_seconds": IDLE_SECONDS,
    }
    files.template("shiny/index.html.j2", f"{SITE}{service.path}index.html", variables=variables)
    files.template("shiny/shiny-server.conf.j2", CONFIG, variables={"account": ACCOUNT, **variables})
    files.template(
        f"shiny/{UNIT}.j2",
        f"{units.UNITS}/{UNIT}",
        variables={
            "program": PROGRAM,
            "config": CONFIG,
            "state": STATE,
            "answering": units.answering(service),
            "locale": context.settings.services.base.locale,
        },
    )
    units.service(unit=UNIT, reads=[CONFIG], name=f"Run {UNIT}")


SERVICE = Service(shiny, packages)
