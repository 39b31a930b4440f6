"""What the hub takes: forms and JSON, and so small bodies, and of what is in them no more than it has a use for.

By default each request may have 100 MB, held in memory before anybody asks who sends it. Everything comes here that
leads to no running server, so that it is not for Caddy to say by the path. The hub has no settings for these limits,
and serves nobody else while it works on one of them: they are set where it looks for its own.
"""

from http import HTTPStatus
from typing import Any

import sqlalchemy.event
import tornado.httpserver
from jupyterhub import orm
from jupyterhub.apihandlers import users
from tornado.web import HTTPError

BYTES = 1024**2
DATE_LENGTH = (
    64  # of when a server was last active, ISO 8601; what reads any date takes minutes for a megabyte
)
NOTE_LENGTH = 200  # of what its user says of a token
MOST_TOKENS = (
    100  # of one user, beside those of logins: the hub's database is not of the user's share of the disk
)
TOO_MANY = f"{MOST_TOKENS} tokens are the most. Revoke those that you no longer use."


class SmallServer(tornado.httpserver.HTTPServer):
    """Tornado's, with a limit of its own to bodies."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        super().initialize(*args, **{"max_body_size": BYTES, **kwargs})


async def few_tokens(handler: Any, user_name: str, post: Any = users.UserTokenListAPIHandler.post) -> None:
    """The hub's own answer to who wants a token, with an end to how many a user may have."""
    user = handler.find_user(user_name)
    if user is not None and sum(not token.session_id for token in user.api_tokens) >= MOST_TOKENS:
        raise HTTPError(HTTPStatus.BAD_REQUEST, TOO_MANY)
    await post(handler, user_name)


def short_date(text: Any, parse: Any = users.parse_date) -> Any:
    """A date as the hub reads it. Raises ValueError for what is too long to be one."""
    if not isinstance(text, str) or len(text) > DATE_LENGTH:
        raise ValueError("no date is as long")
    return parse(text)


def short_note(_: Any, note: Any, *__: Any) -> Any:
    return note[:NOTE_LENGTH] if isinstance(note, str) else note


def limit() -> None:
    """Has the hub's own code find these in the places of its own."""
    tornado.httpserver.HTTPServer = SmallServer  # type: ignore[misc]
    users.parse_date = short_date
    users.UserTokenListAPIHandler.post = few_tokens
    sqlalchemy.event.listen(orm.APIToken.note, "set", short_note, retval=True)
