"""How the services are: asked every 15 s for the landing page, and at once for `workbench status`.

The program `health` prints it all with --json. What runs writes two files:
- /run/workbench/health.json (0600): {"services": {name: {"title", "path", "state": "up|starting|down", "detail"}},
  "disk": {mount: {"used_gib", "total_gib"}}, "memory": {"used_mib", "total_mib"}, "users": [name, ...],
  "checked": ISO time};
- /run/workbench/status.json (0644), for the landing page: "services" and "checked" alone.
"""

import json
from typing import Any

from pyinfra.api.deploy import deploy

from deploy import files, programs, units
from deploy.service import Service
from workbench import settings
from workbench.host import program_path
from workbench.settings.services import Fail2ban, Proxy
from workbench.stack import Context
from workbench_host.tools import DATA_VOLUME, PROXIES

PROGRAM = "health"
CONFIG = f"{programs.CONFIG}/health.json"
UNIT = "workbench-health.service"
SECONDS = 15
PROXY = f"https://127.0.0.1:{Proxy.https_port}"
DISKS = ("/", DATA_VOLUME)


@deploy("health")
def health(context: Context) -> None:
    """What the program is to ask, and its unit."""
    text = json.dumps(questions(context), indent=2) + "\n"
    files.put(content=files.Content(text.encode()), dest=CONFIG, name=CONFIG)
    files.template(
        f"health/{UNIT}.j2",
        f"{units.UNITS}/{UNIT}",
        variables={"program": program_path(PROGRAM), "seconds": SECONDS, "group": PROXIES},
    )
    units.service(unit=UNIT, reads=[CONFIG, *programs.reads(PROGRAM)], name=f"Run {UNIT}")


def questions(context: Context) -> dict[str, Any]:
    """What the program is to ask: for each service its units and address, and which disks to measure."""
    services = context.settings.services
    host_name = context.outputs.host_name
    asked = {name: question(service, host_name) for name, service in services.enabled() if service.units}
    proxy = {
        "title": Proxy.title,
        "path": None,
        "units": list(Proxy.units),
        "url": PROXY + Proxy.health,
        "socket": None,
        "host": host_name,
    }
    bans = {"title": Fail2ban.title, "path": None, "units": list(Fail2ban.units), "url": None, "host": None}
    return {"services": {**asked, "fail2ban": bans, "proxy": proxy}, "disks": list(DISKS)}


def question(service: settings.Service, host_name: str) -> dict[str, Any]:
    """What to ask about one service: its units, and the address that has to answer with success.

    Of a service with apps that is its page, which the proxy shows.
    """
    return {
        "title": service.title,
        "path": service.path,
        "units": list(service.units),
        "url": PROXY + (service.path or "") if service.apps else service.address if service.health else None,
        "socket": service.socket,
        "host": host_name if service.apps else None,
    }


SERVICE = Service(health)
