"""Who may log in, and as what: what the host's groups say, each time. The hub's database remembers others of before."""

import grp
from typing import Any

from jupyterhub.auth import PAMAuthenticator

from workbench_host.accounts.records import ADMINS, EVERYBODY


def is_in(group: str, name: str) -> bool:
    """Whether the host's group has this member; a host without the group has none."""
    try:
        return name in grp.getgrnam(group).gr_mem
    except KeyError:
        return False


class HostUsers(PAMAuthenticator):
    """The host's passwords by PAM, its group of users, and its group of administrators."""

    async def refresh_user(self, user: Any, _: Any = None) -> dict[str, Any] | bool:
        """False for somebody who is out, which the hub asks within seconds (auth_refresh_age)."""
        return is_in(EVERYBODY, user.name) and {"name": user.name, "admin": is_in(ADMINS, user.name)}
