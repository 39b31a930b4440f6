"""Shiny on a real host: an app runs as its user, and is gone and back with the setting."""

from collections.abc import Iterator

import httpx
import pytest

from lab.visitor import Visitor
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

APP = """library(shiny)
shinyApp(fluidPage(p(Sys.info()[["user"]]), textOutput("sum")), function(input, output) {
  output$sum <- renderText(5 * 4)
})
"""
ON = {"services": {"shiny": {"enabled": True}}}


@pytest.fixture(scope="module")
def web(workbench: Workbench) -> Iterator[httpx.Client]:
    """The workbench with Shiny switched on, and an app of grace's."""
    folder = "/home/grace/ShinyApps/sum"
    with workbench.settings(**ON) as applied, Visitor(workbench.url, workbench.ca) as visitor:
        assert applied.status == 0, applied.output
        workbench.ssh(f"runuser -l grace -c 'mkdir -p {folder} && cat > {folder}/app.R' <<'END'\n{APP}END\n")
        yield visitor.client
    workbench.ssh("rm -rf /home/grace/ShinyApps")


def test_an_app_runs_as_its_user_within_the_users_limits(workbench: Workbench, web: httpx.Client) -> None:
    page = web.get(f"{workbench.url}shiny/grace/sum/")
    assert page.status_code == 200
    assert "<p>grace</p>" in page.text
    uid = workbench.ssh("id -u grace").stdout.strip()
    groups = workbench.ssh("cat /proc/$(pgrep -u grace -f SockJSAdapter.R | tail -1)/cgroup").stdout
    assert f"/user.slice/user-{uid}.slice/" in groups


def test_what_users_made_is_kept_apart_from_the_visitors_sessions(
    workbench: Workbench, web: httpx.Client
) -> None:
    policy = web.get(f"{workbench.url}shiny/grace/sum/").headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-same-origin" not in policy
    assert "sandbox" not in web.get(f"{workbench.url}jupyter/hub/login").headers["Content-Security-Policy"]


def test_it_listens_on_loopback_alone_and_lists_nobodys_files(
    workbench: Workbench, web: httpx.Client
) -> None:
    ports = workbench.ssh("ss -Hltn 'sport = :3838'").stdout.split()
    assert ports[3] == "127.0.0.1:3838"
    assert web.get(f"{workbench.url}shiny/").status_code == 200
    workbench.ssh("runuser -l grace -c 'ln -s /root ~/ShinyApps/root'")
    for path in ("grace/", "grace/root/", "root/", "nobody-at-all/"):
        assert web.get(f"{workbench.url}shiny/{path}").status_code == 404, path


def test_once_it_is_started_it_answers(workbench: Workbench, web: httpx.Client) -> None:
    ask = "curl --silent --fail --output /dev/null http://127.0.0.1:3838/shiny/"
    assert workbench.ssh(f"systemctl restart shiny-server && {ask}", check=False).returncode == 0


def test_an_account_that_is_closed_serves_no_app(workbench: Workbench, web: httpx.Client) -> None:
    workbench.ssh("usermod --expiredate 1 grace; pkill -u grace -f SockJSAdapter.R; sleep 1")
    try:
        assert web.get(f"{workbench.url}shiny/grace/sum/").status_code == 500
    finally:
        workbench.ssh("usermod --expiredate '' grace")


def test_switched_off_its_port_is_closed_and_on_again_all_is_as_before(
    workbench: Workbench, web: httpx.Client
) -> None:
    assert web.get(f"{workbench.url}shiny/grace/sum/").status_code == 200
    with workbench.settings(services={"shiny": {"enabled": False}}) as applied:
        assert applied.status == 0, applied.output
        assert workbench.ssh("ss -Hltn 'sport = :3838'").stdout == ""
        assert workbench.ssh("pgrep -u grace -f SockJSAdapter.R", check=False).stdout == ""
        assert web.get(f"{workbench.url}shiny/grace/sum/").status_code == 404
        assert "/shiny/" not in web.get(workbench.url).text
        assert workbench.apply().changed == []
    assert web.get(f"{workbench.url}shiny/grace/sum/").status_code == 200
    assert workbench.apply().changed == []
