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
from jupyterhub.oauth.provider import JupyterHubRequestValidator
from tornado.web import HTTPError

BYTES = 1024**2
# Of when a server was last active, ISO 8601; what reads any date takes minutes for a megabyte.
DATE_LENGTH = 64
NOTE_LENGTH = 200  # of what its user says of a token
# Of one user's own, and of the user's logins at one server: the hub's database is not of the user's share of the disk.
MOST_TOKENS = 100
TOO_MANY = f"{MOST_TOKENS} tokens are the most. Revoke those that you no longer use."


class SmallServer(tornado.httpserver.HTTPServer):
    """Tornado's, with a limit of its own to bodies."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        super().initialize(*args, **{"max_body_size": BYTES, **kwargs})


async def few_tokens(handler: Any, user_name: str, post: Any = users.UserTokenListAPIHandler.post) -> None:
    """The hub's own answer to who wants a token, with an end to how many a user may have.

    Who asks by a password has not said it yet, and learns no more than from a wrong one.
    """
    user = handler.find_user(user_name)
    if user is not None and own_tokens(handler.db, user.id) >= MOST_TOKENS:
        if handler.current_user is None:
            raise HTTPError(HTTPStatus.FORBIDDEN)
        raise HTTPError(HTTPStatus.BAD_REQUEST, TOO_MANY)
    await post(handler, user_name)


def own_tokens(database: Any, user: int) -> int:
    """How many tokens a user, by the hub's number, has beside those of logins: counted where they are."""
    own = database.query(orm.APIToken.id).filter_by(user_id=user, session_id=None)
    return int(own.count())


def few_logins(
    validator: Any,
    token: Any,
    request: Any,
    *args: Any,
    save: Any = JupyterHubRequestValidator.save_bearer_token,
) -> Any:
    """Saves the token of a login at a server as the hub does. Of more than are of use the oldest go: a server gives
    itself as many as its user likes, and each would be kept for weeks.
    """
    saved = save(validator, token, request, *args)
    tokens = orm.APIToken
    logins = validator.db.query(tokens.id).filter_by(
        user_id=request.user.id, client_id=request.client.client_id
    )
    newest_first = logins.filter(tokens.session_id.is_not(None)).order_by(tokens.id.desc())
    old = [number for (number,) in newest_first.offset(MOST_TOKENS)]
    if old:
        validator.db.query(tokens).filter(tokens.id.in_(old)).delete(synchronize_session=False)
        validator.db.commit()
    return saved


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
    JupyterHubRequestValidator.save_bearer_token = few_logins
    sqlalchemy.event.listen(orm.APIToken.note, "set", short_note, retval=True)
