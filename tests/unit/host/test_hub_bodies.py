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
from tornado.web import HTTPError

from workbench_hub import bodies


@pytest.fixture(autouse=True)
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tornado.httpserver, "HTTPServer", tornado.httpserver.HTTPServer)
    monkeypatch.setattr(users, "parse_date", users.parse_date)
    monkeypatch.setattr(users.UserTokenListAPIHandler, "post", users.UserTokenListAPIHandler.post)
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


@pytest.mark.parametrize(("tokens", "logins", "refused"), [(99, 500, False), (100, 0, True)])
def test_a_user_has_so_many_tokens_beside_those_of_logins(tokens: int, logins: int, refused: bool) -> None:
    asked: list[str] = []

    async def post(_: Any, name: str) -> None:
        asked.append(name)

    there = [SimpleNamespace(session_id=None)] * tokens + [SimpleNamespace(session_id="s")] * logins
    handler = SimpleNamespace(find_user=lambda _: SimpleNamespace(api_tokens=there))
    assert users.UserTokenListAPIHandler.post is bodies.few_tokens
    if refused:
        with pytest.raises(HTTPError, match="100 tokens are the most"):
            asyncio.run(bodies.few_tokens(handler, "ada", post))
    else:
        asyncio.run(bodies.few_tokens(handler, "ada", post))
    assert asked == ([] if refused else ["ada"])
