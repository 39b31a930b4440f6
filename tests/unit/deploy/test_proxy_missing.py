"""What Caddy serves while the data volume is missing: its configuration and its page, given to their real parsers."""

import json
import ssl
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from deploy.files import TEMPLATES, render
from tests.listeners import free_port, make_ca
from tests.unit.deploy.test_proxy import CADDY, caddy, needs_caddy
from tests.unit.deploy.test_proxy_pages import page


def config(tmp_path: Path, host_name: str = "bench.example.org") -> str:
    return render("proxy/missing.caddy.j2", host_name=host_name, site=tmp_path, state=tmp_path)


@needs_caddy
@pytest.mark.parametrize("host_name", ["192.0.2.7", "bench.example.org"])
def test_caddy_takes_the_configuration_before_there_is_a_certificate(tmp_path: Path, host_name: str) -> None:
    """So it is judged at a deploy, when the unit's folder is not there."""
    done = caddy("validate", config(tmp_path / "nowhere", host_name), tmp_path)
    assert done.returncode == 0, done.stderr


@needs_caddy
def test_the_configuration_is_formatted_as_caddy_formats_it(tmp_path: Path) -> None:
    text = config(tmp_path)
    done = subprocess.run([str(CADDY), "fmt", "-"], input=text, capture_output=True, text=True, check=False)
    assert done.stdout == text


def test_the_page_says_what_is_missing_and_whom_to_tell() -> None:
    found = page("missing.html", [], contact="ada@example.org")
    said = " ".join(found.main.text.split())
    assert "its data volume) is not attached" in said
    assert "nothing is written in its place" in said
    assert "workbench doctor" in said
    assert found.select_one("main a")["href"] == "mailto:ada@example.org"
    assert [script["src"] for script in found.select("script")] == ["/notice.js"]


@needs_caddy
def test_people_get_the_page_and_programs_json_with_the_kept_certificate(tmp_path: Path) -> None:
    """On ports of its own: Caddy's configuration as JSON, in which these are the only change."""
    ca, pair = make_ca(tmp_path, "127.0.0.1")
    (tmp_path / "tls.caddy").write_text(f"tls {pair} {pair}\n")
    (tmp_path / "missing.html").write_text(
        render("proxy/missing.html.j2", title="Bench", contact="", contact_link=None)
    )
    (tmp_path / "site.css").write_text((TEMPLATES / "proxy/site.css").read_text())
    adapted = json.loads(caddy("adapt", config(tmp_path, "127.0.0.1"), tmp_path).stdout)
    web, secure = (free_port("127.0.0.1") for _ in range(2))
    text = (
        json.dumps(adapted).replace('":443"', f'"127.0.0.1:{secure}"').replace('":80"', f'"127.0.0.1:{web}"')
    )
    (tmp_path / "caddy.json").write_text(text)
    own = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    with subprocess.Popen([str(CADDY), "run", "--config", str(tmp_path / "caddy.json")], env=own,
                          stderr=subprocess.DEVNULL) as running:  # fmt: skip
        try:
            trust = ssl.create_default_context(cafile=str(ca))
            with httpx.Client(base_url=f"https://127.0.0.1:{secure}", verify=trust) as client:
                wait_until_it_answers(client)
                answer = client.get("/jupyter/user/ada/lab", headers={"Accept": "text/html,*/*"})
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
                assert "The disk with the homes is missing" in answer.text
                assert "script-src 'self';" in answer.headers["content-security-policy"]
                program = client.get("/jupyter/hub/api", headers={"Accept": "application/json"})
                assert (program.status_code, list(program.json())) == (503, ["message"])
                assert client.get("/site.css").status_code == 200
                assert client.get("/tls.caddy", headers={"Accept": "text/html"}).status_code == 503
        finally:
            running.terminate()


def wait_until_it_answers(client: httpx.Client) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            client.get("/")
            return
        except httpx.TransportError:
            assert time.monotonic() < until
            time.sleep(0.1)
