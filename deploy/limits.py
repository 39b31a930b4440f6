"""What one user may take of memory, processors and tasks: drop-ins of systemd's slices.

Everything that runs as a person lives in that person's slice, user-UID.slice: Jupyter servers, R sessions, SSH logins.
All of these slices are in user.slice, which leaves the system its share whatever they do. The limit of disk is kept by
the data volume (deploy/users.py).
"""

from pyinfra.api.deploy import deploy

from deploy import base, files, units
from deploy.service import Service
from workbench.stack import Context

# 1000 is the image's first user, `admin`.
EVERYBODY, ONE, ADMIN = "user.slice", "user-.slice", "user-1000.slice"
DROP_IN = "50-workbench.conf"


@deploy("limits")
def limits(context: Context) -> None:
    """The drop-ins, and systemd told of them, which holds what runs to them at once."""
    total = context.outputs.memory_mib
    files.template(
        "limits/user.slice.conf.j2", path(EVERYBODY), variables={"memory_mib": users_memory_mib(total)}
    )
    files.template(
        "limits/user-.slice.conf.j2",
        path(ONE),
        variables={
            "limits": context.settings.limits,
            "swap_mib": base.swap_mib(total, context.settings.root_volume_gib) // 4,
        },
    )
    files.copy("limits/user-1000.slice.conf", path(ADMIN))
    # The administrator's slice has all drop-ins of user-.slice, and runs: that of whoever deploys.
    units.reread(units=[EVERYBODY, ADMIN], name="Apply the users' limits")


def path(unit: str) -> str:
    """Where our drop-in of a slice stands."""
    return f"{units.UNITS}/{unit}.d/{DROP_IN}"


def users_memory_mib(total_mib: int) -> int:
    """Memory that all users together may take: all but a tenth, and at least half a GiB stays with the system."""
    return total_mib - max(512, total_mib // 10)


SERVICE = Service(limits)
