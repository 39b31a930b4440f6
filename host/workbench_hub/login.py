"""Who somebody is: the one place of the hub that decides it, today by a password of the host (docs/login.md).

What an organisation's login has to give is an account of the host. All else (who of these may get in, as what, in
which turn passwords are tried) is not its concern, and stays with users.py.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import pamela
from jupyterhub.auth import PAMAuthenticator

SERVICE = (
    "jupyterhub"  # of PAM: /etc/pam.d/jupyterhub, which takes its rule for passwords from workbench-login
)


class Login(PAMAuthenticator):
    """JupyterHub's class for the login there is; another one derives from another of its classes."""

    async def account(self, _: Any, data: Mapping[str, str]) -> str | None:
        """The name of the account that somebody has proved to have, from what the login page sent; None without."""
        name = data.get("username", "")
        return name if await is_password_of(name, data.get("password", "")) else None


async def is_password_of(name: str, password: str) -> bool:
    """Whether PAM lets this user in by this password."""
    return await asyncio.to_thread(_asked, name, password)


def _asked(name: str, password: str) -> bool:
    try:
        pamela.authenticate(name, password, service=SERVICE)
        pamela.check_account(name, service=SERVICE)
    except (pamela.PAMError, ValueError):  # with a NUL in it, nobody's
        return False
    return True
