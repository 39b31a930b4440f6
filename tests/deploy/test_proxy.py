"""Caddy on a real host: what is answered to whom, and that a new configuration cuts nobody off."""

import ssl
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from deploy import proxy
from lab.visitor import Visitor
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab


@pytest.fixture
def web(workbench: Workbench) -> httpx.Client:
    """A client that trusts the workbench's CA and nothing else, and follows no redirect."""
    context = ssl.create_default_context(cafile=str(workbench.ca))
    return httpx.Client(verify=context, base_url=workbench.url, timeout=20)


def test_plain_http_is_sent_to_the_one_name_whatever_name_was_asked_for(
    workbench: Workbench, web: httpx.Client
) -> None:
    for host in (workbench.outputs.host_name, "another.example"):
        plain = workbench.url.replace("https://", "http://")
        answer = web.get(f"{plain}some/page?a=1", headers={"Host": host})
        assert answer.status_code == 308
        assert answer.headers["Location"] == f"{workbench.url}some/page?a=1"


def test_https_under_another_name_is_sent_to_the_one_name(workbench: Workbench, web: httpx.Client) -> None:
    answer = web.get("/page", headers={"Host": "another.example"})
    assert answer.status_code == 308
    assert answer.headers["Location"] == f"{workbench.url}page"


def test_the_landing_page_loads_nothing_from_elsewhere_and_may_not(web: httpx.Client) -> None:
    page = web.get("/")
    assert page.status_code == 200
    assert 'href="/jupyter/"' in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert (
        "Strict-Transport-Security" not in page.headers
    )  # a browser could not get past an unknown CA any more


def test_what_does_not_exist_is_404_at_any_depth(web: httpx.Client) -> None:
    for path in ("/nothing", "/a/b/c", "/health.json", "/.index.html", "/..%2f..%2fetc/passwd"):
        for accept in ("text/html,*/*", "*/*"):  # people, and programs
            answer = web.get(path, headers={"Accept": accept})
            assert (answer.status_code, "no such page" in answer.text) == (404, True), path
            assert ("<html" in answer.text) == accept.startswith("text/html")


def test_a_service_that_does_not_answer_is_said_so_in_words(workbench: Workbench, web: httpx.Client) -> None:
    workbench.ssh("systemctl stop jupyterhub-proxy")
    try:
        answer = web.get("/jupyter/hub/login")
        assert answer.status_code == 502
        assert "does not answer at the moment" in answer.text
    finally:
        workbench.ssh("systemctl start jupyterhub")


WAITING = """
import os, time
while not os.path.exists("go"):
    time.sleep(0.2)
print("went")
"""


def test_a_new_configuration_is_loaded_and_keeps_open_websockets(workbench: Workbench) -> None:
    with Visitor(workbench.url, workbench.ca) as visitor, ThreadPoolExecutor(1) as worker:
        visitor.login("ada", workbench.password("ada"))
        visitor.spawn()
        visitor.run_code("1")
        # Nobody removes the file while Jupyter puts it: its answer looks at the file once more.
        workbench.ssh("rm -f /home/ada/go")
        process = workbench.ssh("systemctl show -p MainPID --value caddy").stdout
        change = f"sed -i 's/^\t\t-Server$/\t\tX-Old yes/' {proxy.CONFIG} && systemctl restart caddy-reload"
        workbench.ssh(change)
        assert visitor.client.get(workbench.url).headers["X-Old"] == "yes"
        said = worker.submit(visitor.run_code, WAITING, timeout=180)
        try:
            applied = workbench.apply()
            assert applied.status == 0, applied.output
            assert any("caddy-reload" in name for name in applied.changed)
            assert "X-Old" not in visitor.client.get(workbench.url).headers
            assert not said.done()
        finally:
            visitor.write_file("go", b"")
        assert said.result().strip() == "went"  # over the websocket from before
        workbench.ssh("rm /home/ada/go")
        assert workbench.ssh("systemctl show -p MainPID --value caddy").stdout == process


def test_a_configuration_that_caddy_refuses_is_refused_with_its_reason(workbench: Workbench) -> None:
    workbench.ssh("printf 'example.org {\\n\\tno_such_directive\\n}\\n' > /tmp/Caddyfile")
    done = workbench.ssh(proxy.validation().replace("{}", "/tmp/Caddyfile"), check=False)
    workbench.ssh("rm /tmp/Caddyfile")
    assert done.returncode != 0
    assert "no_such_directive" in done.stderr


def test_the_cas_certificate_can_be_read_and_its_key_cannot(workbench: Workbench) -> None:
    assert workbench.ssh("stat -c %a /etc/workbench/ca.crt").stdout.strip() == "644"
    assert workbench.ssh(f"stat -c '%a %U' {proxy.STATE}").stdout.strip() == "700 caddy"
    keys = workbench.ssh(f"find {proxy.STATE} -name '*.key' -printf '%m %u\\n'").stdout.splitlines()
    assert len(keys) >= 3
    assert set(keys) == {"600 caddy"}


def test_caddy_is_not_root_and_its_api_is_for_itself(workbench: Workbench) -> None:
    assert workbench.ssh("ps -o user= -C caddy").stdout.strip() == "caddy"
    assert workbench.ssh("stat -c '%a %U %F' /run/caddy/admin.sock").stdout.strip() == "600 caddy socket"
    asking = "runuser -u grace -- curl -s --unix-socket /run/caddy/admin.sock http://localhost/config/"
    assert workbench.ssh(asking, check=False).returncode == 7  # not connected


def test_no_cookie_and_no_query_reaches_the_journal(workbench: Workbench, web: httpx.Client) -> None:
    workbench.ssh("systemctl stop jupyterhub-proxy")
    try:
        web.get(
            "/jupyter/hub/login?token=sesame1",
            headers={"Cookie": "a=sesame2", "Authorization": "token sesame3"},
        )
    finally:
        workbench.ssh("systemctl start jupyterhub")
    said = workbench.ssh("journalctl -u caddy --since -2min -o cat").stdout
    assert "/jupyter/hub/login" in said
    assert "sesame" not in said
