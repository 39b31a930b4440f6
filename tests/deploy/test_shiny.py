"""Shiny on a real host: an app runs as its user, behind a socket, and is gone and back with the setting."""

import time
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
UNIT = "workbench-apps@$(id -u grace)"


def make_app(workbench: Workbench, user: str, name: str, text: str) -> None:
    """Puts an app into a user's home, as that user."""
    folder = f"~/ShinyApps/{name}"
    workbench.ssh(f"runuser -l {user} -c 'mkdir -p {folder} && cat > {folder}/app.R' <<'END'\n{text}END\n")


@pytest.fixture(scope="module")
def web(workbench: Workbench) -> Iterator[httpx.Client]:
    """The workbench, and an app of grace's."""
    with Visitor(workbench.url, workbench.ca) as visitor:
        make_app(workbench, "grace", "sum", APP)
        yield visitor.client
    workbench.ssh("rm -rf /home/grace/ShinyApps")


def test_an_app_runs_as_its_user_within_the_users_limits(workbench: Workbench, web: httpx.Client) -> None:
    page = web.get(f"{workbench.url}shiny/grace/sum/")
    assert page.status_code == 200
    assert "<p>grace</p>" in page.text
    uid = workbench.ssh("id -u grace").stdout.strip()
    listed = workbench.ssh("ps -eo uid=,cgroup= | grep workbench-apps@").stdout.splitlines()
    assert len(listed) >= 2
    for owner, group in map(str.split, listed):
        assert owner == uid
        assert f"/user.slice/user-{uid}.slice/" in group


def test_the_first_visitor_waits_a_few_seconds_and_the_next_does_not(
    workbench: Workbench, web: httpx.Client
) -> None:
    workbench.ssh(f"systemctl stop {UNIT}.service")
    seconds = []
    for _ in range(2):
        began = time.monotonic()
        assert web.get(f"{workbench.url}shiny/grace/sum/").status_code == 200
        seconds.append(time.monotonic() - began)
    assert seconds[0] < 15
    assert seconds[1] < 1


def test_what_users_made_is_kept_apart_from_the_visitors_sessions(
    workbench: Workbench, web: httpx.Client
) -> None:
    policy = web.get(f"{workbench.url}shiny/grace/sum/").headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-same-origin" not in policy
    assert "sandbox" not in web.get(f"{workbench.url}shiny/").headers["Content-Security-Policy"]


def test_an_app_that_cannot_start_says_so_to_the_visitor_and_why_to_its_user(
    workbench: Workbench, web: httpx.Client
) -> None:
    make_app(workbench, "grace", "broken", 'stop("a reason of its own")\n')
    answers = [web.get(f"{workbench.url}shiny/grace/broken/") for _ in range(4)]
    assert {answer.status_code for answer in answers} == {503}
    assert "~/ShinyApps/log/broken.log" in answers[0].text
    assert 'href="/"' in answers[0].text
    log = workbench.ssh("runuser -u grace -- cat /home/grace/ShinyApps/log/broken.log").stdout
    assert log.count("a reason of its own") < 4


def test_nothing_of_it_listens_on_a_port_and_nobodys_files_are_listed(
    workbench: Workbench, web: httpx.Client
) -> None:
    assert web.get(f"{workbench.url}shiny/grace/sum/").status_code == 200
    pids = workbench.ssh(f"systemctl show -P MainPID {UNIT}.service; pgrep -u grace -f shiny::runApp").stdout
    listening = workbench.ssh("ss -Hltnp").stdout
    assert [pid for pid in pids.split() if f"pid={pid}," in listening] == []
    assert web.get(f"{workbench.url}shiny/").status_code == 200
    for path in ("grace/", "grace/nothing/", "root/", "nobody-at-all/", "grace/log/"):
        assert web.get(f"{workbench.url}shiny/{path}").status_code == 404, path


def test_a_user_who_comes_has_apps_at_once_and_one_who_goes_has_none(
    workbench: Workbench, web: httpx.Client
) -> None:
    assert web.get(f"{workbench.url}shiny/grace/sum/").status_code == 200
    started = workbench.ssh("systemctl show -P InvocationID workbench-apps.service").stdout
    ada, _ = workbench.declared_users
    with workbench.settings(users=[ada, {"name": "alan"}]) as applied:
        assert applied.status == 0, applied.output
        make_app(workbench, "alan", "sum", APP)
        assert "<p>alan</p>" in web.get(f"{workbench.url}shiny/alan/sum/").text
        assert web.get(f"{workbench.url}shiny/grace/sum/").status_code == 404
        assert workbench.ssh("pgrep -u grace", check=False).stdout == ""
        assert workbench.ssh(f"systemctl is-active {UNIT}.socket", check=False).stdout.strip() == "inactive"
        assert workbench.ssh("systemctl show -P InvocationID workbench-apps.service").stdout == started
        assert workbench.apply().changed == []
    assert web.get(f"{workbench.url}shiny/grace/sum/").status_code == 200
    assert web.get(f"{workbench.url}shiny/alan/sum/").status_code == 404


def test_switched_off_nothing_of_it_is_left_and_on_again_all_is_as_before(
    workbench: Workbench, web: httpx.Client
) -> None:
    assert web.get(f"{workbench.url}shiny/grace/sum/").status_code == 200
    with workbench.settings(services={"shiny": {"enabled": False}}) as applied:
        assert applied.status == 0, applied.output
        active = "systemctl list-units --no-legend --state=active,activating 'workbench-apps*'"
        assert workbench.ssh(active).stdout == ""
        assert workbench.ssh("ls /run/workbench-apps", check=False).stdout == ""
        assert workbench.ssh("pgrep -u grace -f shiny::runApp", check=False).stdout == ""
        for path in ("", "grace/sum/"):
            assert web.get(f"{workbench.url}shiny/{path}").status_code == 404
        assert "/shiny/" not in web.get(workbench.url).text
        assert workbench.apply().changed == []
    assert web.get(f"{workbench.url}shiny/grace/sum/").status_code == 200
    assert workbench.apply().changed == []
