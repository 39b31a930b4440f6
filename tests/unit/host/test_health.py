"""How a service is judged, from what systemd says of its units and what its address answers."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy import health
from workbench import config as configs
from workbench.outputs import Outputs
from workbench.stack import Context
from workbench_host import health as program

ACTIVE = {"ActiveState": "active", "SubState": "running", "Result": "success"}
JUST_NOW, LONG_AGO = 5, 500  # seconds since the unit became active


@pytest.fixture
def address() -> Iterator[str]:
    """The address of a server that answers /200 with 200, /503 with 503 and so on, and nobody else's host name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(int(self.path[1:]) if self.headers["Host"] != "bench.example" else 204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def judge(
    monkeypatch: pytest.MonkeyPatch, url: str | None, age: int, host: str | None = None, **state: str
) -> tuple[str, str]:
    monkeypatch.setattr(program, "age_seconds", lambda _: age)
    service = {"units": ["a.service"], "url": url, "host": host, "socket": None}
    found: tuple[str, str] = program.judge(service, {"a.service": {**ACTIVE, **state}})
    return found


def test_a_service_that_answers_is_up(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    assert judge(monkeypatch, f"{address}/200", LONG_AGO) == ("up", "")
    assert judge(monkeypatch, f"{address}/308", LONG_AGO) == ("up", "")
    assert judge(monkeypatch, None, LONG_AGO) == ("up", "")


def test_a_service_is_asked_under_the_name_that_it_serves(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    assert judge(monkeypatch, f"{address}/503", LONG_AGO, host="bench.example") == ("up", "")


def test_one_that_does_not_answer_is_starting_at_first_and_then_down(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    assert judge(monkeypatch, f"{address}/503", JUST_NOW) == ("starting", "answers with status 503")
    assert judge(monkeypatch, f"{address}/503", LONG_AGO) == ("down", "answers with status 503")
    silent = "http://127.0.0.1:1/"
    assert judge(monkeypatch, silent, LONG_AGO) == ("down", "does not answer (Connection refused)")


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ({"ActiveState": "activating", "SubState": "start"}, ("starting", "a.service is starting")),
        (
            {"ActiveState": "activating", "SubState": "start-post", "NRestarts": "2"},
            ("down", "a.service failed and is being started again"),
        ),
        (
            {"ActiveState": "activating", "SubState": "auto-restart", "Result": "exit-code"},
            ("down", "a.service is activating (exit-code)"),
        ),
        ({"ActiveState": "failed", "Result": "oom-kill"}, ("down", "a.service is failed (oom-kill)")),
        ({"ActiveState": "inactive"}, ("down", "a.service is inactive")),
    ],
)
def test_a_unit_that_does_not_run_decides(
    monkeypatch: pytest.MonkeyPatch, address: str, state: dict[str, str], verdict: tuple[str, str]
) -> None:
    assert judge(monkeypatch, f"{address}/200", LONG_AGO, **state) == verdict


def test_a_unit_that_systemd_does_not_know_is_down() -> None:
    assert program.units_verdict(["gone.service"], {}) == ("down", "gone.service is unknown")


def test_a_folder_where_nothing_is_mounted_has_no_size_of_its_own(tmp_path: Path) -> None:
    assert program.disk(str(tmp_path)) is None
    assert program.disk("/")["total_gib"] > 0


def test_every_enabled_service_is_asked_and_the_proxy_too(config: dict[str, Any]) -> None:
    facts = Outputs.model_construct(host_name="bench.example")
    context = Context(configs.parse(config), facts)
    asked = health.questions(context)["services"]
    assert list(asked) == ["jupyterhub", "rstudio", "shiny", "fail2ban", "proxy"]
    assert asked["jupyterhub"]["url"] == "http://localhost/jupyter/hub/health"
    assert asked["jupyterhub"]["socket"] == "/run/jupyterhub-proxy/public.sock"
    assert asked["proxy"]["host"] == asked["shiny"]["host"] == "bench.example"
    assert asked["shiny"]["url"] == "https://127.0.0.1:443/shiny/"  # the page, which the proxy shows
    off = configs.parse({**config, "workbench:services": {"jupyterhub": {"enabled": False}}})
    services = health.questions(Context(off, facts))["services"]
    assert list(services) == ["rstudio", "shiny", "fail2ban", "proxy"]
