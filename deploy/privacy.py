"""What people see of each other: their own processes only, and no command line of others from systemd.

And what logind leaves alone when somebody logs out: memory that processes share, as long as anything of the user runs
(workbench_host/leftovers.py clears away what is left after that).
"""

from pyinfra.api.deploy import deploy

from deploy import files, units
from deploy.service import Service
from workbench.host import program_path
from workbench.stack import Context
from workbench_host.accounts.scratch import SCRATCH

PROC_UNIT = "workbench-proc.service"
DBUS = "/etc/dbus-1/system.d/workbench.conf"
DBUS_UNIT = "dbus.service"
# dbus-daemon passes by a file that is none.
IS_XML = "python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' {}"
LOGIND = "/etc/systemd/logind.conf.d/50-workbench.conf"
LOGIND_UNIT = "systemd-logind.service"
MODES = "/etc/tmpfiles.d/workbench.conf"
LEFTOVERS = "workbench-leftovers"

PACKAGES = ("dbus",)


@deploy("privacy")
def privacy(context: Context) -> None:  # noqa: ARG001 - all are called so
    """The groups that it is about are there (deploy/users.py)."""
    files.copy(f"privacy/{PROC_UNIT}", f"{units.UNITS}/{PROC_UNIT}")
    units.service(unit=PROC_UNIT, name="People see their own processes only")
    files.copy("privacy/dbus.conf", DBUS, validate=IS_XML)
    units.service(unit=DBUS_UNIT, reads=[DBUS], reload=True, name="The system's bus as configured")
    files.copy("privacy/tmpfiles.conf", MODES, validate="systemd-tmpfiles --create {}")
    files.copy("privacy/logind.conf", LOGIND)
    units.service(unit=LOGIND_UNIT, reads=[LOGIND], name="Logins as configured")
    files.template(
        f"privacy/{LEFTOVERS}.service.j2",
        f"{units.UNITS}/{LEFTOVERS}.service",
        variables={"program": program_path("leftovers"), "scratch": SCRATCH},
    )
    files.copy(f"privacy/{LEFTOVERS}.timer", f"{units.UNITS}/{LEFTOVERS}.timer")
    units.service(unit=f"{LEFTOVERS}.timer", name="Clear away what users leave behind")


SERVICE = Service(privacy, lambda _: PACKAGES, system=True)
