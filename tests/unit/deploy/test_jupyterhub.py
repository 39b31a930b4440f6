"""The hub's configuration and units as rendered: run by Python, judged by systemd's own parser."""

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.extension.manager import ExtensionPackage
from traitlets.config import Config

from deploy import jupyterhub, units
from deploy.files import TEMPLATES, render
from tests.needs import needs
from workbench import versions
from workbench.settings.services import JupyterHub
from workbench_hub import PRIVATE, SERVERS, limits, users

SERVICE = JupyterHub.model_validate({"namedServers": 3})
ENVIRONMENT = "/opt/workbench/jupyterhub-0123456789ab"


@pytest.fixture
def c(monkeypatch: pytest.MonkeyPatch) -> Config:
    """What the configuration leaves behind when it is run."""
    found = Config()
    monkeypatch.setattr(sys, "path", list(sys.path))
    exec(compile(configuration(SERVICE), "jupyterhub_config.py", "exec"), {"get_config": lambda: found})
    return found


def configuration(service: JupyterHub) -> str:
    return render(
        "jupyterhub/jupyterhub_config.py.j2",
        service=service,
        host_name="bench.example",
        programs="/nowhere",
        pages="/nowhere",
        sockets=jupyterhub.urls(),
        environment=ENVIRONMENT,
        state="/srv/workbench/jupyterhub",
        lab_settings="/etc/workbench/jupyterlab",
        python_bin="/opt/workbench/python/bin",
        memory_percent=50,
        scratch="/srv/workbench/tmp",
        others={"AWS_EC2_METADATA_DISABLED": "true"},
        containers=False,
    )


def test_who_logs_in_and_who_is_an_administrator_is_what_the_hosts_groups_say(c: Config) -> None:
    assert c.HostUsers.allowed_groups == {"workbench-users"}
    assert c.Authenticator.manage_groups is True
    assert c.JupyterHub.load_roles == [users.MANAGER]
    assert c.Authenticator.allow_existing_users is False


def test_another_user_or_another_message_is_no_other_configuration() -> None:
    """Which would restart the hub."""
    assert configuration(SERVICE) == configuration(SERVICE.model_copy(update={"message": "Another"}))


def test_the_resource_display_measures_against_what_the_host_has_when_the_hub_starts(c: Config) -> None:
    """Were it written by the deploy, a bigger server would have its hub started a second time, for this alone."""
    assert c.Spawner.environment["MEM_LIMIT"] == str(limits.memory_bytes(50))


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Config:
    """What users' servers read."""
    found = Config()
    text = render(
        "jupyterhub/jupyter_server_config.py.j2",
        programs="/nowhere",
        idle_seconds=60,
        interval_seconds=15,
        message_bytes=1000,
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    exec(compile(text, "jupyter_server_config.py", "exec"), {"get_config": lambda: found})
    return found


def test_servers_ask_the_hub_about_their_visitors_again_within_seconds(servers: Config) -> None:
    """0 would be for ever. The section of HubAuth counts for HubOAuth too, which it is in jupyterhub 6.1.1."""
    assert 0 < servers.HubAuth.cache_max_age <= 10


def test_kernels_are_on_no_port_on_which_others_could_read_along(servers: Config) -> None:
    assert servers.KernelManager.transport == "ipc"


def test_what_a_browser_sends_in_one_message_may_be_larger_than_by_default(servers: Config) -> None:
    """By the name that tornado 6.5 has for it (WebSocketHandler.max_message_size)."""
    assert servers.ServerApp.tornado_settings == {"websocket_max_message_size": 1000}


def test_the_token_against_forgery_is_not_logged_and_all_else_is(servers: Config) -> None:
    """As jupyterhub 6.1.1 logs a request that failed (jupyterhub/log.py): cookies are left out there already."""
    chosen = dict(servers.ServerApp.logging_config)
    assert chosen["handlers"]["console"]["filters"] == list(chosen["filters"])
    [made] = chosen["filters"].values()
    headers = '{\n  "Host": "bench",\n  "X-Xsrftoken": "MnwxOjB8MTA6MTc5",\n  "Via": "2.0 Caddy"\n}'
    record = logging.LogRecord("x", logging.ERROR, "", 0, "%s", (headers,), None)
    assert made["()"]().filter(record)
    assert record.getMessage() == headers.replace("MnwxOjB8MTA6MTc5", "[secret]")


def test_files_are_deleted_for_good_folders_with_what_is_in_them(servers: Config) -> None:
    assert servers.FileContentsManager.delete_to_trash is False
    assert servers.FileContentsManager.always_delete_dir is True


def test_web_apps_of_other_hosts_are_on_no_page_of_a_server_and_the_librarys_addresses_come_last(
    servers: Config,
) -> None:
    """By itself it would have them come first: extensions are loaded in the order of their names."""
    assert servers.ServerProxy.host_allowlist == []
    assert servers.ServerApp.jpserver_extensions["jupyter_server_proxy"] is False


def test_jupyter_server_finds_our_extensions_by_their_names_in_the_configuration(servers: Config) -> None:
    """The real one, which says of an extension that it cannot load no more than a warning."""
    ours = {name for name, on in servers.ServerApp.jpserver_extensions.items() if on}
    assert ours == {"workbench_server.jobs", "workbench_server.webapps"}
    for name in ours:
        [point] = ExtensionPackage(name=name, enabled=True).extension_points.values()
        assert point.validate()


def test_a_limit_of_no_named_servers_allows_none() -> None:
    text = configuration(JupyterHub.model_validate({"namedServers": 0}))
    assert "allow_named_servers" not in text


def test_the_hub_its_proxy_and_their_api_are_on_no_port(c: Config) -> None:
    assert c.JupyterHub.bind_url == "http+unix://%2Frun%2Fjupyterhub-proxy%2Fpublic.sock/jupyter/"
    assert c.JupyterHub.hub_bind_url == "http+unix://%2Frun%2Fjupyterhub%2Fhub.sock/jupyter/hub/"
    assert c.ConfigurableHTTPProxy.api_url == "http+unix://%2Frun%2Fjupyterhub-proxy%2Fapi.sock"
    assert c.Spawner.hub_connect_url == "http+unix://%2Frun%2Fcaddy%2Fjupyterhub.sock"
    assert c.JupyterHub.public_url == "https://bench.example/jupyter/"
    assert c.JupyterHub.named_server_limit_per_user == 3


def unit(name: str) -> str:
    return render(
        f"jupyterhub/{name}.j2",
        answering=units.answering(SERVICE),
        group="caddy",
        sockets={"public": JupyterHub.socket, "api": jupyterhub.API_SOCKET},
        error_target=jupyterhub.error_target(),
        servers=SERVERS,
        private=PRIVATE,
        environment=ENVIRONMENT,
        config=jupyterhub.CONFIG,
        keep_open=jupyterhub.KEEP_OPEN,
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


@needs("node")
def test_what_is_behind_a_socket_is_asked_to_keep_the_connection_and_nothing_else(tmp_path: Path) -> None:
    """As http-proxy-3 1.23 asks, by Node itself: `agent: false` and `connection: close`."""
    program = """
const http = require("node:http");
const asked = [];
const server = http.createServer((request, answer) => { asked.push(request.headers.connection); answer.end(); });
const ask = (where, connection) => new Promise((done) => {
  const options = { ...where, agent: false, method: "POST", headers: { connection } };
  http.request(options, (answer) => answer.resume().on("close", done)).end();
});
server.listen(process.argv[1], async () => {
  await ask({ socketPath: process.argv[1] }, "close");
  const other = http.createServer(server.listeners("request")[0]).listen(0, "127.0.0.1", async () => {
    await ask({ port: other.address().port, host: "127.0.0.1" }, "close");
    console.log(asked.join(" "));
    process.exit();
  });
});
"""
    hook = TEMPLATES / "jupyterhub" / "keep-open.cjs"
    done = subprocess.run(
        ["node", "--require", str(hook), "-e", program, "--", str(tmp_path / "its.sock")],
        capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    assert done.stdout == "keep-alive close\n"


def test_the_proxy_keeps_connections_longer_than_caddy_does() -> None:
    """Of 480 POSTs after as long a pause as the one that closed first kept them, one was lost (Caddy 2.11, Node 20).

    Caddy keeps idle ones for two minutes: https://caddyserver.com/docs/caddyfile/directives/reverse_proxy, `keepalive`.
    """
    [kept] = re.findall(r"--keep-alive-timeout (\d+)", unit(jupyterhub.PROXY_UNIT))
    assert int(kept) > 120_000


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
    program.write_text(render("jupyterhub/jupyterhub-state.j2", state=state))
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
    for kind in ("file", "link"):
        monkeypatch.setattr(jupyterhub.host_files, kind, lambda **_: None)
    jupyterhub._stop()
    assert [verb for verb, _ in asked] == ["off", "off", "end"]
    assert asked[-1][1] == {"pattern": jupyterhub.USER_UNITS, "name": "Stop the users' servers"}
