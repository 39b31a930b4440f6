"""What the hub takes: forms and JSON, and so small bodies, and of what is in them no more than it has a use for.

By default each request may have 100 MB, held in memory before anybody asks who sends it. Everything comes here that
leads to no running server, so that it is not for Caddy to say by the path. The hub has no settings for these limits,
and serves nobody else while it works on one of them: they are set where it looks for its own.
"""

from contextvars import ContextVar
from functools import partial
from typing import Any

import tornado.httpserver
from jupyterhub import orm, scopes
from jupyterhub.apihandlers import users
from jupyterhub.oauth import provider
from jupyterhub.oauth.provider import JupyterHubRequestValidator
from sqlalchemy import delete, event, select
from sqlalchemy.orm import object_session

BYTES = 64 * 1024
# Of when a server was last active, ISO 8601; what reads any date takes minutes for a megabyte.
DATE_LENGTH = 64
# Of what users say: what a token is for, of which session of a browser a login is (the hub's own have 32), and the
# digest that a code is redeemed with (RFC 7636: 43). SQLite keeps all that it gets, whatever a column is to have.
LENGTHS = {orm.APIToken.note: 200, orm.OAuthCode.session_id: 64, orm.OAuthCode.code_challenge: 128}
# Of one user's own, of the user's logins at one server, and of those under way: the hub's database is no part of the
# user's share of the disk.
MOST_TOKENS = 100
# Of one token. Each costs the hub a copy of all before it, or a look into its database; the longest of a server of
# somebody's has two names in it, of which a unit's name has room for 255 characters.
MOST_SCOPES, SCOPE_LENGTH = 100, 400
_asked: ContextVar[bool] = ContextVar("_asked", default=False)  # whether the request at hand is for a token
TOO_MANY = f"{MOST_TOKENS} tokens are the most. Revoke those that you no longer use."


class SmallServer(tornado.httpserver.HTTPServer):
    """Tornado's, with a limit of its own to bodies."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        super().initialize(*args, **{"max_body_size": BYTES, **kwargs})


async def few_tokens(handler: Any, user_name: str, post: Any = users.UserTokenListAPIHandler.post) -> None:
    """The hub's own answer to who wants a token. How many there are counts once it knows who asks and may."""
    _asked.set(True)
    await post(handler, user_name)


def new_token(user: Any, *args: Any, make: Any = orm.User.new_api_token, **how: Any) -> Any:
    """A token of a user's. Raises ValueError, which the hub hands on, for one too many of those that were asked for."""
    session: Any = object_session(user)
    own = session.query(orm.APIToken.id).filter_by(user_id=user.id, session_id=None)
    if _asked.get() and own.count() >= MOST_TOKENS:
        raise ValueError(TOO_MANY)
    if len(how.get("roles") or ()) > MOST_SCOPES:
        raise ValueError(f"No token has more than {MOST_SCOPES} roles.")
    return make(user, *args, **how)


def few_scopes(names: Any, *args: Any, check: Any = scopes._check_scopes_exist, **how: Any) -> None:
    """Raises ScopeNotFound, as the hub does for what is none, for more or longer ones than it is to work on."""
    if len(names) > MOST_SCOPES or any(len(name) > SCOPE_LENGTH for name in names):
        raise scopes.ScopeNotFound(f"A token has {MOST_SCOPES} scopes of {SCOPE_LENGTH} characters at most.")
    check(names, *args, **how)


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
    saved, tokens = save(validator, token, request, *args), orm.APIToken
    logins = tokens.client_id == request.client.client_id, tokens.session_id.is_not(None)
    keep_newest(validator.db, tokens, tokens.user_id == request.user.id, *logins)
    return saved


def few_codes(
    validator: Any, *args: Any, save: Any = JupyterHubRequestValidator.save_authorization_code
) -> None:
    """Saves the code by which a server gets such a token, and no more of them than logins may be under way."""
    save(validator, *args)
    *_, request = args
    keep_newest(validator.db, orm.OAuthCode, orm.OAuthCode.user_id == request.user.id)


def keep_newest(database: Any, table: Any, *which: Any) -> None:
    """Deletes all but the newest of these rows."""
    newest = select(table.id).where(*which).order_by(table.id.desc()).limit(MOST_TOKENS)
    database.execute(
        delete(table).where(*which, table.id.not_in(newest)),
        execution_options={"synchronize_session": False},
    )
    database.commit()


def short_date(text: Any, parse: Any = users.parse_date) -> Any:
    """A date as the hub reads it. Raises ValueError for what is too long to be one."""
    if not isinstance(text, str) or len(text) > DATE_LENGTH:
        raise ValueError("no date is as long")
    return parse(text)


def shorter(length: int, _: Any, text: Any, *__: Any) -> Any:
    return text[:length] if isinstance(text, str) else text


def limit() -> None:
    """Has the hub's own code find these in the places of its own."""
    tornado.httpserver.HTTPServer = SmallServer  # type: ignore[misc]
    users.parse_date = short_date
    users.UserTokenListAPIHandler.post = few_tokens
    scopes._check_scopes_exist = provider._check_scopes_exist = few_scopes
    JupyterHubRequestValidator.save_bearer_token = few_logins
    JupyterHubRequestValidator.save_authorization_code = few_codes
    orm.User.new_api_token = new_token
    for column, length in LENGTHS.items():
        event.listen(column, "set", partial(shorter, length), retval=True)
