"""Users' timers: their own systemd runs from boot on, and with it what they have put on a schedule.

A user's systemd (user@UID.service) is in the user's slice, so the user's limits hold. It runs whether or not its user
is logged in (lingering) while limits.timers is true, and while containers are switched on, which need it too. The
command `workbench-schedule` is always there, and says which setting is missing.
"""

import json

from pyinfra.api.deploy import deploy
from pyinfra.operations import files as host_files

from deploy import files, programs, units
from deploy.service import Service
from workbench.host import program_path
from workbench.settings import Settings
from workbench.stack import Context
from workbench_host import alarms, schedules
from workbench_host.processes import ADMIN_UID
from workbench_host.schedules.mailer import ADDRESSES

PACKAGES = ("dbus-user-session",)  # the bus of a user, which `systemd-run --user` speaks by

USERS, ADMIN = "user@.service", f"user@{ADMIN_UID}.service"
DROP_IN = "50-workbench.conf"
USER_UNITS = "/etc/systemd/user"
MAIL_UNIT = "workbench-schedule-mail.service"


@deploy("timers")
def timers(context: Context) -> None:
    """The users are there (deploy/users.py)."""
    settings = context.settings
    files.copy("timers/user.conf", f"{units.UNITS}/{USERS}.d/{DROP_IN}")
    files.copy(f"timers/user-{ADMIN_UID}.conf", f"{units.UNITS}/{ADMIN}.d/{DROP_IN}")
    units.reread(units=[ADMIN], name="When users' own systemd begins")
    host_files.link(
        path=schedules.COMMAND,
        target=program_path("workbench-schedule"),
        name=f"The command {schedules.COMMAND}",
    )
    files.template(
        "timers/workbench-schedule@.service.j2",
        f"{USER_UNITS}/{schedules.UNIT.format('')}.service",
        variables={
            "settings": schedules.SETTINGS,
            "command": schedules.COMMAND,
            "longest": schedules.LONGEST,
        },
    )
    if settings.limits.timers:
        content = files.Content(f"{json.dumps({'mail': settings.alarms.mail is not None})}\n".encode())
        files.put(content=content, dest=schedules.SETTINGS, name=schedules.SETTINGS)
    else:
        host_files.file(path=schedules.SETTINGS, present=False, name="No schedules of users")
    wanted = settings.limits.timers or settings.services.docker.enabled
    programs.run(
        program="user-managers",
        arguments=[] if wanted else ["--off"],
        name="Users' own systemd from boot on" if wanted else "Users' own systemd while they are logged in",
    )
    mail(settings)


def mail(settings: Settings) -> None:
    """The service that mails users what became of their schedules, where there is a mail server."""
    if not settings.limits.timers or settings.alarms.mail is None:
        units.off(unit=MAIL_UNIT, name=f"Stop {MAIL_UNIT}")
        host_files.file(path=schedules.ADDRESSES, present=False, name=f"No {schedules.ADDRESSES}")
        return
    content = files.Content(f"{json.dumps(addresses(settings), indent=1)}\n".encode())
    files.put(content=content, dest=schedules.ADDRESSES, mode="600", name=schedules.ADDRESSES)
    files.template(
        f"timers/{MAIL_UNIT}.j2",
        f"{units.UNITS}/{MAIL_UNIT}",
        variables={
            "program": program_path("schedule-mail"),
            "credential": alarms.CREDENTIAL,
            "secrets": alarms.SECRETS,
            "addresses_credential": ADDRESSES,
            "addresses": schedules.ADDRESSES,
            "folder": schedules.MAIL_FOLDER,
        },
    )
    secrets = [schedules.ADDRESSES, alarms.CONFIG, f"{alarms.SECRETS}/{alarms.PASSWORD}"]
    units.service(unit=MAIL_UNIT, reads=[*secrets, *programs.reads("schedule-mail")], name=f"Run {MAIL_UNIT}")


def addresses(settings: Settings) -> dict[str, str]:
    """Users' addresses by their names, of those who have an open account and an address."""
    return {user.name: user.email for user in settings.users if user.email and not user.removed}


SERVICE = Service(timers, lambda _: PACKAGES, system=True)
