"""People's accounts: the declared users, with uids that the data volume remembers.

The host decides (workbench_host/accounts), in one operation however many users there are: accounts, groups,
shared folders, quotas and archives. What is remembered of a user, and why a changed password survives another server,
stands in docs/host.md. `people` tells `workbench users` who there is.
"""

import json
from dataclasses import asdict

from pyinfra.api.deploy import deploy
from pyinfra.operations import files as host_files

from deploy import files, programs, units
from deploy.service import Service
from workbench.host import program_path
from workbench.settings import Settings
from workbench.stack import Context
from workbench_host.accounts.records import Wanted

PACKAGES = (
    "acl",
    "libpam-lastlog2",  # who logged in when
    "libpam-systemd",
    "passwd",
    "quota",
    "sudo",
    "zstd",
)

LOGIN = (
    "/etc/pam.d/workbench-login"  # what decides who somebody is, wherever passwords are taken (docs/login.md)
)
LOGINS = "/var/lib/lastlog"  # pam_lastlog2 keeps its database there, and does not make the folder
WANTED = f"{programs.CONFIG}/users.json"
SAVER = "workbench-accounts"
APART = "workbench-shared.service"  # mounts the shared folders at a boot, before there are homes


@deploy("users")
def users(context: Context) -> None:
    """The data volume is mounted (deploy/storage.py)."""
    content = files.Content(wanted(context.settings).encode())
    files.put(content=content, dest=WANTED, mode="600", name=WANTED)
    files.copy("users/workbench-login", LOGIN)
    host_files.directory(path=LOGINS, mode="755", user="root", group="root", name=LOGINS)
    programs.run(program="accounts", reads=WANTED, name="Accounts as declared")
    files.template(
        f"users/{SAVER}.service.j2",
        f"{units.UNITS}/{SAVER}.service",
        variables={"program": program_path("accounts")},
    )
    files.copy(f"users/{SAVER}.path", f"{units.UNITS}/{SAVER}.path")
    units.service(unit=f"{SAVER}.path", name="Remember changed passwords")
    files.template(
        f"users/{APART}.j2", f"{units.UNITS}/{APART}", variables={"program": program_path("accounts")}
    )
    units.service(unit=APART, name="Shared folders are mounts of their own")


def wanted(settings: Settings) -> str:
    """The declared users as the host's program reads them. With password hashes: for a file of mode 0600 only."""
    users = [
        asdict(
            Wanted(
                name=user.name,
                admin=user.admin,
                groups=tuple(user.groups),
                ssh_keys=tuple(user.ssh_keys),
                password_hash=user.password_hash.get_secret_value() if user.password_hash else None,
                change_password=user.change_password,
                removed=user.removed,
                uid=user.uid,
                formerly=user.formerly,
            )
        )
        for user in settings.users
    ]
    return json.dumps({"users": users, "disk_gib": settings.limits.disk_gib}, indent=1) + "\n"


SERVICE = Service(users, lambda _: PACKAGES, system=True)
