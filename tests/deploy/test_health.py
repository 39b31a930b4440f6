"""The state of the services, as the host tells it to an administrator and to everybody."""

import json
import time
from typing import Any

import httpx
import pytest

from lab.visitor import Visitor
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab


def ask(workbench: Workbench) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        workbench.ssh("/usr/local/lib/workbench/host/bin/health --json").stdout
    )
    return found


def test_all_services_are_up_and_disk_and_memory_are_told(workbench: Workbench) -> None:
    found = ask(workbench)
    assert {name: service["state"] for name, service in found["services"].items()} == {
        "jupyterhub": "up",
        "shiny": "up",
        "fail2ban": "up",
        "proxy": "up",
    }
    for size in found["disk"].values():
        assert 0 <= size["used_gib"] < size["total_gib"]
    assert 0 < found["memory"]["used_mib"] < found["memory"]["total_mib"]


def test_a_stopped_service_is_down_and_said_why_until_it_is_up_again(workbench: Workbench) -> None:
    workbench.ssh("systemctl stop jupyterhub")
    try:
        found = ask(workbench)["services"]["jupyterhub"]
        assert (found["state"], found["detail"]) == ("down", "jupyterhub.service is inactive")
    finally:
        workbench.ssh("systemctl start jupyterhub")
    until = time.monotonic() + 60
    while (state := ask(workbench)["services"]["jupyterhub"]["state"]) != "up" and time.monotonic() < until:
        assert state == "starting"
        time.sleep(0.5)
    assert state == "up"


def test_who_is_at_work_is_told_to_root_and_to_nobody_else(workbench: Workbench) -> None:
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", workbench.password("ada"))
        visitor.spawn()
        assert "ada" in ask(workbench)["users"]
        public = httpx.get(f"{workbench.url}status.json", verify=visitor.tls).json()
        assert set(public) == {"services", "checked"}
        assert "ada" not in json.dumps(public)
    assert workbench.ssh("stat -c %a /run/workbench/health.json").stdout.strip() == "600"
    refused = workbench.ssh(
        "runuser -u grace -- /usr/local/lib/workbench/host/bin/health --json", check=False
    )
    assert refused.returncode == 1
    assert "root" in refused.stderr
