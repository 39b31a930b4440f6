"""Shiny: what users put into ~/ShinyApps is served below /shiny/, each app run as its user (deploy/apps.py).

It knows no passwords: an app is for everybody who can open the workbench's pages.
"""

from pyinfra.api.deploy import deploy

from deploy import files, pages, units
from deploy.service import Service
from workbench.settings import Settings
from workbench.stack import Context
from workbench_host.apps.running import Limits

DEBIANS_SERVER = "shiny-server.service"

_PACKAGES = ("r-cran-shiny", "r-cran-dt")


def packages(settings: Settings) -> tuple[str, ...]:
    """Debian's packages, which bring R: none while the service is off."""
    return _PACKAGES if settings.services.shiny.enabled else ()


@deploy("shiny")
def shiny(context: Context) -> None:
    """The page that says how it works."""
    # It runs as root and opens what users name; hosts of before have it.
    units.off(unit=DEBIANS_SERVER, name=f"Stop {DEBIANS_SERVER}")
    service = context.settings.services.shiny
    if service.enabled:
        files.template(
            "shiny/index.html.j2",
            f"{pages.folder('shiny')}{service.path}index.html",
            variables={
                "title": context.settings.title,
                "path": service.path,
                "idle_seconds": Limits.idle_seconds,
            },
        )


SERVICE = Service(shiny, packages)
