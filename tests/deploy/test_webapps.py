"""Web apps of a user's own, on a real host: their addresses, by port and by socket, and what is there without one."""

import json
from collections.abc import Iterator

import pytest

from lab.visitor import Visitor
from tests.e2e import webapps
from tests.e2e.attacks.browsers import PAGE, SCRIPT, answered
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

PORT, NOBODYS = 18501, 18599
PROXY = "jupyter/user/ada/proxy"


@pytest.fixture(scope="module")
def ada(workbench: Workbench) -> Iterator[Visitor]:
    """Ada, whose server runs, with an app on a port that was started over SSH."""
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", workbench.password("ada"))
        visitor.spawn()
        webapps.tell(workbench, "ada", PORT)
        yield visitor
        webapps.end(workbench, "ada")


def told(text: str) -> dict[str, dict[str, str]]:
    """What an app says that it was told."""
    found: dict[str, dict[str, str]] = json.loads(text[text.index("{") :])
    return found


def test_an_app_is_at_its_ports_address_and_gets_nothing_that_is_jupyters(
    workbench: Workbench, ada: Visitor
) -> None:
    answer = answered(workbench, ada, f"{PROXY}/{PORT}/a/b?c=d", PAGE)
    assert (answer.status_code, f"{webapps.ANSWER}ada" in answer.text) == (200, True)
    assert told(answer.text)["path"] == "/a/b?c=d"
    assert "jupyterhub" not in told(answer.text)["headers"].get("Cookie", "")
    assert "_xsrf=" not in told(answer.text)["headers"].get("Cookie", "")
    mine = [cookie for cookie in ada.client.cookies.jar if cookie.value == "the-apps"]
    assert [(cookie.name, cookie.path) for cookie in mine] == [("_xsrf", f"/{PROXY}/{PORT}/")]
    again = told(answered(workbench, ada, f"{PROXY}/{PORT}/", SCRIPT).text)
    assert again["headers"]["Cookie"] == "_xsrf=the-apps"
    assert ada.run_code("6 * 7").strip() == "42", "Jupyter's own _xsrf is as it was"
    stream = answered(workbench, ada, f"{PROXY}/{PORT}/", {**SCRIPT, "Accept": "text/event-stream"})
    assert f"; Path=/{PROXY}/{PORT}/;" in f"{stream.headers['Set-Cookie']};"
    bare = answered(workbench, ada, f"{PROXY}/{PORT}", PAGE)
    assert bare.headers["Location"] == f"/{PROXY}/{PORT}/"
    whole = answered(workbench, ada, f"{PROXY}/absolute/{PORT}/a", PAGE)
    assert told(whole.text)["path"] == f"/{PROXY}/absolute/{PORT}/a"


def test_the_hubs_token_that_lets_a_program_in_is_not_told_to_the_app(
    workbench: Workbench, ada: Visitor
) -> None:
    token = ada.run_code("import os; print(os.environ['JUPYTERHUB_API_TOKEN'])").strip()
    with Visitor(workbench.url, workbench.ca) as program:
        program.client.headers["Authorization"] = f"token {token}"
        by_field = program.client.get(f"{workbench.url}{PROXY}/{PORT}/")
    with Visitor(workbench.url, workbench.ca) as program:
        program.client.headers["Sec-Fetch-Mode"] = "websocket"
        by_address = program.client.get(f"{workbench.url}{PROXY}/{PORT}/?token={token}&a=1")
    assert (by_field.status_code, by_address.status_code) == (200, 200)
    assert token not in by_field.text + by_address.text
    assert told(by_address.text)["path"] == "/?a=1"


def test_where_nothing_listens_a_page_says_so_with_a_way_back_and_a_program_gets_json(
    workbench: Workbench, ada: Visitor
) -> None:
    answer = answered(workbench, ada, f"{PROXY}/{NOBODYS}/", PAGE)
    assert answer.status_code == 502
    assert "No program of yours answers at this address" in answer.text
    assert 'href="/jupyter/hub/user-redirect/lab"' in answer.text
    for path in (str(NOBODYS), "unix/nobodys"):
        program = answered(workbench, ada, f"{PROXY}/{path}/", SCRIPT)
        assert (program.status_code, list(program.json())) == (502, ["message"])
    assert ada.client.get(f"{workbench.url}jupyter/hub/user-redirect/lab", headers=PAGE).status_code == 200


def test_the_command_says_where_apps_are_in_a_terminal_of_jupyterlab_and_over_ssh(
    workbench: Workbench, ada: Visitor
) -> None:
    address = f"{workbench.url}{PROXY}/{PORT}/"
    assert address in ada.type_in_terminal("workbench-app; echo do'ne'", "done")
    over_ssh = workbench.ssh("runuser -l ada -c workbench-app").stdout
    assert [line for line in over_ssh.splitlines() if line.startswith(f"{address}  python3 -c")]
    assert f"{workbench.url}{PROXY}/8501/" in workbench.ssh("runuser -l ada -c 'workbench-app 8501'").stdout
    taken = workbench.ssh(f"runuser -l grace -c 'workbench-app run --port {PORT} true'", check=False)
    assert (taken.returncode, f"port {PORT} is not free" in taken.stderr) == (1, True)


def test_an_app_on_a_socket_is_at_an_address_by_its_name_without_any_port(
    workbench: Workbench, ada: Visitor
) -> None:
    serve = (
        "import os, threading, http.server, socketserver\n"
        "class App(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers(); self.wfile.write(b'by a socket ' + self.path.encode())\n"
        "    def log_message(self, *_): ...\n"
        "    def address_string(self): return ''\n"
        "there = os.environ['WORKBENCH_APP_SOCKETS'] + '/tidy.sock'\n"
        "app = socketserver.ThreadingUnixStreamServer(there, App)\n"
        "threading.Thread(target=app.serve_forever, daemon=True).start()\n"
        "print(there)"
    )
    path = ada.run_code(serve).strip()
    assert answered(workbench, ada, f"{PROXY}/unix/tidy/x", PAGE).text == "by a socket /x"
    assert f"{workbench.url}{PROXY}/unix/tidy/" in ada.type_in_terminal("workbench-app; echo do'ne'", "done")
    refused = workbench.ssh(
        f"runuser -u grace -- curl -sS --unix-socket {path} http://localhost/ 2>&1", check=False
    )
    assert (refused.returncode, "by a socket" in refused.stdout) == (7, False)


def test_frameworks_find_their_place_in_the_environment_of_notebooks(
    workbench: Workbench, ada: Visitor
) -> None:
    names = ("DASH_REQUESTS_PATHNAME_PREFIX", "DASH_DOMAIN_BASE", "STREAMLIT_SERVER_HEADLESS")
    said = ada.run_code(f"import os; print([os.environ[name] for name in {names}])")
    host = workbench.outputs.host_name
    assert said.strip() == str([f"/{PROXY}/{{port}}/", host, "true"])
