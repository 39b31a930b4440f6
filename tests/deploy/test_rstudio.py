"""RStudio Server's place under /rstudio/, taken by a stand-in (tests/standins/rstudio-server) through the real proxy.

The package, its sha256, the units, PAM, the proxy, slices and R are real; what is behind the pages is not RStudio.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup
from websockets.asyncio.client import connect

from tests import strangers
from tests.standins import debs
from tests.standins.mirror import mirror
from tests.workbench_in_lab import Applied, Workbench
from workbench.host import program_path

pytestmark = pytest.mark.lab

HOME = f"/opt/R/{debs.R_VERSION}/lib/R"
ASKING = ("root", "caddy", "www-data", "grace")
ASK = "curl -s -o /dev/null -w '%{http_code}' --max-time 5 http://127.0.0.1:87/auth-sign-in"
TOKEN = "fb7559983669"
CHOICE = ".config/workbench/r-version"


@pytest.fixture(scope="module")
def applied(workbench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    """RStudio's stand-in, and one for a further version of R, switched on by settings; off again afterwards."""
    folder: Path = tmp_path_factory.mktemp("debs")
    rstudio, r = debs.rstudio_server(folder), debs.r_build(folder)
    files = {deb.file.name: deb.file.read_bytes() for deb in (rstudio, r)}
    services = {
        "rstudio": {"enabled": True, "version": debs.RSTUDIO_VERSION, "sha256": rstudio.sha256},
        "r": {"versions": [{"version": debs.R_VERSION, "sha256": r.sha256}]},
    }
    with mirror(workbench, files) as address:
        with workbench.settings(services=services, mirrors={"rstudio": address, "r": address}) as applied:
            yield applied
        assert workbench.ssh("systemctl is-active rstudio-server", check=False).stdout.strip() == "inactive"
        assert workbench.ssh("ss -Hltn 'sport = 87'").stdout == ""
        assert workbench.ssh("pgrep -x rsession", check=False).stdout == ""
        assert workbench.ssh("ls /opt/R").stdout == ""


@pytest.fixture
def web(workbench: Workbench, applied: Applied) -> Iterator[httpx.Client]:
    """A client that trusts the workbench's CA and nothing else, and follows no redirect."""
    assert applied.status == 0, applied.output
    context = ssl.create_default_context(cafile=str(workbench.ca))
    with httpx.Client(verify=context, base_url=workbench.url, timeout=20) as client:
        yield client


def sign_in(web: httpx.Client, user: str, password: str) -> httpx.Response:
    return web.post("/rstudio/auth-do-sign-in", data={"username": user, "password": password})


def session(workbench: Workbench, user: str) -> dict[str, Any]:
    """What the session that the user has just begun was started with."""
    wait = f"for i in $(seq 50); do [ -e /home/{user}/rsession.json ] && break; sleep 0.2; done"
    found: dict[str, Any] = json.loads(workbench.ssh(f"{wait}; cat /home/{user}/rsession.json").stdout)
    workbench.ssh(f"rm /home/{user}/rsession.json")
    return found


def sessions_told(workbench: Workbench, user: str) -> int:
    """How many sessions of the user the host tells of."""
    people = json.loads(workbench.ssh(f"{program_path('activity')} --json").stdout)["people"]
    return sum(one["rstudio"] for one in people if one["user"] == user)


def test_a_second_run_changes_nothing_and_the_service_is_up(workbench: Workbench, applied: Applied) -> None:
    assert applied.status == 0, applied.output
    assert workbench.apply().changed == []
    told = json.loads(workbench.ssh("/usr/local/lib/workbench/host/bin/health --json").stdout)["services"][
        "rstudio"
    ]
    assert (told["state"], told["path"]) == ("up", "/rstudio/")
    listening = workbench.ssh("ss -Hltn 'sport = 87'").stdout.split()
    assert listening[3] == "127.0.0.1:87"
    said = {user: workbench.ssh(f"runuser -u {user} -- {ASK}", check=False).stdout for user in ASKING}
    assert said == {"root": "200", "caddy": "200", "www-data": "000", "grace": "000"}, "Caddy alone asks it"
    refused = workbench.ssh("rstudio-server verify-installation", check=False)
    assert refused.returncode == 1  # while it runs


def disguised(port: int) -> str:
    """How RStudio spells a port with the token in TOKEN."""
    return f"{(port * 8854 % 65535) * int(TOKEN[:4], 16) ^ int(TOKEN[4:], 16):08x}"


def test_what_rstudio_shows_from_a_port_is_the_users_own(web: httpx.Client, workbench: Workbench) -> None:
    """A15 through RStudio, which connects as itself to any port for whoever is signed in."""
    sign_in(web, "grace", workbench.password("grace"))
    web.cookies.set("port-token", TOKEN)
    serve = (
        "systemd-run -q --unit=pages-{0} --uid={0} --working-directory=/ python3 -m http.server {1} --bind ::"
    )
    for user, port in (("ada", 5801), ("grace", 5802)):
        up = f"until curl -s -o /dev/null localhost:{port}; do sleep 0.1; done"
        workbench.ssh(f"{serve.format(user, port)} && timeout 20 sh -c '{up}'")
    paths = ("/p/{}/", "/p6/{}", "/x/../p/{}/", "/%70/{}/", "//p/{}/")
    try:
        assert web.get(f"/rstudio/p/{disguised(5802)}/").status_code == 200
        for path in paths:
            asked = httpx.URL(workbench.url).copy_with(
                raw_path=b"/rstudio" + path.format(disguised(5801)).encode()
            )
            assert web.get(asked).status_code in (403, 404), path
        cookies = f"port-token={TOKEN}; user-id=ada|now|forged; user-id={web.cookies['user-id']}"
        own = f"/rstudio/p/{disguised(5801)}/"
        context = ssl.create_default_context(cafile=str(workbench.ca))
        with httpx.Client(verify=context, base_url=workbench.url) as bare:
            assert bare.get(own, headers={"Cookie": cookies}).status_code == 403
            assert bare.get(own).status_code == 403
    finally:
        workbench.ssh("systemctl stop pages-ada pages-grace")


def test_pages_redirects_and_cookies_are_below_its_path(web: httpx.Client, workbench: Workbench) -> None:
    assert web.get("/rstudio").headers["Location"] == "/rstudio/"
    assert web.get("/rstudio/").headers["Location"] == "/rstudio/auth-sign-in"
    forged = web.get("/rstudio/", headers={"X-RStudio-Root-Path": "/elsewhere"})
    assert forged.headers["Location"] == "/rstudio/auth-sign-in"
    assert (
        sign_in(web, "ada", workbench.password("grace"))
        .headers["Location"]
        .startswith("/rstudio/auth-sign-in")
    )
    assert "user-id" not in web.cookies
    answer = sign_in(web, "ada", workbench.password("ada"))
    assert answer.headers["Location"] == "/rstudio/"
    assert {"Path=/rstudio", "Secure", "HttpOnly"} <= set(answer.headers["Set-Cookie"].split("; "))
    session(workbench, "ada")
    assert web.get("/rstudio/").text == f"ada is at /rstudio of {workbench.outputs.host_name} by https"
    assert 'href="/rstudio/"' in web.get("/").text


def test_its_sign_in_page_has_the_title_and_ways_back_from_the_first_start_on(web: httpx.Client) -> None:
    found = BeautifulSoup(web.get("/rstudio/auth-sign-in").text, "html.parser").select_one("#login-html")
    assert found is not None
    assert found.select_one("strong").text == "Workbench"
    assert [link["href"] for link in found.select("a")] == ["/", "/guide/"]


def test_websockets_pass(web: httpx.Client, workbench: Workbench) -> None:
    sign_in(web, "ada", workbench.password("ada"))
    session(workbench, "ada")

    async def echo() -> str | bytes:
        address = f"wss{workbench.url.removeprefix('https')}rstudio/terminal/"
        cookie = {"Cookie": f"user-id={web.cookies['user-id']}"}
        context = ssl.create_default_context(cafile=str(workbench.ca))
        async with connect(address, ssl=context, additional_headers=cookie, proxy=None) as channel:
            await channel.send("5 * 4")
            return await channel.recv()

    assert asyncio.run(echo()) == "5 * 4"


def test_a_session_is_in_its_users_slice_and_outlives_the_server(
    web: httpx.Client, workbench: Workbench
) -> None:
    before = sessions_told(workbench, "grace")
    sign_in(web, "grace", workbench.password("grace"))
    pid = session(workbench, "grace")["pid"]
    uid = workbench.ssh("id -u grace").stdout.strip()
    place = f"/user.slice/user-{uid}.slice/workbench-session-{uid}-{pid}.scope"
    assert place in workbench.ssh(f"cat /proc/{pid}/cgroup").stdout
    assert workbench.ssh(f"stat -c %U /proc/{pid}").stdout.strip() == "grace"
    until = time.monotonic() + 15
    while sessions_told(workbench, "grace") != before + 1:
        assert time.monotonic() < until
    workbench.ssh("systemctl restart rstudio-server")
    assert workbench.ssh(f"stat -c %U /proc/{pid}").stdout.strip() == "grace"
    workbench.ssh(f"kill {pid}")


def test_without_its_limits_no_session_begins(web: httpx.Client, workbench: Workbench) -> None:
    workbench.ssh("systemctl stop workbench-session-scope.socket")
    try:
        said = workbench.ssh(
            "runuser -u grace -- /usr/local/lib/workbench/host/bin/rsession -u grace", check=False
        )
        assert (said.returncode, "its user's limits" in said.stderr) == (1, True)
    finally:
        workbench.ssh("systemctl start workbench-session-scope.socket")


def test_accounts_of_the_system_are_not_moved(web: httpx.Client, workbench: Workbench) -> None:
    ask = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/workbench-session-scope.sock'); "
        "print(s.recv(2).decode(), open('/proc/self/cgroup').read())"
    )
    assert "ok" in workbench.ssh(f'runuser -u nobody -- python3 -c "{ask}"').stdout
    assert "workbench-session" not in workbench.ssh(f'runuser -u nobody -- python3 -c "{ask}"').stdout


def test_r_is_the_hosts_own_unless_its_user_wants_another(web: httpx.Client, workbench: Workbench) -> None:
    sign_in(web, "ada", workbench.password("ada"))
    assert session(workbench, "ada")["environment"]["R_HOME"] == "/usr/lib/R"
    wish = f"runuser -l ada -c 'mkdir -p .config/workbench && echo {{}} > {CHOICE}'"
    workbench.ssh(wish.format(debs.R_VERSION))
    try:
        sign_in(web, "ada", workbench.password("ada"))
        assert session(workbench, "ada")["environment"] == {
            "R_HOME": HOME,
            "R_SHARE_DIR": f"{HOME}/share",
            "R_INCLUDE_DIR": f"{HOME}/include",
            "R_DOC_DIR": f"{HOME}/doc",
            "LD_LIBRARY_PATH": f"{HOME}/lib:{HOME}/extra",
        }
        workbench.ssh(wish.format("../../../home/ada"))
        sign_in(web, "ada", workbench.password("ada"))
        assert session(workbench, "ada")["environment"]["R_HOME"] == "/usr/lib/R"
    finally:
        workbench.ssh(f"rm /home/ada/{CHOICE}")


def test_what_a_user_put_in_the_place_of_its_log_is_not_opened_by_root(
    workbench: Workbench, applied: Applied
) -> None:
    """Posit's server makes the folders open to all, and gives its log the mode 0666 by its name, as root."""
    assert applied.status == 0, applied.output
    folder = "/var/log/rstudio/rstudio-server"
    look = f"stat -c '%U %a' /var/log/rstudio {folder}"
    assert workbench.ssh(look).stdout.split() == ["root", "755", "rstudio-server", "755"]
    # As a host was on which it had made them.
    workbench.ssh(f"chmod 777 /var/log/rstudio {folder}; install -m 600 /dev/null /root/secret")
    planted = "cd /var/log/rstudio; mv rstudio-server old; mkdir rstudio-server"
    planted += f"; ln -s /root/secret {folder}/rserver.log"
    workbench.ssh(f"runuser -u grace -- sh -ec '{planted}'; systemctl restart rstudio-server")
    assert workbench.ssh(f"{look}; stat -c %a-%s /root/secret").stdout.split() == [
        *("root", "755", "rstudio-server", "755"),
        "600-0",
    ]
    workbench.ssh("rm -r /root/secret /var/log/rstudio/old")


def test_a_package_with_another_sha256_is_refused_and_the_old_one_runs_on(
    workbench: Workbench, applied: Applied
) -> None:
    with workbench.settings(services={"rstudio": {"sha256": "0" * 64}}) as refused:
        assert refused.status != 0
        assert "mirrors.rstudio leads to another file, or the sha256 of services.rstudio" in refused.output
        assert "Traceback" not in refused.output
        assert workbench.ssh("systemctl is-active rstudio-server").stdout.strip() == "active"


def test_a8_who_guesses_is_banned_within_ten_while_others_sign_in_at_once(
    workbench: Workbench, applied: Applied
) -> None:
    """A8: RStudio's server itself knows no address, and asks passwords two at a time."""
    assert applied.status == 0, applied.output
    guesser, neighbour = "127.0.89.2", "127.0.89.3"
    with strangers.short_bans(workbench), ThreadPoolExecutor(1) as pool:
        alone = strangers.seconds(workbench, neighbour, strangers.rstudio_login)
        flood = pool.submit(strangers.flood, workbench, guesser, strangers.rstudio_login)
        strangers.wait_for_failures(workbench, guesser)
        took = [strangers.seconds(workbench, neighbour, strangers.rstudio_login) for _ in range(3)]
        assert strangers.is_at_once(took, alone)
        assert strangers.is_banned(workbench, guesser)
        assert 1 <= strangers.failures(workbench, guesser) <= 10
        found = flood.result()
        assert found[302] == 0
        with strangers.client(workbench, guesser) as browser:
            good = browser, "grace", workbench.password("grace")
            assert strangers.rstudio_login(*good) == strangers.REFUSED
        within = 4 * strangers.BAN_SECONDS
        assert strangers.is_let_in(workbench, guesser, strangers.rstudio_login, within)


@pytest.mark.parametrize(
    "path",
    ["auth-do-sign-in/", "auth-do-sign-in/x", "AUTH-do-sign-in", "auth-do-sign%2Din", "x/../auth-do-sign-in"],
)
def test_a8_no_way_of_writing_the_path_leads_past_the_turns(
    workbench: Workbench, web: httpx.Client, path: str
) -> None:
    """A8, variant: whatever may be the sign-in for the server goes by way of the program that counts."""
    before = failed(workbench)
    web.post(f"/rstudio/{path}", data={"username": "grace", "password": "wrong"})
    assert failed(workbench) == before + 1


def failed(workbench: Workbench) -> int:
    """How many sign-ins the program has seen fail."""
    said = "journalctl -q -u workbench-sign-in -o cat | grep -c 'Failed login from'"
    return int(workbench.ssh(said, check=False).stdout)
