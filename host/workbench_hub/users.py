"""Who may log in, and as what: what the host's groups say, each time. The hub's database remembers others of before."""

import asyncio
import grp
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import pamela
from jupyterhub.auth import PAMAuthenticator
from tornado.web import HTTPError

from workbench_host.accounts.records import ADMINS, EVERYBODY
from workbench_host.turns import TooManyError, Turns
from workbench_hub.sessions import Logout
from workbench_hub.visits import Open, Visit

TOO_MANY = "Too many failed logins came from your network. Wait half a minute, then try again."


def is_in(group: str, name: str) -> bool:
    """Whether the host's group has this member; a host without the group has none."""
    try:
        return name in grp.getgrnam(group).gr_mem
    except KeyError:
        return False


class HostUsers(PAMAuthenticator):
    """The host's passwords by PAM, its group of users, and its group of administrators."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._turns = Turns()

    async def authenticate(self, handler: Any, data: Mapping[str, str]) -> str | None:
        """The user's name, None where name or password are wrong, which fail2ban reads in the journal.

        The line has no name: somebody may have typed a password in its place.
        """
        name, password, address = (
            data.get("username", ""),
            data.get("password", ""),
            handler.request.remote_ip,
        )

        async def check() -> tuple[bool, str | None]:
            right = await asyncio.to_thread(self._is_right, name, password) and is_in(EVERYBODY, name)
            if not right:
                self.log.warning("Failed login from %s", address)
            return right, name if right else None

        try:
            return await self._turns.take(address, check)
        except TooManyError:
            raise HTTPError(HTTPStatus.TOO_MANY_REQUESTS, TOO_MANY) from None

    def _is_right(self, name: str, password: str) -> bool:
        """Whether PAM lets this user in by this password."""
        try:
            pamela.authenticate(name, password, service=self.service, encoding=self.encoding)
            pamela.check_account(name, service=self.service, encoding=self.encoding)
        except (pamela.PAMError, ValueError):  # with a NUL in it, nobody's
            return False
        return True

    async def refresh_user(self, user: Any, _: Any = None) -> dict[str, Any] | bool:
        """False for somebody who is out, which the hub asks within seconds (auth_refresh_age)."""
        return is_in(EVERYBODY, user.name) and {"name": user.name, "admin": is_in(ADMINS, user.name)}

    def get_handlers(self, app: Any) -> list[tuple[str, type]]:
        """Ours go before the hub's own of the same path."""
        ours: list[tuple[str, type]] = [("/logout", Logout), ("/visit", Visit), ("/open/([^/]+)", Open)]
        return [*ours, *super().get_handlers(app)]
