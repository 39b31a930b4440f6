"""People's accounts: the declared users, with uids that the data volume remembers.

The host decides (templates/users/accounts*.j2), in one operation however many users there are. What is remembered of a
user, and why a changed password survives another server, stands in docs/host.md.
"""

import json
from collections.abc import Sequence

from pyinfra.api.deploy import deploy

from deploy import files, programs, units
from workbench.settings import User
from workbench.stack import Context

PACKAGES = ("passwd", "sudo", "libpam-systemd")

WANTED = f"{programs.CONFIG}/users.json"
SAVER = "workbench-accounts"


@deploy("users")
def users(context: Context) -> None:
    """The data volume is mounted (deploy/storage.py)."""
    content = files.Content(wanted(context.settings.users).encode())
    files.put(content=content, dest=WANTED, mode="600", name=WANTED)
    files.template("users/accounts_plan.py.j2", programs.path("accounts_plan.py"))
    programs.install("users/accounts.j2", "accounts")
    programs.run(program="accounts", name="Accounts as declared")
    for suffix in ("service", "path"):
        files.template(f"users/{SAVER}.{suffix}.j2", f"{units.UNITS}/{SAVER}.{suffix}")
    units.service(unit=f"{SAVER}.path", name="Remember changed passwords")


def wanted(declared: Sequence[User]) -> str:
    """The declared users as the host's program reads them. With password hashes: for a file of mode 0600 only."""
    entries = [
        {
            "name": user.name,
            "admin": user.admin,
            "ssh_keys": user.ssh_keys,
            "password_hash": user.password_hash.get_secret_value() if user.password_hash else None,
            "uid": user.uid,
        }
        for user in declared
    ]
    return json.dumps({"users": entries}, indent=1) + "\n"
