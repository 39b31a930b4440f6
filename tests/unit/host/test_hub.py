"""What the hub runs of ours, given to the real JupyterHub's and systemdspawner's classes."""

import asyncio
import fnmatch
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub import orm
from jupyterhub.objects import Server
from jupyterhub.scopes import expand_scopes
from pamela import PAMError
from tornado.web import HTTPError

from deploy import jupyterhub
from workbench_host import turns
from workbench_hub import alarms, homes, pages, passwords, servers, users

LONGEST = "x" * 32  # a user's name


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with ada, who is an administrator, and grace, whose password is due; both have the same."""
    groups = {"workbench-users": ["ada", "grace"], "workbench-admins": ["ada"]}
    monkeypatch.setattr("grp.getgrnam", lambda name: SimpleNamespace(gr_mem=groups[name]))
    person = SimpleNamespace(pw_uid=2001, pw_gid=2001, pw_dir="/home/somebody")
    monkeypatch.setattr("pwd.getpwnam", lambda name: person)
    monkeypatch.setattr(passwords, "is_due", lambda name: name == "grace")
    monkeypatch.setattr(homes, "unwritable", lambda name: None)
    monkeypatch.setattr("pamela.authenticate", authenticate)
    monkeypatch.setattr("pamela.check_account", lambda name, **_: None)


def authenticate(name: str, password: str, service: str) -> None:
    if password != "the first one":
        raise PAMError(7)


def visitor(name: str, containers: bool = False) -> Any:
    return SimpleNamespace(user=SimpleNamespace(name=name), containers=containers)


def server(name: str = "ada", named: str = "", known: orm.Server | None = None) -> servers.UserServer:
    """A spawner as the hub makes it, with what the database knows of its server."""
    remembered = SimpleNamespace(name=named, server=known)
    return servers.UserServer(
        user=SimpleNamespace(name=name, id=1, url="/"), orm_spawner=remembered, _deprecated_db_session=None
    )


def test_only_members_of_the_hosts_group_are_users_whoever_the_database_remembers() -> None:
    authenticator = users.HostUsers()
    still = [
        asyncio.run(authenticator.refresh_user(SimpleNamespace(name=name)))
        for name in ("ada", "grace", "alan")
    ]
    assert still == [
        {"name": "ada", "admin": False, "groups": ["managers"]},
        {"name": "grace", "admin": False, "groups": []},
        False,
    ]


def test_the_role_of_administrators_reaches_nobodys_server() -> None:
    """Starting is among it: who submits the page that starts a user's server chooses the user's first password."""
    scopes = expand_scopes(users.MANAGER["scopes"])
    assert {"admin-ui", "list:users", "read:servers", "delete:servers"} <= scopes
    refused = {
        "servers",
        "start:servers",
        "access:servers",
        "tokens",
        "admin:users",
        "groups",
        "shares",
        "users",
    }
    assert not refused & {scope.partition("!")[0] for scope in scopes}


def test_a_host_without_our_groups_has_no_users(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr("grp.getgrnam", missing)
    assert asyncio.run(users.HostUsers().refresh_user(SimpleNamespace(name="ada"))) is False


def test_nobody_spawns_who_is_not_declared_and_only_admins_may_use_sudo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(HTTPError, match="not a user"):
        asyncio.run(servers.prepare(visitor("alan")))
    monkeypatch.setattr(passwords, "is_due", lambda name: False)
    prepared = {name: visitor(name) for name in ("ada", "grace")}
    for one in prepared.values():
        asyncio.run(servers.prepare(one))
    assert {name: one.disable_user_sudo for name, one in prepared.items()} == {"ada": False, "grace": True}
    with_containers = visitor("grace", containers=True)
    asyncio.run(servers.prepare(with_containers))
    assert with_containers.disable_user_sudo is False


def test_a_home_that_is_not_its_users_is_named_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "is_due", lambda name: False)
    monkeypatch.setattr(homes, "unwritable", lambda name: "/home/ada/.local")
    with pytest.raises(HTTPError, match=r"/home/ada/\.local is not yours to write to"):
        asyncio.run(servers.prepare(visitor("ada")))


def test_who_has_to_choose_a_password_is_asked_for_it_and_starts_nothing_before() -> None:
    forms = {name: asyncio.run(passwords.form(visitor(name))) for name in ("ada", "grace")}
    assert forms["ada"] == ""
    assert 'name="password"' in forms["grace"]
    with pytest.raises(HTTPError, match="Choose a password"):
        asyncio.run(servers.prepare(visitor("grace")))


@pytest.mark.parametrize(
    ("password", "again", "sentence"),
    [
        ("good enough", "good enouhg", "not the same"),
        ("short", "short", "at least 8"),
        ("two\nlines of it", "two\nlines of it", "without line breaks"),
        ("the first one", "the first one", "the password you have"),
    ],
)
def test_a_bad_new_password_is_refused_and_nothing_is_set(
    monkeypatch: pytest.MonkeyPatch, password: str, again: str, sentence: str
) -> None:
    monkeypatch.setattr(passwords, "change", None)  # whoever calls it fails
    with pytest.raises(passwords.BadPasswordError) as refused:
        asyncio.run(passwords.take({"password": [password], "again": [again]}, visitor("grace")))
    assert sentence in refused.value.jupyterhub_message


def test_a_new_password_is_set_once_and_is_no_option_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, str]] = []

    async def note(name: str, password: str) -> None:
        done.append((name, password))

    monkeypatch.setattr(passwords, "change", note)
    form = {"password": ["good enough"], "again": ["good enough"]}
    assert asyncio.run(passwords.take(form, visitor("grace"))) == {}
    assert asyncio.run(passwords.take(form, visitor("ada"))) == {}  # nothing is due: nothing changes
    assert done == [("grace", "good enough")]
    assert server().options_from_query(form) == {}


def test_the_message_of_the_day_is_what_its_file_says_now_as_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "MESSAGE", str(tmp_path / "message"))
    assert pages.announcement(None) == ""
    (tmp_path / "message").write_text("Down <Sunday>")
    assert pages.announcement(None) == "Down &lt;Sunday&gt;"


def test_named_servers_have_units_and_places_that_are_nobody_elses() -> None:
    named, other = server("ada", "b"), server("ada-b")
    assert named.unit_name == "jupyter-ada:b-singleuser"
    assert other.unit_name == "jupyter-ada-b-singleuser"
    assert named.place != other.place
    assert fnmatch.fnmatch(f"{named.unit_name}.service", jupyterhub.USER_UNITS)


def test_the_sockets_of_the_longest_names_are_short_enough() -> None:
    """107 bytes (unix(7)); a kernel's has its id of 36 and a number behind `kernel-`."""
    longest = server(LONGEST, "y" * 255)
    kernel = f"{longest.private}/kernel-{'0' * 36}-ipc-65535"
    assert max(len(path) for path in (longest.socket, longest.front, kernel)) <= 107


def test_the_database_keeps_no_path_and_the_server_is_found_by_the_socket_of_root() -> None:
    kept = orm.Server(proto="http+unix", ip="%2frun", port=80, base_url="/jupyter/user/ada/", cookie_name="")
    one = server(known=kept)
    found = one.server
    assert isinstance(found, Server)
    quoted = one.front.replace("/", "%2F")
    assert (found.host, found.url) == (f"http+unix://{quoted}", f"http+unix://{quoted}/jupyter/user/ada/")
    assert found.connect_addr == quoted
    assert one.front.startswith("/run/workbench-servers/2001-")


def login(hub: users.HostUsers, name: str, password: str, address: str = "192.0.2.1") -> str | None:
    handler = SimpleNamespace(request=SimpleNamespace(remote_ip=address))
    model = asyncio.run(hub.authenticate(handler, {"username": name, "password": password}))
    return model and model["name"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> users.HostUsers:
    """The hub's users, with a PAM that takes one password of everybody's; a wrong one is answered at once."""
    monkeypatch.setattr(turns, "DELAY_SECONDS", 0.0)
    monkeypatch.setattr("pamela.authenticate", lambda name, password, **_: authenticate(name, password, ""))
    monkeypatch.setattr("pamela.check_account", lambda name, **_: None)
    return users.HostUsers()


def test_a_right_password_lets_in_whoever_is_a_user_of_the_workbench(hub: users.HostUsers) -> None:
    assert login(hub, "ada", "the first one") == "ada"
    assert login(hub, "root", "the first one") is None
    assert login(hub, "ada", "another") is None


def test_a_failed_login_is_said_with_its_address_and_without_what_was_typed(
    hub: users.HostUsers, caplog: pytest.LogCaptureFixture
) -> None:
    hub.log = logging.getLogger("hub")
    login(hub, "my secret in the wrong field", "another", "192.0.2.7")
    assert caplog.messages == ["Failed login from 192.0.2.7"]


def test_an_address_with_too_many_failures_is_told_to_wait_and_others_are_not(hub: users.HostUsers) -> None:
    for _ in range(turns.FAILURES):
        assert login(hub, "ada", "wrong") is None
    with pytest.raises(HTTPError, match="429"):
        login(hub, "ada", "the first one")
    assert login(hub, "ada", "the first one", "192.0.2.2") == "ada"


def test_administrators_alone_see_on_the_hubs_pages_which_alarms_are_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = {
        "on": [{"key": "disk /", "text": "The disk at / is <full>.", "since": "2026-11-28T03:00:00+00:00"}],
        "refused": {"mail": "it & they refused"},
    }
    monkeypatch.setattr(alarms.memory, "report", lambda: report)
    shown = alarms.shown(SimpleNamespace(name="ada"))
    assert "Alarm: The disk at / is &lt;full&gt;. (since 2026-11-28 03:00 UTC)</p>" in shown
    assert "by mail: it &amp; they refused." in shown
    assert alarms.shown(SimpleNamespace(name="grace")) == ""
    assert alarms.shown(None) == ""
