"""What the hub takes of a request, in the real jupyterhub 6.1.1's own code and tables."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy
import tornado.httpserver
from jupyterhub import orm
from jupyterhub.apihandlers import users
from jupyterhub.oauth.provider import JupyterHubRequestValidator
from tornado.web import HTTPError

from workbench_hub import bodies


@pytest.fixture(autouse=True)
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tornado.httpserver, "HTTPServer", tornado.httpserver.HTTPServer)
    monkeypatch.setattr(users, "parse_date", users.parse_date)
    monkeypatch.setattr(users.UserTokenListAPIHandler, "post", users.UserTokenListAPIHandler.post)
    save = JupyterHubRequestValidator.save_bearer_token
    monkeypatch.setattr(JupyterHubRequestValidator, "save_bearer_token", save)
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
    assert time.monotonic() - begun < 0.1
    assert (
        users._parse_timestamp("2026-01-02T03:04:05.678901+02:00").isoformat() == "2026-01-02T01:04:05.678901"
    )


def test_of_what_a_token_is_said_to_be_for_a_sentence_is_kept() -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    orm.Base.metadata.create_all(engine)
    with sqlalchemy.orm.Session(engine) as session:
        session.add(orm.APIToken(note="x" * 10_000, hashed="h", prefix="p", client_id="c"))
        session.flush()
        assert session.execute(sqlalchemy.text("select length(note) from api_tokens")).scalar() == 200


@pytest.fixture
def database() -> Any:
    """The hub's tables, with the users ada and grace."""
    engine = sqlalchemy.create_engine("sqlite://")
    orm.Base.metadata.create_all(engine)
    with sqlalchemy.orm.Session(engine) as session:
        session.add_all([orm.User(name="ada"), orm.User(name="grace")])
        session.add(orm.OAuthClient(identifier="server", redirect_uri="/user/ada/oauth_callback"))
        session.commit()
        yield session


def tokens(database: Any, user: int) -> int:
    return int(database.query(orm.APIToken).filter_by(user_id=user).count())


@pytest.mark.parametrize(
    ("own", "logins", "known", "refused"),
    [(99, 500, True, None), (99, 0, False, None), (100, 0, True, 400), (100, 0, False, 403)],
)
def test_a_user_has_so_many_tokens_beside_those_of_logins(
    database: Any, own: int, logins: int, known: bool, refused: int | None
) -> None:
    asked: list[str] = []

    async def post(_: Any, name: str) -> None:
        asked.append(name)

    for number in range(own + logins):
        session = "s" if number >= own else None
        database.add(
            orm.APIToken(user_id=1, session_id=session, hashed=f"{number}", prefix="p", client_id="c")
        )
    database.flush()
    ada = SimpleNamespace(id=1)
    handler = SimpleNamespace(find_user=lambda _: ada, db=database, current_user=ada if known else None)
    assert users.UserTokenListAPIHandler.post is bodies.few_tokens
    if refused:
        with pytest.raises(HTTPError) as error:
            asyncio.run(bodies.few_tokens(handler, "ada", post))
        assert (error.value.status_code, "100 tokens are the most" in str(error.value)) == (refused, known)
    else:
        asyncio.run(bodies.few_tokens(handler, "ada", post))
    assert asked == ([] if refused else ["ada"])


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
