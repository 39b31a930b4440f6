"""What the extension for web apps decides by itself: cookies, and which kernel is visited. Sockets are real ones.

What passes is in test_server_webapp_handlers.py.
That it leads to apps, and to nobody else's, is in tests/deploy/test_webapps.py and tests/e2e/attacks/test_webapps.py.
"""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from workbench_server import webapp_handlers, webapps

LONG_AGO = datetime.now(UTC) - timedelta(days=3)
PLACE = "/jupyter/user/ada/proxy/8501"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("a=1; jupyterhub-user-ada=secret; jupyterhub-session-id=x; b=2", "a=1; b=2"),
        ("_xsrf=jupyters", ""),
        # RFC 6265, 5.4: those with longer paths are listed before those with shorter ones.
        ("_xsrf=apps; a=1; _xsrf=jupyters", "_xsrf=apps; a=1"),
        ("a=1; ", "a=1"),  # as the proxy leaves it that takes the hub's login out; tornado 6.6 refuses it
        ("_streamlit_xsrf=1; _xsrf=jupyters", "_streamlit_xsrf=1"),
    ],
)
def test_an_app_gets_its_own_cookies_and_none_of_jupyters(sent: str, told: str) -> None:
    assert webapp_handlers.without_jupyters(sent) == told


@pytest.mark.parametrize(
    ("set_", "passed"),
    [
        ("_xsrf=1; Path=/", f"_xsrf=1; Path={PLACE}/"),
        ("a=1; HttpOnly", f"a=1; HttpOnly; Path={PLACE}/"),
        ("a=1; path = /jupyter/user/ada/ ;Secure", f"a=1;Secure; Path={PLACE}/"),
        (f"a=1; Path={PLACE}/deeper", f"a=1; Path={PLACE}/deeper"),
        (f"a=1; Path={PLACE}", f"a=1; Path={PLACE}"),
        (f"a=1; Path={PLACE}1", f"a=1; Path={PLACE}/"),
        # Of two the last counts for a browser.
        (f"a=1; Path={PLACE}; Path=/", f"a=1; Path={PLACE}/"),
    ],
)
def test_a_cookie_of_an_app_is_sent_to_that_app_alone(set_: str, passed: str) -> None:
    assert webapp_handlers.below(set_, PLACE) == passed


LISTENER = """
import socket, subprocess, sys
with socket.socket() as one:
    one.bind(("127.0.0.1", 0))
    one.listen()
    one.set_inheritable(True)
    print(one.getsockname()[1], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def listening() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process in a kernel's place, and the port that it listens on."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", LISTENER], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        yield process, process.stdout.readline().strip()
        process.kill()


def server(**pids: int) -> Any:
    """Jupyter Server as far as the extension looks at it: its kernels, by name."""
    found = {
        name: SimpleNamespace(provisioner=SimpleNamespace(pid=pid), last_activity=LONG_AGO)
        for name, pid in pids.items()
    }
    manager = SimpleNamespace(list_kernel_ids=lambda: list(found), get_kernel=found.__getitem__)
    return SimpleNamespace(kernel_manager=manager, web_app=SimpleNamespace(settings={}), kernels=found)


def test_a_visit_is_activity_of_the_kernel_in_which_the_app_runs_and_of_no_other(
    listening: tuple[subprocess.Popen[str], str],
) -> None:
    process, port = listening
    now = datetime.now(UTC)
    with subprocess.Popen([sys.executable, "-c", LISTENER], stdin=subprocess.PIPE) as other:
        app = server(visited=process.pid, other=other.pid)
        app.web_app.settings[webapps.VISITS] = {port: now}
        webapps.note(app)
        assert app.kernels["visited"].last_activity == now
        assert app.kernels["other"].last_activity == LONG_AGO
        # One visit counts once.
        app.kernels["visited"].last_activity = LONG_AGO
        webapps.note(app)
        assert app.kernels["visited"].last_activity == LONG_AGO
        other.kill()


def test_what_answers_is_loaded_by_the_first_request_and_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes long to import; the requests go on to what it has added."""
    added: list[str] = []
    monkeypatch.setattr(webapp_handlers, "at", lambda base: f"at {base}")
    monkeypatch.setattr(webapps, "add_handlers", lambda _, what: added.append(what))
    later = webapps.Later(SimpleNamespace(settings={"base_url": "/b/"}))
    assert added == []
    assert [later.find_handler(), later.find_handler()] == [None, None]
    assert added == ["at /b/"]


def test_what_a_kernel_has_started_is_the_kernels_too() -> None:
    assert webapps.family({10: 1, 20: 10, 30: 20, 31: 20, 40: 10}, 20) == {20, 30, 31}
    assert webapps.family({10: 1}, None) == set()
