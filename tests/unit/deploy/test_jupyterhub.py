"""The hub's configuration and units as rendered: run by Python, judged by systemd's own parser."""

import asyncio
import fnmatch
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from deploy import jupyterhub, units
from deploy.files import TEMPLATES, render
from tests.needs import needs
from workbench import versions
from workbench.settings.services import JupyterHub

SERVICE = JupyterHub.model_validate({"port": 9000, "hubPort": 9001, "apiPort": 9002, "namedServers": 3})
ENVIRONMENT = "/opt/workbench/jupyterhub-0123456789ab"


class Refused(Exception):
    """Stands in for tornado's HTTPError."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the configuration leaves behind when it is run; jupyterhub and tornado are not installed here."""
    auth, web = ModuleType("jupyterhub.auth"), ModuleType("tornado.web")
    pam, spawner = ModuleType("pamela"), ModuleType("systemdspawner")
    auth.PAMAuthenticator = object  # type: ignore[attr-defined]
    web.HTTPError = Refused  # type: ignore[attr-defined]
    spawner.SystemdSpawner = object  # type: ignore[attr-defined]
    pam.PAMError = PermissionError  # type: ignore[attr-defined]
    pam.authenticate = authenticate  # type: ignore[attr-defined]
    for module in (ModuleType("jupyterhub"), auth, ModuleType("tornado"), web, pam, spawner):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("pwd.getpwnam", lambda name: SimpleNamespace(pw_uid=2001))
    groups = {"everybody": ["ada", "grace"], "admins": ["ada"]}
    monkeypatch.setattr("grp.getgrnam", lambda name: SimpleNamespace(gr_mem=groups[name]))
    left: dict[str, Any] = {"get_config": lambda: defaultdict_config}
    defaultdict_config = Sections()
    exec(compile(configuration(SERVICE), "jupyterhub_config.py", "exec"), left)
    left["is_password_due"] = lambda name: name == "grace"
    return left


def configuration(service: JupyterHub) -> str:
    return render(
        "jupyterhub/jupyterhub_config.py.j2",
        service=service,
        host_name="bench.example",
        everybody="everybody",
        admins="admins",
        message="/nowhere/message",
        environment=ENVIRONMENT,
        state="/srv/workbench/jupyterhub",
        lab_settings="/etc/workbench/jupyterlab",
        python_bin="/opt/workbench/python/bin",
        memory_bytes=2**31,
    )


def authenticate(name: str, password: str, service: str) -> None:
    """Stands in for pamela's: everybody has the same password."""
    if password != "the first one":
        raise PermissionError(name)


class Sections(defaultdict[str, SimpleNamespace]):
    """traitlets' Config, as far as needed: sections appear when they are named."""

    def __init__(self) -> None:
        super().__init__(SimpleNamespace)

    __getattr__ = defaultdict.__getitem__


def spawner(name: str) -> SimpleNamespace:
    return SimpleNamespace(user=SimpleNamespace(name=name))


def test_only_declared_users_may_log_in_whoever_the_database_remembers(hub: dict[str, Any]) -> None:
    c = hub["c"]
    assert c.PAMAuthenticator.allowed_groups == {"everybody"}
    assert c.PAMAuthenticator.admin_groups == {"admins"}
    assert c.Authenticator.allow_existing_users is False
    authenticator = hub["HostUsers"]()
    still = [asyncio.run(authenticator.refresh_user(spawner(name).user)) for name in ("ada", "grace", "alan")]
    assert still == [{"name": "ada", "admin": True}, {"name": "grace", "admin": False}, False]


def test_a_host_without_our_groups_has_no_users(hub: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr("grp.getgrnam", missing)
    assert asyncio.run(hub["HostUsers"]().refresh_user(spawner("ada").user)) is False


def test_another_user_or_another_message_is_no_other_configuration() -> None:
    """Which would restart the hub."""
    assert configuration(SERVICE) == configuration(SERVICE.model_copy(update={"message": "Another"}))


def test_servers_ask_the_hub_about_their_visitors_again_within_seconds() -> None:
    """0 would be for ever. The section of HubAuth counts for HubOAuth too, which it is in jupyterhub 6.1.1."""
    c = Sections()
    text = render(
        "jupyterhub/jupyter_server_config.py.j2",
        extension_folder="/nowhere",
        extension="none",
        idle_seconds=60,
        interval_seconds=15,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        exec(compile(text, "jupyter_server_config.py", "exec"), {"get_config": lambda: c})
    assert 0 < c.HubAuth.cache_max_age <= 10


def test_nobody_spawns_who_is_not_declared_and_only_admins_may_use_sudo(hub: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        asyncio.run(hub["prepare"](spawner("alan")))
    hub["is_password_due"] = lambda name: False
    prepared = {name: spawner(name) for name in ("ada", "grace")}
    for one in prepared.values():
        asyncio.run(hub["prepare"](one))
    assert {name: one.disable_user_sudo for name, one in prepared.items()} == {"ada": False, "grace": True}
    assert prepared["grace"].slice == "user-2001.slice"


def test_who_has_to_choose_a_password_is_asked_for_it_and_starts_nothing_before(hub: dict[str, Any]) -> None:
    forms = {name: asyncio.run(hub["password_form"](spawner(name))) for name in ("ada", "grace")}
    assert forms["ada"] == ""
    assert 'name="password"' in forms["grace"]
    with pytest.raises(Refused):
        asyncio.run(hub["prepare"](spawner("grace")))


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
    hub: dict[str, Any], password: str, again: str, sentence: str
) -> None:
    hub["set_password"] = None  # whoever calls it fails
    with pytest.raises(Refused) as refused:
        asyncio.run(hub["take_password"]({"password": [password], "again": [again]}, spawner("grace")))
    assert sentence in refused.value.jupyterhub_message  # type: ignore[attr-defined]


def test_a_new_password_is_set_once_and_is_no_option_of_the_server(hub: dict[str, Any]) -> None:
    done: list[tuple[str, str]] = []

    async def note(name: str, password: str) -> None:
        done.append((name, password))

    hub["set_password"] = note
    form = {"password": ["good enough"], "again": ["good enough"]}
    assert asyncio.run(hub["take_password"](form, spawner("grace"))) == {}
    assert asyncio.run(hub["take_password"](form, spawner("ada"))) == {}  # nothing is due: nothing changes
    assert done == [("grace", "good enough")]
    assert hub["Server"].options_from_query(None, form) == {}


def test_the_message_of_the_day_is_what_its_file_says_now_as_text(
    hub: dict[str, Any], tmp_path: Path
) -> None:
    announcement = hub["c"].JupyterHub.template_vars["announcement"]
    assert announcement(None) == ""
    hub["MESSAGE"] = str(tmp_path / "message")
    (tmp_path / "message").write_text("Down <Sunday>")
    assert announcement(None) == "Down &lt;Sunday&gt;"


def test_named_servers_have_units_that_are_nobody_elses(hub: dict[str, Any]) -> None:
    server = hub["Server"].__new__(hub["Server"])
    server.name, server.user = "b", SimpleNamespace(name="ada")
    server.__init__()
    assert server.unit_name == "jupyter-ada:b-singleuser"  # the user ada-b has jupyter-ada-b-singleuser
    assert fnmatch.fnmatch(f"{server.unit_name}.service", jupyterhub.USER_UNITS)
    assert hub["c"].JupyterHub.named_server_limit_per_user == 3


def test_a_limit_of_no_named_servers_allows_none() -> None:
    text = configuration(JupyterHub.model_validate({"namedServers": 0}))
    assert "allow_named_servers" not in text


def test_everything_listens_on_loopback_on_the_ports_of_the_settings(hub: dict[str, Any]) -> None:
    c = hub["c"]
    assert c.JupyterHub.bind_url == "http://127.0.0.1:9000/jupyter/"
    assert c.JupyterHub.hub_bind_url == "http://127.0.0.1:9001/jupyter/hub/"
    assert c.ConfigurableHTTPProxy.api_url == "http://127.0.0.1:9002"
    assert c.JupyterHub.public_url == "https://bench.example/jupyter/"


def unit(name: str) -> str:
    return render(
        f"jupyterhub/{name}.j2",
        service=SERVICE,
        answering=units.answering(SERVICE.address),
        environment=ENVIRONMENT,
        config=jupyterhub.CONFIG,
        state=jupyterhub.STATE,
        state_program=jupyterhub.STATE_PROGRAM,
        python=versions.PYTHON,
    )


@needs("systemd-analyze")
def test_systemd_understands_every_line_of_the_units(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in (jupyterhub.PROXY_UNIT, jupyterhub.HUB_UNIT)]
    for path in paths:
        path.write_text(unit(path.name))
    said = subprocess.run(
        ["systemd-analyze", "verify", *map(str, paths)], capture_output=True, text=True, check=False
    ).stderr
    ours = [line for line in said.splitlines() if str(tmp_path) in line or "jupyterhub" in line]
    assert [line for line in ours if "is not executable" not in line] == []


@pytest.mark.parametrize("name", [jupyterhub.PROXY_UNIT, jupyterhub.HUB_UNIT])
def test_no_unit_starts_without_the_data_volume(name: str) -> None:
    [line] = [line for line in unit(name).splitlines() if line.startswith("RequiresMountsFor=")]
    assert "/srv/workbench" in line.split("=")[1].split()


def test_jupyterlab_neither_asks_for_news_nor_for_updates() -> None:
    settings = json.loads((TEMPLATES / "jupyterhub/overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"] == {
        "checkForUpdates": False,
        "fetchNews": "false",
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="gives the folder to root")
def test_the_token_is_made_once_for_root_only_also_after_a_kill(tmp_path: Path) -> None:
    state = tmp_path / "state"
    program = tmp_path / "jupyterhub-state"
    program.write_text(
        render("jupyterhub/jupyterhub-state.j2", state=state, run=tmp_path / "run", hub_port=8081)
    )
    state.mkdir(mode=0o755)
    (state / "proxy.env.new").write_text("CONFIGPROXY_AUTH_TOKEN=half")
    tokens = []
    for _ in range(2):
        subprocess.run(["sh", str(program)], check=True)
        tokens.append((state / "proxy.env").read_text())
    assert tokens[0] == tokens[1]
    assert len(tokens[0].strip().removeprefix("CONFIGPROXY_AUTH_TOKEN=")) == 64
    assert state.stat().st_mode & 0o777 == 0o700
    assert (state / "proxy.env").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in state.iterdir()] == ["proxy.env"]


def test_a_hub_that_is_off_is_no_reason_to_leave_its_users_servers_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run that was killed after it had stopped the hub left them; what this run has stopped says nothing of them."""
    asked: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(units, "off", lambda **how: asked.append(("off", how)))
    monkeypatch.setattr(units, "end", lambda **how: asked.append(("end", how)))
    monkeypatch.setattr(jupyterhub.host_files, "file", lambda **_: None)
    jupyterhub._stop()
    assert [verb for verb, _ in asked] == ["off", "off", "end"]
    assert asked[-1][1] == {"pattern": jupyterhub.USER_UNITS, "name": "Stop the users' servers"}
