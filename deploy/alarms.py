"""Alarms: by a timer the host looks at its certificate, its snapshots and its disks, and tells what is wrong with them.

Two units. workbench-alarms is nobody (DynamicUser) and tells; systemd hands it the secrets, which are files of root's.
workbench-snapshots is root, since root alone reaches the metadata service, and only asks AWS; it is there where daily
snapshots are made. Without alarms.mail and alarms.webhook all is looked at as well, and shown by `workbench status`.
"""

import json
from typing import Any

from pyinfra.api.deploy import deploy
from pyinfra.operations import files as host_files

from deploy import files, units
from deploy.service import Service
from workbench.host import program_path
from workbench.settings import Settings
from workbench.settings.backups import OFF
from workbench.stack import Context
from workbench_host import alarms as host
from workbench_host.tools import DATA_VOLUME

UNIT, SNAPSHOTS_UNIT = "workbench-alarms", "workbench-snapshots"
DISKS = ("/", DATA_VOLUME)
SNAPSHOT_HOURS = 26  # a day, the hour within which AWS begins one, and an hour


@deploy("alarms")
def alarms(context: Context) -> None:
    """What is looked at and who is told, the secrets for that, and the units."""
    own = context.settings.alarms
    content = files.Content(f"{json.dumps(wanted(context), indent=1)}\n".encode())
    files.put(content=content, dest=host.CONFIG, name=host.CONFIG)
    host_files.directory(path=host.SECRETS, mode="700", user="root", group="root", name=host.SECRETS)
    password = own.mail.password if own.mail else None
    for name, secret in ((host.PASSWORD, password), (host.WEBHOOK, own.webhook)):
        path = f"{host.SECRETS}/{name}"
        if secret is None:
            host_files.file(path=path, present=False, name=f"No {path}")
        else:
            content = files.Content(secret.get_secret_value().encode())
            files.put(content=content, dest=path, mode="600", name=path)
    _run(UNIT)
    if snapshot_hours(context.settings) is None:
        units.off(unit=f"{SNAPSHOTS_UNIT}.timer", name=f"Stop {SNAPSHOTS_UNIT}.timer")
    else:
        _run(SNAPSHOTS_UNIT)


def _run(unit: str) -> None:
    files.template(
        f"alarms/{unit}.service.j2",
        f"{units.UNITS}/{unit}.service",
        variables={
            "program": program_path(unit.removeprefix("workbench-")),
            "credential": host.CREDENTIAL,
            "secrets": host.SECRETS,
            "state": host.STATE_FOLDER,
            "snapshot_state": host.SNAPSHOT_FOLDER,
        },
    )
    files.copy(f"alarms/{unit}.timer", f"{units.UNITS}/{unit}.timer")
    units.service(unit=f"{unit}.timer", name=f"Run {unit}.timer")


def snapshot_hours(settings: Settings) -> float | None:
    """How old the newest snapshot of the data volume may be, in hours; None where none are made by themselves."""
    return None if settings.snapshots.daily == OFF else SNAPSHOT_HOURS


def wanted(context: Context) -> dict[str, Any]:
    """What the host's program reads. No secret is in it."""
    own, facts, hours = context.settings.alarms, context.outputs, snapshot_hours(context.settings)
    mail = None
    if own.mail:
        mail = {
            "server": own.mail.server,
            "port": own.mail.port_in_use,
            "security": own.mail.security,
            "user": own.mail.user,
            "from": own.mail.sender,
            "to": own.mail.to,
        }
    snapshots = {
        "hours": hours,
        "volume": facts.volume_id,
        "region": facts.region,
        "endpoint": f"https://ec2.{facts.region}.amazonaws.com",
    }
    return {
        "stack": facts.stack,
        "host": facts.host_name,
        "url": facts.url,
        "disks": list(DISKS),
        "snapshots": None if hours is None else snapshots,
        "mail": mail,
        "webhook": own.webhook is not None,
    }


SERVICE = Service(alarms)
