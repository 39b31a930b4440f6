"""Who may log in, and as what: what the host's groups say, each time. The hub's database remembers others of before."""

import grp
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from tornado.web import HTTPError

from workbench_host.accounts.records import ADMINS, EVERYBODY
from workbench_host.turns import TooManyError, Turns
from workbench_hub.login import Login
from workbench_hub.sessions import Logout
from workbench_hub.visits import Visit

TOO_MANY = "Too many failed logins came from your network. Wait half a minute, then try again."


def is_in(group: str, name: str) -> bool:
    """Whether the host's group has this member; a host without the group has none."""
    try:
        return name in grp.getgrnam(group).gr_mem
    except KeyError:
        return False


MANAGERS = "managers"  # the hub's own group of the host's administrators, whose members have the role below
# Who may do what of the role "admin" acts as any user: it opens their servers, starts them, makes tokens for them. An
# administrator of the host has sudo for that, which asks for a password; here are looking and stopping.
MANAGER = {
    "name": "manager",
    "description": "See who is at work, and stop servers",
    "scopes": [
        "admin-ui",
        "list:users",
        "read:users",
        "read:servers",
        "delete:servers",
        "list:groups",
        "read:groups",
    ],
    "groups": [MANAGERS],
}


def model_of(name: str) -> dict[str, Any]:
    """What the hub is to know of a user: nobody is its admin, administrators of the host are its managers."""
    return {"name": name, "admin": False, "groups": [MANAGERS] if is_in(ADMINS, name) else []}


class HostUsers(Login):
    """Who has proved to be somebody, the host's group of users, and its group of administrators."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._turns = Turns()

    async def authenticate(self, handler: Any, data: Mapping[str, str]) -> dict[str, Any] | None:
        """What the hub is to know of the user; None where name or password are wrong, which fail2ban reads.

        The line has no name: somebody may have typed a password in its place.
        """
        address = handler.request.remote_ip

        async def check() -> tuple[bool, dict[str, Any] | None]:
            name = await self.account(handler, data)
            if name is None or not is_in(EVERYBODY, name):
                self.log.warning("Failed login from %s", address)
                return False, None
            return True, model_of(name)

        try:
            return await self._turns.take(address, check)
        except TooManyError:
            raise HTTPError(HTTPStatus.TOO_MANY_REQUESTS, TOO_MANY) from None

    async def refresh_user(self, user: Any, _: Any = None) -> dict[str, Any] | bool:
        """False for somebody who is out, which the hub asks within seconds (auth_refresh_age)."""
        return is_in(EVERYBODY, user.name) and model_of(user.name)

    def get_handlers(self, app: Any) -> list[tuple[str, type]]:
        """Ours go before the hub's own of the same path."""
        ours: list[tuple[str, type]] = [("/logout", Logout), ("/visit", Visit)]
        return [*ours, *super().get_handlers(app)]
