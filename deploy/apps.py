"""Users' apps, as services with `apps` have them: each user's run as that user, behind a socket for the proxy alone.

A unit that runs nothing, workbench-apps.service, stands for all of it: with it the users' sockets are there, which the
program `accounts` opens (workbench_host/accounts/apps.py), and without it neither they nor what runs behind them. So a
user more restarts nothing, and a deploy has nothing to do for an app more.
"""

from pyinfra.api.deploy import deploy

from deploy import accounts, files, pages, programs, units
from deploy.service import Service
from workbench.host import program_path
from workbench.stack import Context
from workbench_host.accounts import apps as sockets
from workbench_host.apps import listing
from workbench_host.tools import DATA_VOLUME, PROXIES

UNIT = "workbench-apps.service"
SOCKET_UNIT, DISPATCHER_UNIT = "workbench-apps@.socket", "workbench-apps@.service"
AGAIN_UNIT = "workbench-apps-again@.service"
DISPATCHER = "apps"  # the program
# What users' own programs say of their apps becomes the list on the front page (workbench_host/apps/listed.py).
LISTED, LISTED_ACCOUNT = "listed-apps", "workbench-listed-apps"
LISTED_SOCKET, LISTED_UNIT = f"{LISTED_ACCOUNT}.socket", f"{LISTED_ACCOUNT}.service"
LISTED_STATE = f"{DATA_VOLUME}/listed-apps"
RUNTIME = "/run/workbench-app"  # each dispatcher sees one of its own there


@deploy("apps")
def apps(context: Context) -> None:
    """The units; with all services with apps off, neither sockets nor apps."""
    if not any(service.apps for _, service in context.settings.services.enabled()):
        for unit in (LISTED_SOCKET, LISTED_UNIT, UNIT):
            units.off(unit=unit, name=f"Stop {unit}")
        return
    variables = {
        "accounts": program_path("accounts"),
        "dispatcher": program_path(DISPATCHER),
        "folder": sockets.FOLDER,
        "socket": sockets.SOCKET,
        "some_closed": sockets.SOME_CLOSED,
        "group": PROXIES,
        "runtime": RUNTIME,
        "locale": context.settings.services.base.locale,
    }
    for unit in (UNIT, SOCKET_UNIT, DISPATCHER_UNIT):
        files.template(f"apps/{unit}.j2", f"{units.UNITS}/{unit}", variables=variables)
    files.copy(f"apps/{AGAIN_UNIT}", f"{units.UNITS}/{AGAIN_UNIT}")
    _list_apps()
    units.service(unit=UNIT, reads=reads(), name=f"Run {UNIT}")


def _list_apps() -> None:
    accounts.service_account(account=LISTED_ACCOUNT, name=f"User {LISTED_ACCOUNT}")
    for unit in (LISTED_SOCKET, LISTED_UNIT):
        files.template(f"apps/{unit}.j2", f"{units.UNITS}/{unit}", variables=listed_variables())
    units.service(unit=LISTED_SOCKET, name=f"Run {LISTED_SOCKET}")
    units.service(unit=LISTED_UNIT, reads=programs.reads(LISTED), name=f"Run {LISTED_UNIT}")


def listed_variables() -> dict[str, str]:
    """What the templates of the list's units take."""
    return {
        "program": program_path(LISTED),
        "account": LISTED_ACCOUNT,
        "socket": LISTED_SOCKET,
        "address": listing.SOCKET,
        "state": LISTED_STATE,
        "public": pages.LISTED_APPS,
    }


def reads() -> list[str]:
    """What the sockets and all that runs behind them were started with: their units, and the dispatcher's modules.

    A restart ends apps that run, and the next visitor starts them; a dispatcher in use would else be the old one for
    as long as anybody visits. What else changed in the programs restarts nothing.
    """
    instances = (SOCKET_UNIT, DISPATCHER_UNIT, AGAIN_UNIT)
    return [*(f"{units.UNITS}/{unit}" for unit in instances), *programs.reads(DISPATCHER)]


SERVICE = Service(apps)
