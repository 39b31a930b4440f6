"""What accounts change in the hub's database: JupyterHub's own tables; systemctl is a stand-in that notes its calls."""

import sqlite3
from pathlib import Path

import pytest
from jupyterhub import orm
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from workbench_host.accounts import hub, renaming
from workbench_host.tools import FailureError
from workbench_hub import sessions


class Host:
    """The hub's unit, and the database with a token, a group and a named server of each user."""

    def __init__(self, path: Path) -> None:
        self.path, self.state, self.called = path, "active", []
        engine = create_engine(f"sqlite:///{path}")
        orm.register_foreign_keys(engine)
        orm.Base.metadata.create_all(engine)
        self.database = Session(engine)
        self.database.add(orm.OAuthClient(identifier="jupyterhub"))
        self.database.commit()

    def run(self, *command: str) -> str:
        if command[1] == "show":
            return f"{self.state}\n"
        self.called.append(command[1:])
        return ""

    def add(self, *names: str) -> None:
        team = orm.Group(name=f"of {' '.join(names)}")
        self.database.add(team)
        for name in names:
            user = orm.User(name=name, groups=[team])
            self.database.add(user)
            self.database.add(orm.Spawner(name=f"{name}s", user=user))
            self.database.commit()
            orm.APIToken.new(user=user, note=f"of {name}")
        self.database.commit()

    def told(self) -> dict[str, list[str]]:
        """By user: id, notes of tokens and names of servers, as another program reads them."""
        with sqlite3.connect(self.path) as database:
            return {
                name: [
                    str(number),
                    *(
                        row[0]
                        for row in database.execute("SELECT note FROM api_tokens WHERE user_id=?", (number,))
                    ),
                    *(
                        row[0]
                        for row in database.execute("SELECT name FROM spawners WHERE user_id=?", (number,))
                    ),
                ]
                for number, name in database.execute("SELECT id, name FROM users").fetchall()
            }

    def rows(self) -> dict[str, int]:
        """How many rows each table has that tells of users."""
        with sqlite3.connect(self.path) as database:
            return {
                table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("users", "api_tokens", "spawners", "user_group_map", "user_role_map")
            }


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path / "hub.sqlite")
    monkeypatch.setattr(hub, "HUB", str(host.path))
    for module in (hub, renaming):
        monkeypatch.setattr(module, "run", host.run)
    return host


STOP, START = ("stop", "jupyterhub.service"), ("start", "--no-block", "jupyterhub.service")


@pytest.mark.parametrize("state", ["active", "activating", "inactive"])
def test_the_hub_knows_the_user_by_the_new_name(host: Host, state: str) -> None:
    host.add("ana", "ben")
    host.state = state
    for _ in range(2):
        renaming.rename_in_hub("anna", ("ana", 2000))
    assert host.told() == {"anna": ["1", "of ana", "anas"], "ben": ["2", "of ben", "bens"]}
    assert host.called == ([] if state == "inactive" else [STOP, START])


def test_who_logged_in_by_the_new_name_before_it_was_over_has_what_was_there_under_the_old_one(
    host: Host,
) -> None:
    host.add("ana", "ben")
    before = host.rows()
    host.add("anna")
    renaming.rename_in_hub("anna", ("ana", 2000))
    assert host.told() == {"anna": ["1", "of ana", "anas"], "ben": ["2", "of ben", "bens"]}
    assert host.rows() == before
    ends = ("stop", "jupyter-anna-singleuser.service", "jupyter-anna:*-singleuser.service")
    assert host.called == [STOP, ends, START]


def test_where_it_fails_nothing_is_changed_and_the_hub_runs_again(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.add("ana", "anna")
    before = host.told()

    def fails(*command: str) -> str:
        if command[2].startswith("jupyter-anna"):
            raise FailureError("no")
        return host.run(*command)

    monkeypatch.setattr(renaming, "run", fails)
    with pytest.raises(FailureError):
        renaming.rename_in_hub("anna", ("ana", 2000))
    assert host.told() == before
    assert host.called == [STOP, START]
    monkeypatch.setattr(renaming, "run", host.run)
    monkeypatch.setattr(hub, "WAIT_SECONDS", 0.1)
    with sqlite3.connect(host.path) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(FailureError, match="could not be changed: database is locked"):
            renaming.rename_in_hub("anna", ("ana", 2000))
    assert host.told() == before


def test_who_is_signed_out_has_no_session_left_and_all_else(host: Host) -> None:
    """As the hub's own Logout does it, with the same tables: what that leaves is compared."""
    host.add("ana", "ben", "cleo")
    users = {user.name: user for user in host.database.query(orm.User)}
    for user in users.values():
        host.database.add(
            orm.APIToken(user=user, note="cookie", session_id="s", hashed=user.name, prefix="p")
        )
        host.database.add(orm.OAuthCode(user=user, code="c", session_id="s"))
    host.database.commit()
    cookies = {name: user.cookie_id for name, user in users.items()}
    sessions.end_all(host.database, users["cleo"])
    for _ in range(2):
        hub.sign_out("ana")
        hub.sign_out("nobody")
    host.database.expire_all()
    assert {name for name, user in users.items() if user.cookie_id == cookies[name]} == {"ben"}
    assert host.told() == {
        "ana": ["1", "of ana", "anas"],
        "ben": ["2", "of ben", "cookie", "bens"],
        "cleo": ["3", "of cleo", "cleos"],
    }
    assert [code.user.name for code in host.database.query(orm.OAuthCode)] == ["ben"]
    assert host.called == [STOP, START] * 2


def test_without_a_database_nothing_is_done(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()
    for name in ("none", "empty"):
        monkeypatch.setattr(hub, "HUB", str(tmp_path / name))
        renaming.rename_in_hub("anna", ("ana", 2000))
        hub.sign_out("ana")
    assert host.called == []
    assert not (tmp_path / "none").exists()
