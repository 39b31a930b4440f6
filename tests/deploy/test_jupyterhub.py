"""JupyterHub on a real host: who may log in, whose server runs as whom, and what survives a restart of what."""

import time
from collections.abc import Callable

import pytest

from lab.visitor import Visitor
from tests.workbench_in_lab import Workbench
from workbench.errors import WorkbenchError

pytestmark = pytest.mark.lab

STATE = "/srv/workbench/jupyterhub"


def visit(workbench: Workbench, user: str) -> Visitor:
    visitor = Visitor(workbench.url, workbench.ca)
    visitor.login(user, workbench.password(user))
    visitor.spawn()
    return visitor


def eventually(attempt: Callable[[], str], seconds: float = 60.0) -> str:
    """What `attempt` gives, once it no longer raises WorkbenchError."""
    until = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except WorkbenchError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


def test_a_restart_of_the_hub_leaves_a_running_kernel_alone(workbench: Workbench) -> None:
    with visit(workbench, "ada") as visitor:
        visitor.run_code("kept = 41")
        workbench.ssh("systemctl restart jupyterhub")
        assert visitor.run_code("print(kept + 1)").strip() == "42"
        eventually(lambda: visitor.spawn() or "")


def test_a_killed_proxy_comes_back_with_its_routes(workbench: Workbench) -> None:
    with visit(workbench, "ada") as visitor:
        visitor.run_code("kept = 41")
        workbench.ssh("systemctl kill -s KILL jupyterhub-proxy")
        assert eventually(lambda: visitor.run_code("print(kept + 1)")).strip() == "42"
        eventually(lambda: visitor.spawn() or "")


def test_a_server_runs_as_its_user_in_the_users_slice_and_on_no_port(workbench: Workbench) -> None:
    with visit(workbench, "ada"):
        uid = workbench.ssh("id -u ada").stdout.strip()
        shown = workbench.ssh("systemctl show -p Slice,UID,NoNewPrivileges jupyter-ada-singleuser").stdout
        assert set(shown.split()) == {
            f"Slice=user-{uid}.slice",
            f"UID={uid}",
            "NoNewPrivileges=no",
        }  # an admin
        ports = workbench.ssh("ss -Hltnp | grep jupyterhub-sing", check=False).stdout.splitlines()
        assert ports == []


def test_the_end_of_a_session_elsewhere_leaves_the_notebooks_running(workbench: Workbench) -> None:
    with visit(workbench, "grace") as visitor:
        visitor.run_code("kept = 41")
        workbench.ssh(
            "runuser -l grace -c true; sleep 12"
        )  # logind waits 10 s before it cleans up after a user
        assert visitor.run_code("print(kept + 1)").strip() == "42"


def test_who_is_no_user_or_no_admin_any_more_is_neither_at_once(workbench: Workbench) -> None:
    """Cookies, tokens, servers, and what was begun in them by sudo; and the hub goes on for all others."""
    users = [{"name": "ada", "passwordHash": hashed(workbench, "ada")}]
    hub = "systemctl show -p InvocationID jupyterhub jupyterhub-proxy"
    with visit(workbench, "ada") as ada, visit(workbench, "grace") as grace:
        everybody = f"{workbench.url}jupyter/hub/api/users"
        same_site = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
        assert ada.client.get(everybody, headers=same_site).status_code == 200
        tokens = {name: token_of(workbench, name) for name in ("ada", "grace")}
        assert asked(workbench, "users", tokens["ada"]) == asked(workbench, "user", tokens["grace"]) == 200
        before = workbench.ssh(hub).stdout
        with workbench.settings(users=users) as applied:
            assert applied.status == 0, applied.output
            time.sleep(3)  # of the five seconds that it may take
            said = asked(workbench, "users", tokens["ada"]), asked(workbench, "user", tokens["grace"])
            assert said == (403, 403)
            assert ada.client.get(everybody, headers=same_site).status_code == 403
            for name in ("ada", "grace"):
                unit = f"systemctl is-active jupyter-{name}-singleuser"
                assert workbench.ssh(unit, check=False).stdout.strip() != "active"
            with pytest.raises(WorkbenchError):
                grace.spawn(timeout=20)
            eventually(lambda: ada.spawn() or "")
            with (
                Visitor(workbench.url, workbench.ca) as again,
                pytest.raises(WorkbenchError, match="refused"),
            ):
                again.login("grace", workbench.password("grace"))
        assert workbench.ssh(hub).stdout == before, "the hub was not restarted"
        grace.user = ""  # that session is over


def token_of(workbench: Workbench, name: str) -> str:
    """A token of the user's own for the hub's API, as they make one on its page for tokens."""
    code = f"jupyterhub token {name} 2>/dev/null"
    config = "/etc/workbench/jupyterhub/jupyterhub_config.py"
    found = workbench.ssh(f"cd /tmp && /opt/workbench/jupyterhub/bin/{code} -f {config}").stdout
    return found.split()[-1]


def asked(workbench: Workbench, what: str, token: str) -> int:
    """The status that the hub's API answers a token with."""
    line = f"curl -so /dev/null -w '%{{http_code}}' -H 'Authorization: token {token}'"
    hub = "--unix-socket /run/caddy/jupyterhub.sock http://localhost"
    return int(workbench.ssh(f"{line} {hub}/jupyter/hub/api/{what}").stdout)


def hashed(workbench: Workbench, name: str) -> str:
    """The declared password hash of a user."""
    found = next(user for user in workbench.settings_now.users if user.name == name)
    assert found.password_hash
    return found.password_hash.get_secret_value()


def test_the_hubs_state_is_for_root_alone(workbench: Workbench) -> None:
    lines = workbench.ssh(f"stat -c '%a %U %n' {STATE} {STATE}/*").stdout.splitlines()
    modes = {line.split()[2].removeprefix(STATE): line.split()[0] for line in lines}
    assert modes[""] == "700"
    assert {"/jupyterhub.sqlite", "/jupyterhub_cookie_secret", "/proxy.env"} <= set(modes)
    assert {mode for path, mode in modes.items() if path} == {"600"}
    assert {line.split()[1] for line in lines} == {"root"}


def test_the_proxys_token_is_on_no_command_line_and_is_asked_for(workbench: Workbench) -> None:
    token = workbench.ssh(f"cut -d= -f2 {STATE}/proxy.env").stdout.strip()
    assert len(token) == 64
    assert token not in workbench.ssh("ps axww -o args").stdout
    api = "--unix-socket /run/jupyterhub-proxy/api.sock http://localhost/api/routes"
    status = f"curl -s -o /dev/null -w '%{{http_code}}' {api}"
    assert workbench.ssh(status).stdout == "403"


def test_the_sessions_cookies_are_for_https_and_not_for_scripts(workbench: Workbench) -> None:
    with visit(workbench, "ada") as visitor:
        sessions = [cookie for cookie in visitor.client.cookies.jar if cookie.name != "_xsrf"]
        assert len(sessions) >= 3
        assert all(cookie.secure and cookie.has_nonstandard_attr("HttpOnly") for cookie in sessions)


def test_a_hub_that_is_switched_off_comes_back(workbench: Workbench) -> None:
    visit(workbench, "ada").client.close()  # her server is to be stopped with the hub
    with workbench.settings(services={"jupyterhub": {"enabled": False}}) as applied:
        assert applied.status == 0, applied.output
        with Visitor(workbench.url, workbench.ca) as anybody:
            running = workbench.ssh("systemctl list-units --plain --no-legend 'jupyter*'").stdout
            assert running.strip() == ""
            assert "/jupyter/" not in anybody.client.get(workbench.url).text
            assert anybody.client.get(f"{workbench.url}jupyter/").status_code == 404
            assert workbench.apply().changed == []
            # As a run leaves it that is killed after it has stopped the hub.
            workbench.ssh("systemd-run --quiet --unit=jupyter-ada-singleuser sleep 600")
            assert workbench.apply().changed == ["jupyterhub | Stop the users' servers"]
            assert workbench.ssh("systemctl is-active jupyter-ada-singleuser", check=False).returncode != 0
            assert workbench.apply().changed == []
    with visit(workbench, "ada") as visitor:
        assert "/jupyter/" in visitor.client.get(workbench.url).text
        assert visitor.run_code("5 * 4").strip() == "20"
