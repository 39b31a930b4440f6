"""Data: who may have credentials for which places in S3, the service that gives them, and clients of databases.

The role is AWS's affair (infra/data.py); who is in which group is the host's, so that a changed group is a deploy. What
users' programs have in their environment for it is in workbench_host/data, and reaches them where TMPDIR does: by PAM,
the hub, RStudio's sessions and apps.
"""

import json
from typing import Any

from pyinfra.api.deploy import deploy
from pyinfra.operations import files as host_files

from deploy import files, programs, units
from deploy.service import Service
from workbench import grants, images, stackfile
from workbench.errors import WorkbenchError
from workbench.faults import Fault
from workbench.grants import Grant
from workbench.host import program_path
from workbench.settings import Settings
from workbench.settings.data import of_groups
from workbench.stack import Context
from workbench_host import data as host

SOCKET, UNIT = "workbench-data.socket", "workbench-data.service"
COMMAND = "/usr/local/bin/workbench-data"
# Clients and drivers of databases: PostgreSQL, SQL Server, MariaDB, SQLite. Each package registers its driver; what R
# has for them is in deploy/r.py, what Python has in its lock.
PACKAGES = ("libsqliteodbc", "odbc-mariadb", "odbc-postgresql", "postgresql-client", "tdsodbc", "unixodbc")


def environment(settings: Settings) -> dict[str, str]:
    """What programs of users have in their environment."""
    return host.WITH_DATA if settings.services.data.s3 else host.WITHOUT_METADATA


def require_made(context: Context) -> None:
    """Raises WorkbenchError where the settings grant what the role may not do yet, which only `up` changes."""
    made = {Grant(one.bucket, one.prefix, one.write) for one in context.outputs.data_places}
    for index, grant in enumerate(context.settings.services.data.grants):
        if grant not in made:
            fault = Fault(
                ("services", "data", "s3", index),
                f"is a place ({grant.bucket}/{grant.prefix}{', to write' if grant.write else ''}) that AWS does not "
                "grant this workbench yet; `workbench up` has it granted, and deploys as well",
            )
            raise WorkbenchError(stackfile.placed_of(images.stack_of(context.outputs.stack), fault))


@deploy("data")
def data(context: Context) -> None:
    """What is granted to whom, the service and its command; nothing of it where nothing is granted."""
    if not context.settings.services.data.s3:
        units.off(unit=SOCKET, name=f"Stop {SOCKET}")
        units.off(unit=UNIT, name=f"Stop {UNIT}")
        for path in (host.CONFIG, host.TOKEN):
            host_files.file(path=path, present=False, name=f"No {path}")
        host_files.link(path=COMMAND, present=False, name=f"No {COMMAND}")
        return
    content = files.Content(f"{json.dumps(wanted(context), indent=1)}\n".encode())
    files.put(content=content, dest=host.CONFIG, mode="600", name=host.CONFIG)
    files.put(content=files.Content(host.AUTHORIZATION.encode()), dest=host.TOKEN, name=host.TOKEN)
    variables = {
        "socket": SOCKET,
        "program": program_path("data"),
        "address": host.ADDRESS,
        "port": host.PORT,
    }
    for unit in (SOCKET, UNIT):
        files.template(f"data/{unit}.j2", f"{units.UNITS}/{unit}", variables=variables)
    host_files.link(path=COMMAND, target=program_path("workbench-data"), name=f"The command {COMMAND}")
    units.service(unit=SOCKET, name=f"Listen for {UNIT}")
    units.service(unit=UNIT, reads=programs.reads("data"), name=f"Run {UNIT}")


def wanted(context: Context) -> dict[str, Any]:
    """What the host's program reads. No secret is in it; who is in which group is nobody else's affair."""
    settings, facts = context.settings, context.outputs
    entries, partition = settings.services.data.s3, facts.data_role.split(":", 2)[1]
    regions = {one.bucket: one.region for one in facts.data_places}
    places = {one.grant: {**one.grant._asdict(), "region": regions[one.bucket]} for one in entries}
    granted = {user.name: tuple(dict.fromkeys(of_groups(entries, user.groups))) for user in settings.people()}
    sets = list(dict.fromkeys(found for found in granted.values() if found))
    order = list(places)
    return {
        "stack": facts.stack,
        "role": facts.data_role,
        "region": facts.region,
        "endpoint": f"https://sts.{facts.region}.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}",
        "places": list(places.values()),
        "sets": [
            {"places": [order.index(one) for one in found], "policy": grants.policy(found, partition)}
            for found in sets
        ],
        "people": {name: sets.index(found) for name, found in granted.items() if found},
    }


SERVICE = Service(data, lambda _: PACKAGES)
