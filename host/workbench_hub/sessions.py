"""Logging out ends all that a login gave."""

from typing import Any

from jupyterhub import orm
from jupyterhub.handlers.login import LogoutHandler


class Logout(LogoutHandler):
    """Ends all sessions of who logs out, in every browser, and with them the copies that somebody made of a cookie."""

    async def handle_logout(self) -> None:
        """Called with the visitor still known. Open connections of notebooks stay, and tokens that were asked for."""
        user = self.current_user
        if user is not None:
            end_all(self.db, user.orm_user)


def end_all(database: Any, user: orm.User) -> None:
    """Takes away what the cookies of a user stand for: of the hub itself, and of every server logged in to by it.

    A server's cookie is a token of the hub that knows the session it was given in. Servers ask the hub about it again
    within HubAuth.cache_max_age.
    """
    user.cookie_id = orm.new_token()
    for kind in (orm.APIToken, orm.OAuthCode):
        for one in database.query(kind).filter(kind.user_id == user.id, kind.session_id.isnot(None)):
            database.delete(one)
    database.commit()
