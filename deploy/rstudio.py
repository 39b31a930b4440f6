"""RStudio Server (open source): Posit's package by its sha256, under /rstudio/, for whoever has a password here.

Its configuration is written before the package is installed, which starts the server: it never listens to the world.
Sessions are started by a program of ours that puts each into its user's slice (workbench_host/session_scope.py says
why), where it outlives a restart of the server. Their state is in the users' homes.
"""

import html
from shlex import quote

from pyinfra.api.deploy import deploy

from deploy import files, packages, programs, units
from deploy.service import Service
from workbench import versions
from workbench.host import program_path
from workbench.settings import Mirrors
from workbench.settings.services import RStudio
from workbench.stack import Context
from workbench_host import rsession, session_scope
from workbench_host.packages import Package
from workbench_host.tools import PROXIES

UNIT = "rstudio-server.service"
SCOPE_SOCKET = "workbench-session-scope.socket"
SCOPE_UNIT = "workbench-session-scope@.service"
PORTS_SOCKET, PORTS_UNIT = "workbench-rstudio-ports.socket", "workbench-rstudio-ports.service"
SIGN_IN_SOCKET, SIGN_IN_UNIT = "workbench-sign-in.socket", "workbench-sign-in.service"
SIGN_IN = "sign-in"  # the program
SIGN_IN_PAGE = "auth-sign-in"  # what a wrong password leads back to
SESSIONS = session_scope.SCOPE.format("*", "*")
SOCKETS = (SCOPE_SOCKET, PORTS_SOCKET, SIGN_IN_SOCKET)
SUSPEND_SECONDS = 60
SERVER_CONFIG = "/etc/rstudio/rserver.conf"
SESSION_CONFIG = "/etc/rstudio/rsession.conf"
LOGIN_PAGE = "/etc/rstudio/login.html"  # the default of its option auth-login-page-html
PAM = "/etc/pam.d/rstudio"
DROP_IN = f"{units.UNITS}/{UNIT}.d/60-workbench.conf"
LOGS = "/etc/tmpfiles.d/workbench-rstudio.conf"  # whose its folder for logs is; the account comes with the package


@deploy("rstudio")
def rstudio(context: Context) -> None:
    """Configuration, package, units; with the service off, stopped units."""
    service = context.settings.services.rstudio
    if not service.enabled:
        _stop()
        return
    _configure(context)
    wanted = package(service, context.settings.mirrors)
    packages.group("rstudio", [wanted])
    for socket in SOCKETS:
        units.service(unit=socket, name=f"Run {socket}")
    units.service(unit=PORTS_UNIT, reads=programs.reads("rstudio-ports"), name=f"Run {PORTS_UNIT}")
    units.service(unit=SIGN_IN_UNIT, reads=programs.reads(SIGN_IN), name=f"Run {SIGN_IN_UNIT}")
    reads = [SERVER_CONFIG, SESSION_CONFIG, LOGIN_PAGE, PAM, DROP_IN, LOGS, packages.note(wanted)]
    units.service(unit=UNIT, reads=reads, name=f"Run {UNIT}")


def _stop() -> None:
    units.off(unit=UNIT, name=f"Stop {UNIT}")
    for unit in (PORTS_UNIT, SIGN_IN_UNIT, *SOCKETS):
        units.off(unit=unit, name=f"Stop {unit}")
    units.end(pattern=SESSIONS, before=suspend_script(), name="Suspend the users' sessions")


def suspend_script() -> str:
    """Shell with which each session writes what is in its memory into its user's home, and ends.

    What is left of the sessions after that (a job that somebody put into the background, an R that does not react to
    the signal) is stopped, as is all that a service started.
    """
    waiting = f"while systemctl --quiet is-active {quote(SESSIONS)}; do sleep 0.5; done"
    return f"rstudio-server force-suspend-all; timeout {SUSPEND_SECONDS} sh -c {quote(waiting)}"


def package(service: RStudio, mirrors: Mirrors) -> Package:
    """Posit's package of the version in the settings."""
    return Package(
        name="rstudio-server",
        title=f"RStudio Server {service.version}",
        address=f"{mirrors.rstudio or versions.RSTUDIO_BUILDS}/{versions.rstudio_file(service.version)}",
        sha256=service.sha256 or versions.RSTUDIO_SHA256,
        mirror="mirrors.rstudio",
        setting="services.rstudio.version",
    )


def _configure(context: Context) -> None:
    service = context.settings.services.rstudio
    cran = context.settings.mirrors.r_packages
    files.template(
        "rstudio/rserver.conf.j2",
        SERVER_CONFIG,
        variables={
            "port": service.port,
            "root_path": (service.path or "").rstrip("/"),
            "rsession": program_path("rsession"),
        },
    )
    files.template("rstudio/rsession.conf.j2", SESSION_CONFIG, variables={"cran": cran})
    files.template(
        "rstudio/login.html.j2", LOGIN_PAGE, variables={"title_html": title_html(context.settings.title)}
    )
    files.copy("rstudio/pam", PAM)
    files.copy("rstudio/tmpfiles.conf", LOGS)
    files.template(
        "rstudio/rstudio-server.conf.j2",
        DROP_IN,
        variables={"socket": SCOPE_SOCKET, "log_folders": LOGS, "answering": units.answering(service)},
    )
    files.template(
        f"rstudio/{SCOPE_SOCKET}.j2", f"{units.UNITS}/{SCOPE_SOCKET}", variables={"address": rsession.SCOPES}
    )
    ports = {"address": RStudio.judge.socket, "group": PROXIES, "program": program_path("rstudio-ports")}
    for unit in (PORTS_SOCKET, PORTS_UNIT):
        files.template(f"rstudio/{unit}.j2", f"{units.UNITS}/{unit}", variables=ports)
    files.template(
        f"rstudio/{SCOPE_UNIT}.j2",
        f"{units.UNITS}/{SCOPE_UNIT}",
        variables={"program": program_path("session-scope")},
    )
    _configure_sign_in(service)


def title_html(title: str) -> str:
    """The title as HTML between tags, without a number sign: those are variables of RStudio's page."""
    return html.escape(title, quote=False).replace("#", "&num;")


def _configure_sign_in(service: RStudio) -> None:
    """The server itself does not know where somebody comes from: a program of ours stands before it."""
    variables = {
        "address": service.sign_in.socket,
        "proxy": PROXIES,
        "socket": SIGN_IN_SOCKET,
        "program": program_path(SIGN_IN),
        "port": service.port,
        "page": SIGN_IN_PAGE,
    }
    for unit in (SIGN_IN_SOCKET, SIGN_IN_UNIT):
        files.template(f"rstudio/{unit}.j2", f"{units.UNITS}/{unit}", variables=variables)


SERVICE = Service(rstudio)
