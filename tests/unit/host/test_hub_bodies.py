"""What the hub takes of a request, in the real jupyterhub 6.1.1's own code and tables."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy
import tornado.httpserver
from jupyterhub import orm, scopes
from jupyterhub.apihandlers import users
from jupyterhub.oauth import provider
from jupyterhub.oauth.provider import JupyterHubRequestValidator
from tornado.web import HTTPError

from workbench_hub import bodies

REPLACED = (
    (tornado.httpserver, "HTTPServer"),
    (users, "parse_date"),
    (users.UserTokenListAPIHandler, "post"),
    (JupyterHubRequestValidator, "save_bearer_token"),
    (JupyterHubRequestValidator, "save_authorization_code"),
    (orm.User, "new_api_token"),
    (scopes, "_check_scopes_exist"),
    (provider, "_check_scopes_exist"),
)


@pytest.fixture(autouse=True)
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    for place, name in REPLACED:
        monkeypatch.setattr(place, name, getattr(place, name))
    bodies.limit()


def test_the_hubs_server_takes_small_bodies_only() -> None:
    made = tornado.httpserver.HTTPServer(lambda _: None, xheaders=True)
    assert made.conn_params.max_body_size == bodies.BYTES


@pytest.mark.parametrize("body", ["1." * 32768, "1" * 100_000, 5, None, ["2026-01-01"]])
def test_a_date_that_is_none_costs_nothing(body: Any) -> None:
    """The library takes minutes for a megabyte of it, in which the hub serves nobody."""
    begun = time.monotonic()
    with pytest.raises(HTTPError) as error:
        users._parse_timestamp(body)
    assert error.value.status_code == 400
    assert time.monotonic() - begun < 1
    assert (
        users._parse_timestamp("2026-01-02T03:04:05.678901+02:00").isoformat() == "2026-01-02T01:04:05.678901"
    )


@pytest.fixture
def database() -> Any:
    """The hub's tables, with the users ada and grace."""
    engine = sqlalchemy.create_engine("sqlite://")
    orm.Base.metadata.create_all(engine)
    with sqlalchemy.orm.Session(engine) as session:
        session.add_all([orm.User(name="ada"), orm.User(name="grace")])
        session.add(orm.OAuthClient(identifier="jupyterhub"))
        session.add(orm.OAuthClient(identifier="server", redirect_uri="/user/ada/oauth_callback"))
        session.commit()
        yield session


def tokens(database: Any, user: int) -> int:
    return int(database.query(orm.APIToken).filter_by(user_id=user).count())


def test_of_what_users_say_a_sentence_is_kept(database: Any) -> None:
    long = "x" * 10_000
    database.add(orm.APIToken(note=long, hashed="h", prefix="p", client_id="server"))
    database.add(orm.OAuthCode(session_id=long, code_challenge=long, client_id="server"))
    database.flush()
    for column, length in bodies.LENGTHS.items():
        assert database.execute(sqlalchemy.select(sqlalchemy.func.length(column))).scalar() == length


@pytest.mark.parametrize(
    ("own", "logins", "refused"), [(99, 500, False), (100, 0, True)], ids=["few", "too many"]
)
def test_a_user_has_so_many_tokens_beside_those_of_logins(
    database: Any, own: int, logins: int, refused: bool
) -> None:
    ada = database.get(orm.User, 1)

    async def post(_: Any, name: str) -> None:
        assert name == "ada"
        await asyncio.sleep(0)  # as while it checks a password
        ada.new_api_token(note="for a script")

    for number in range(own + logins):
        session = "s" if number >= own else None
        database.add(
            orm.APIToken(user_id=1, session_id=session, hashed=f"{number}", prefix="p", client_id="c")
        )
    database.commit()
    assert users.UserTokenListAPIHandler.post is bodies.few_tokens
    if refused:
        with pytest.raises(ValueError, match="100 tokens are the most"):
            asyncio.run(bodies.few_tokens(None, "ada", post))
    else:
        asyncio.run(bodies.few_tokens(None, "ada", post))
    ada.new_api_token(note="of a server that starts")
    assert tokens(database, 1) == own + logins + (1 if refused else 2)


@pytest.mark.parametrize(
    "asked",
    [
        {"scopes": [f"servers!server=ada/{number}" for number in range(30_000)]},
        {"scopes": [f"servers!user={'x' * 50_000}"]},
        {"roles": ["user"] * 30_000},
    ],
    ids=["scopes", "a long scope", "roles"],
)
def test_a_token_of_more_than_there_is_use_for_costs_nothing(database: Any, asked: dict[str, Any]) -> None:
    """The hub's own code takes a minute for the first, and keeps what it made of it."""
    ada = database.get(orm.User, 1)
    begun = time.monotonic()
    with pytest.raises((ValueError, KeyError), match="100"):
        ada.new_api_token(**asked)
    assert time.monotonic() - begun < 1
    assert tokens(database, 1) == 0
    assert not JupyterHubRequestValidator(database).validate_scopes(
        "server", asked.get("scopes", ["x"]), None, None
    )


def test_codes_of_logins_under_way_have_an_end(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_TOKENS", 3)
    validator = JupyterHubRequestValidator(database)
    for number in range(5):
        for user in database.query(orm.User).order_by(orm.User.id):
            request = SimpleNamespace(
                user=SimpleNamespace(orm_user=user, id=user.id), scopes=[], session_id="s",
                code_challenge=None, code_challenge_method=None,
            )  # fmt: skip
            validator.save_authorization_code("server", {"code": f"{user.name} {number}"}, request)
    for name in ("ada", "grace"):
        assert [n for n in range(5) if orm.OAuthCode.find(database, f"{name} {n}")] == [2, 3, 4]


def test_of_a_users_logins_at_a_server_the_newest_are_kept(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the hub's own code, as the user's server asks for them, who has its client's secret."""
    monkeypatch.setattr(bodies, "MOST_TOKENS", 3)
    validator = JupyterHubRequestValidator(database)
    ada, grace = database.query(orm.User).order_by(orm.User.id)
    database.add(orm.APIToken(user_id=1, hashed="h", prefix="p", client_id="server"))
    database.commit()
    for number in range(5):
        for user in (ada, grace):
            request = SimpleNamespace(
                user=user, client=SimpleNamespace(client_id="server"), scopes=[], session_id=f"{number}"
            )
            token = {"access_token": f"{user.name}'s token {number}", "expires_in": 3600}
            assert validator.save_bearer_token(token, request) == "/user/ada/oauth_callback"
    kept = [number for number in range(5) if orm.APIToken.find(database, f"ada's token {number}")]
    assert kept == [2, 3, 4]
    assert (tokens(database, 1), tokens(database, 2)) == (1 + 3, 3), "one of her own stays"
