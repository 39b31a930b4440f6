"""Attacks by way of users' apps, by grace, who is no administrator: she makes ~/ShinyApps, and others visit it."""

import time
from collections.abc import Iterator

import httpx
import pytest

from lab.visitor import Visitor
from tests.deploy.test_shiny import make_app
from tests.e2e.attacks.people import by_grace
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

FINE = 'shiny::shinyApp("hers", function(input, output) NULL)\n'
# An app that answers with whatever it likes.
LIES = """library(shiny)
answer <- httpResponse(200, "text/html", "hers", headers = list(
  "Set-Cookie" = "jupyterhub-session-id=hers; Path=/",
  "Clear-Site-Data" = "\\"*\\"",
  "Service-Worker-Allowed" = "/",
  "Content-Security-Policy" = "default-src *",
  "Access-Control-Allow-Origin" = "https://evil.example",
  "Access-Control-Allow-Credentials" = "true"
))
shinyApp(function(request) answer, function(input, output) NULL)
"""


@pytest.fixture
def web(workbench: Workbench) -> Iterator[httpx.Client]:
    """A visitor without an account; grace has no apps before and after."""
    workbench.ssh("rm -rf /home/grace/ShinyApps")
    with Visitor(workbench.url, workbench.ca) as visitor:
        yield visitor.client
    by_grace(workbench, "pkill -f shiny::runApp")
    workbench.ssh("rm -rf /home/grace/ShinyApps /home/ada/ShinyApps")


def test_a1_links_out_of_the_apps_folder_show_nobody_anything(
    workbench: Workbench, web: httpx.Client
) -> None:
    """A1: Shiny Server served as root what the folder's links led to: /etc/shadow, the hub's secret."""
    make_app(workbench, "ada", "hers", FINE)
    make_app(workbench, "grace", "fine", FINE)
    links = {
        "etc": "/etc",
        "shadow": "/etc/shadow",
        "ssh": "/srv/workbench/ssh",
        "ada": "/home/ada/ShinyApps/hers",
    }
    commands = [f"ln -s {to} ShinyApps/{name}" for name, to in links.items()]
    by_grace(
        workbench,
        "; ".join([*commands, "ln -s /etc/shadow ShinyApps/fine/shadow", "ln -s /etc ShinyApps/fine/www"]),
    )
    paths = [
        *links,
        *(f"{name}/" for name in links),
        "etc/shadow",
        "ssh/ssh_host_ed25519_key",
        "%2e%2e/.bashrc",
    ]
    for path in (*paths, "fine/shadow", "fine/www/shadow", "fine/sudoers", "fine/%2e%2e/shadow"):
        answer = web.get(f"{workbench.url}shiny/grace/{path}")
        assert answer.status_code in {400, 403, 404, 500}, path
        assert "root:" not in answer.text
        assert "PRIVATE KEY" not in answer.text


def test_a1_a_hard_link_a_pipe_and_a_folder_that_changes_places_show_nobody_anything(
    workbench: Workbench, web: httpx.Client
) -> None:
    """A1: nothing of root's opens what is in the folder, so there is no race to win."""
    make_app(workbench, "grace", "fine", FINE)
    by_grace(workbench, "mkdir ShinyApps/hard; ln /etc/shadow ShinyApps/hard/app.R")
    swap = "mv ShinyApps s1; ln -s /etc ShinyApps; rm ShinyApps; mv s1 ShinyApps"
    by_grace(workbench, f"(for i in $(seq 300); do {swap}; done; touch swapped) > /dev/null 2>&1 &")
    by_grace(workbench, "mkfifo ShinyApps/app.R ShinyApps/pipe")
    for path in ("shadow", "ssl/", "default/", "pipe/", "app.R", "hard", "fine/../shadow"):
        answer = web.get(f"{workbench.url}shiny/grace/{path}")
        assert answer.status_code in {400, 404}, path
        assert "root:" not in answer.text
    assert (
        by_grace(workbench, "timeout 60 sh -c 'until [ -e swapped ]; do sleep 0.2; done'; rm swapped") == ""
    )


@pytest.mark.parametrize("place", ["log", "log/fine.log"])
def test_a2_the_log_is_written_as_her_and_nothing_is_given_to_her(
    workbench: Workbench, web: httpx.Client, place: str
) -> None:
    """A2: Shiny Server opened the log as root, where a link led, and gave the file to the user."""
    make_app(workbench, "grace", "fine", FINE)
    target = {"log": "/etc/cron.d", "log/fine.log": "/etc/crontab.hers"}[place]
    workbench.ssh("touch /etc/crontab.hers && chmod 600 /etc/crontab.hers")
    try:
        by_grace(
            workbench,
            f"mkdir -p ShinyApps/{place.partition('/fine')[0]}; rmdir ShinyApps/{place} 2>/dev/null;"
            f"ln -s {target} ShinyApps/{place}",
        )
        assert web.get(f"{workbench.url}shiny/grace/fine/").status_code == 503
        assert workbench.ssh("find /etc /usr/local /var/spool -user grace").stdout == ""
        assert workbench.ssh("stat -c '%U %s' /etc/crontab.hers").stdout.split() == ["root", "0"]
    finally:
        workbench.ssh("rm -f /etc/crontab.hers")


def test_a1_whatever_runs_behind_her_socket_is_hers_and_cannot_become_more(
    workbench: Workbench, web: httpx.Client
) -> None:
    """A1: no part of it is root's, and what she runs there has no way up: no sudo, no setuid program."""
    text = 'shiny::shinyApp(paste(readLines("/proc/self/status"), collapse = "\\n"), function(input, output) NULL)\n'
    make_app(workbench, "grace", "status", text)
    status = web.get(f"{workbench.url}shiny/grace/status/").text
    uid = workbench.ssh("id -u grace").stdout.strip()
    assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in status
    assert "NoNewPrivs:\t1" in status
    assert "CapBnd:\t0000000000000000" in status


def test_another_users_apps_are_reached_through_the_proxy_alone(
    workbench: Workbench, web: httpx.Client
) -> None:
    """A4's kind: she opens nobody's socket, and puts nothing in the place of one."""
    connect = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    uid = workbench.ssh("id -u ada").stdout.strip()
    for path in (f"/run/workbench-apps/{uid}/apps.sock", "/run/workbench-apps/ada/apps.sock"):
        assert "PermissionError" in by_grace(workbench, f"python3 -c '{connect}' {path}")
    for command in (
        "ln -sfn 2001 /run/workbench-apps/ada",
        f"rm -f /run/workbench-apps/{uid}/apps.sock",
        "touch /run/workbench-apps/2001/x",
        "touch /run/workbench-app/x",
    ):
        said = by_grace(workbench, f"{command} && echo done")
        assert "done" not in said, command
    said = by_grace(workbench, f"systemctl start workbench-apps@{uid}.service && echo done")
    assert "done" not in said


def test_a7_an_app_sets_no_cookie_and_keeps_its_sandbox(workbench: Workbench, web: httpx.Client) -> None:
    """A7: Set-Cookie turned one session into another, Clear-Site-Data logged out."""
    make_app(workbench, "grace", "lies", LIES)
    answer = web.get(f"{workbench.url}shiny/grace/lies/")
    assert answer.text == "hers"
    for name in (
        "Set-Cookie",
        "Clear-Site-Data",
        "Service-Worker-Allowed",
        "Access-Control-Allow-Credentials",
    ):
        assert name not in answer.headers
    [policy] = answer.headers.get_list("Content-Security-Policy")
    assert policy.startswith("sandbox ")
    assert answer.headers.get_list("Access-Control-Allow-Origin") == ["null"]
    assert len(web.cookies) == 0


def test_ending_it_again_and_again_neither_fills_the_journal_nor_closes_it_for_good(
    workbench: Workbench, web: httpx.Client
) -> None:
    """A user can end what runs behind her socket; systemd starts it again, but not for ever."""
    began = workbench.ssh("date +%s").stdout.strip()
    make_app(workbench, "grace", "fine", FINE)
    # On the host itself: ten within 20 s are what systemd bears, and each way to there and back takes its time.
    once = f"curl -sk -o /dev/null -w '%{{http_code}} ' {workbench.url}shiny/grace/nothing/"
    end = "runuser -u grace -- pkill -9 -u grace -f bin/apps"
    answers = workbench.ssh(f"for i in $(seq 15); do {once}; {end}; done", check=False).stdout.split()
    assert answers[:5] == ["404"] * 5
    assert answers[-1] == "502"
    uid = workbench.ssh("id -u grace").stdout.strip()
    said = workbench.ssh(f"journalctl -q --since @{began} -u 'workbench-apps*@{uid}.*' | wc -l").stdout
    assert int(said) < 200
    until = time.monotonic() + 60
    while web.get(f"{workbench.url}shiny/grace/fine/").status_code != 200:
        assert time.monotonic() < until
        time.sleep(1)
