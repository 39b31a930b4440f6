"""Users' servers on a real host: the first login, how many, how long, what fits through; one deploy for all tests."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cli.local import hash_of
from lab.visitor import Visitor
from tests.deploy.test_jupyterhub import eventually, hashed
from tests.workbench_in_lab import Workbench
from workbench.errors import WorkbenchError

pytestmark = pytest.mark.lab

LONG = "a" * 32  # the longest name that Linux takes
FIRST, OWN = "the first one", "a pass phrase of her own"
GIB = 1024**3
APP = 18801
SERVE = f"""
import http.server, threading
app = http.server.ThreadingHTTPServer(("127.0.0.1", {APP}), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=app.serve_forever, daemon=True).start()
"""


@dataclass
class Started:
    """Servers that idle time applies to: ada's has work, grace's has none."""

    ada: Visitor
    grace: Visitor
    idle: set[str]
    busy: str
    serving: str
    terminals: set[str]


@pytest.fixture(scope="module")
def changed(workbench: Workbench) -> Iterator[Workbench]:
    """A workbench with a user who has never logged in, short idle times and a message."""
    users = [
        {"name": "ada", "admin": True, "passwordHash": hashed(workbench, "ada")},
        {"name": "grace", "passwordHash": hashed(workbench, "grace")},
        {"name": LONG, "passwordHash": hash_of(FIRST), "changePassword": True},
    ]
    hub = {"idleMinutes": 1, "namedServers": 1, "message": "Backup <on> Sunday"}
    workbench.ssh("systemctl stop 'jupyter-*-singleuser.service'")  # they have read the settings of before
    with workbench.settings(users=users, services={"jupyterhub": hub}) as applied:
        assert applied.status == 0, applied.output
        yield workbench


@pytest.fixture(scope="module")
def started(changed: Workbench) -> Iterator[Started]:
    ada, grace = Visitor(changed.url, changed.ca), Visitor(changed.url, changed.ca)
    for visitor, name in ((ada, "ada"), (grace, "grace")):
        visitor.login(name, changed.password(name))
        visitor.spawn()
    ada.run_code("2 + 2")
    idle = ada.running("kernels")
    ada.new_kernels()
    with pytest.raises(WorkbenchError):
        ada.run_code("import time; time.sleep(900)", timeout=3)
    [busy] = ada.running("kernels") - idle
    ada.new_kernels()
    ada.run_code(SERVE)  # a kernel that has nothing to do but for the app in it, which is visited
    [serving] = ada.running("kernels") - idle - {busy}
    ada.type_in_terminal("sleep 901 & echo star'ted'", "started")
    silent = ada.running("terminals")
    ada.type_in_terminal("echo do'ne'", "done")
    yield Started(ada, grace, idle, busy, serving, silent)
    changed.ssh("systemctl stop 'jupyter-*-singleuser.service'")
    for visitor in (ada, grace):
        visitor.client.close()


def test_the_first_login_asks_for_a_password_of_ones_own_which_holds_everywhere(changed: Workbench) -> None:
    with Visitor(changed.url, changed.ca) as visitor:
        visitor.login(LONG, FIRST)
        with pytest.raises(WorkbenchError, match="Choose a password of your own"):
            visitor.spawn()
        with pytest.raises(WorkbenchError, match="That is the password you have"):
            visitor.choose_password(FIRST)
        visitor.choose_password(OWN)
        visitor.spawn()
        assert visitor.run_code("5 * 4").strip() == "20"
    with Visitor(changed.url, changed.ca) as again:
        with pytest.raises(WorkbenchError, match="refused"):
            again.login(LONG, FIRST)
        again.login(LONG, OWN)
    assert changed.apply().changed == []
    shadow = changed.ssh(f"getent shadow {LONG}").stdout
    assert shadow.split(":")[2] != "0"
    assert OWN not in changed.ssh("journalctl -b --no-pager").stdout


def test_beside_the_usual_server_a_user_has_as_many_as_the_settings_say(changed: Workbench) -> None:
    with Visitor(changed.url, changed.ca) as visitor:
        visitor.login("grace", changed.password("grace"))
        visitor.spawn("second")
        assert visitor.run_code("5 * 4").strip() == "20"
        with pytest.raises(WorkbenchError, match="maximum of 1 named servers"):
            visitor.spawn("third")
        visitor.spawn("second")


def test_admins_have_the_hubs_admin_panel_and_others_have_not(started: Started) -> None:
    same_site = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
    panel = f"{started.ada.url}/jupyter/hub/admin"
    found = [who.client.get(panel, headers=same_site).status_code for who in (started.ada, started.grace)]
    assert found == [200, 403]


def test_the_message_of_the_day_is_on_the_hubs_pages_and_in_terminals(
    changed: Workbench, started: Started
) -> None:
    with Visitor(changed.url, changed.ca) as anybody:
        page = anybody.client.get(f"{changed.url}jupyter/hub/login").text
    assert "Backup &lt;on&gt; Sunday" in page
    assert "Backup <on> Sunday" in started.ada.type_in_terminal("echo do'ne'", "done")


def test_a_file_of_a_gib_can_be_uploaded(changed: Workbench, started: Started) -> None:
    started.ada.upload("big", GIB)
    assert changed.ssh("stat -c %s /home/ada/big; rm /home/ada/big").stdout.strip() == str(GIB)


def test_git_and_the_display_of_memory_are_in_jupyterlab(changed: Workbench, started: Started) -> None:
    folder = f"{changed.url}jupyter/user/ada"
    used = started.ada.client.get(f"{folder}/api/metrics/v1").json()
    # The hub goes by what its host has, which in the lab is this machine's.
    limit = int(changed.ssh("awk '/^MemTotal:/ { print $2 }' /proc/meminfo").stdout) * 1024 // 2
    assert 0 < used["rss"] < used["limits"]["memory"]["rss"] == limit
    settings = started.ada.client.get(f"{folder}/git/settings").json()
    assert re.match(r"\d+\.\d+", settings["gitVersion"])


def test_what_is_idle_ends_and_what_has_work_does_not(changed: Workbench, started: Started) -> None:
    def idle_is_gone() -> str:
        visit = started.ada.client.get(f"{changed.url}jupyter/user/ada/proxy/{APP}/")
        assert visit.status_code == 200, "an app that is in use has ended"
        kernels, terminals = started.ada.running("kernels"), started.ada.running("terminals")
        units = changed.ssh("systemctl is-active jupyter-grace-singleuser", check=False).stdout
        if started.idle & kernels or terminals != started.terminals or units.strip() == "active":
            raise WorkbenchError(f"still there: {kernels} {terminals} {units}")
        return ""

    eventually(idle_is_gone, seconds=240)
    assert {started.busy, started.serving} <= started.ada.running("kernels")
    assert changed.ssh("systemctl is-active jupyter-ada-singleuser").stdout.strip() == "active"
    assert changed.ssh("pgrep -u ada -f 'sleep 901'").stdout.strip()
