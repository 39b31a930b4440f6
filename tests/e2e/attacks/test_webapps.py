"""Attacks on web apps that users run, and by them: what another user listens on, asks for, and links to.

Grace, who is no administrator, has listened on a port before ada came to use it, and has a login of her own.
"""

from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect

from lab.visitor import Visitor
from tests.e2e import webapps
from tests.e2e.attacks.browsers import PAGE, SCRIPT, answered
from tests.e2e.attacks.people import visiting
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

ADAS, GRACES = 18601, 18602
PROXY = "jupyter/user/ada/proxy"


@pytest.fixture(scope="module")
def people(workbench: Workbench) -> Iterator[tuple[Visitor, Visitor]]:
    """Ada and grace with a server each, and an app each that answers all."""
    with visiting(workbench, "ada") as ada, visiting(workbench, "grace") as grace:
        webapps.tell(workbench, "ada", ADAS)
        webapps.tell(workbench, "grace", GRACES, "0.0.0.0")
        yield ada, grace
        webapps.end(workbench, "ada", "grace")


def test_the_owner_reaches_her_app_and_grace_hers(
    workbench: Workbench, people: tuple[Visitor, Visitor]
) -> None:
    """Without which nothing below would say anything."""
    ada, grace = people
    assert f"{webapps.ANSWER}ada" in answered(workbench, ada, f"{PROXY}/{ADAS}/", PAGE).text
    hers = answered(workbench, grace, f"jupyter/user/grace/proxy/{GRACES}/", PAGE)
    assert f"{webapps.ANSWER}grace" in hers.text


PATHS = (f"{ADAS}/", f"absolute/{ADAS}/", "unix/tidy/", f"localhost:{ADAS}/")
METHODS = ("POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH")
WAYS = [
    *(
        ("GET", path, headers)
        for path in PATHS
        for headers in (PAGE, SCRIPT, {}, {"Authorization": "token none"})
    ),
    *((method, PATHS[0], headers) for method in METHODS for headers in (PAGE, SCRIPT)),
]


def test_nobody_else_reaches_an_app_by_its_owners_address(
    workbench: Workbench, people: tuple[Visitor, Visitor], stranger: httpx.Client
) -> None:
    """Neither who has logged in nor who has not, for a page, as a script, as a program, by whatever method."""
    before = webapps.connected(workbench, "ada")
    for client in (people[1].client, stranger):
        for method, path, headers in WAYS:
            answer = client.request(
                method, f"{workbench.url}{PROXY}/{path}", headers=headers, follow_redirects=False
            )
            assert answer.status_code in (302, 403, 404, 405), (method, path, headers, answer.text)
            assert webapps.ANSWER not in answer.text
    assert webapps.connected(workbench, "ada") == before


def test_no_websocket_to_an_app_is_opened_to_anybody_else_or_by_another_sites_page(
    workbench: Workbench, people: tuple[Visitor, Visitor]
) -> None:
    """CVE-2024-28179 of jupyter-server-proxy: websockets were proxied without a login."""
    ada, grace = people
    address = f"wss{workbench.url.removeprefix('https')}{PROXY}/{ADAS}/ws?token=what-only-the-app-knows"
    before = webapps.connected(workbench, "ada")
    own = {"Cookie": ada._cookies(f"/{PROXY}/")}
    for headers in (
        {},
        {"Cookie": grace._cookies("/jupyter/user/grace/")},
        {**own, "Origin": "https://evil.example"},
    ):
        with pytest.raises(InvalidStatus, match="HTTP 403"):
            connect(address, ssl=ada.tls, additional_headers=headers, proxy=None).close()
    assert webapps.connected(workbench, "ada") == before
    # The app speaks no websocket: what it is told is only that she has come through to it.
    with (
        connect(address, ssl=ada.tls, additional_headers=own, proxy=None) as hers,
        pytest.raises(WebSocketException),
    ):
        hers.recv(timeout=20)
    assert webapps.connected(workbench, "ada") == before + 1
    journal = workbench.ssh(
        "journalctl -b --no-pager -u jupyter-ada-singleuser -u caddy -u jupyterhub-proxy"
    ).stdout
    assert "No websocket at" in journal
    assert "what-only-the-app-knows" not in journal


def test_what_grace_listens_on_is_not_shown_at_adas_address(
    workbench: Workbench, people: tuple[Visitor, Visitor]
) -> None:
    """A link to /jupyter/user/ada/proxy/PORT/, sent to ada, would be grace's page on ada's own site."""
    ada, _ = people
    before = webapps.connected(workbench, "grace")
    for path in (f"{GRACES}/", f"absolute/{GRACES}/", f"{GRACES}/x.js"):
        for headers in (PAGE, SCRIPT):
            answer = answered(workbench, ada, f"{PROXY}/{path}", headers)
            assert (answer.status_code, webapps.ANSWER in answer.text) == (502, False), path
    assert (
        "What others run on the same port is not shown"
        in answered(workbench, ada, f"{PROXY}/{GRACES}/", PAGE).text
    )
    assert webapps.connected(workbench, "grace") == before


def test_who_listens_on_the_same_port_of_another_address_of_loopback_is_not_shown_either(
    workbench: Workbench, people: tuple[Visitor, Visitor]
) -> None:
    """A server looks for an app at `localhost`, which has two addresses, and comes to the other one first."""
    webapps.tell(workbench, "grace", ADAS, "::1")
    for _ in range(3):
        answer = answered(workbench, people[0], f"{PROXY}/{ADAS}/", PAGE)
        assert f"{webapps.ANSWER}ada" in answer.text
    assert webapps.connected(workbench, "grace") == 0


ELSEWHERE = (
    "169.254.169.254:80/latest/api/token",
    "absolute/169.254.169.254:80/",
    "localhost:87/",
    "127.0.0.1:22/",
    "absolute/127.0.0.1:80/",
    "0.0.0.0:80/",
    "[::1]:80/",
    "example.org:80/",
    "22/",
    "80/",
    "87/",
    "443/",
    "absolute/87/auth-sign-in",
    "0/",
    "65536/",
    "65623/",  # 87 in 16 bits
    "000087/",
    "%38%37/",
    "unix/..%2Fserver/",
    "unix/%2e%2e%2fserver/",
)


def test_a_server_leads_to_no_other_host_and_to_no_port_of_a_service(
    workbench: Workbench, people: tuple[Visitor, Visitor]
) -> None:
    """Their pages would be on the user's own site (CVE-2024-35225 is of that kind), also by a link from others."""
    forged = {**SCRIPT, "X-Forwarded-Host": "127.0.0.1", "X-Forwarded-For": "127.0.0.1"}
    for path in ELSEWHERE:
        url = httpx.URL(workbench.url).copy_with(raw_path=f"/{PROXY}/{path}".encode())
        for headers in (PAGE, SCRIPT, forged):
            answer = people[0].client.get(url, headers=headers, follow_redirects=False)
            # A script's request for what is no app is refused by way of the login.
            sent = "/jupyter/hub/api/oauth2/authorize?" in answer.headers.get("Location", "")
            said = (answer.status_code, sent)
            assert said in ((403, False), (404, False), (302, True)), (path, headers, answer.text[:200])


def test_what_a_link_has_in_a_hosts_place_is_no_script_of_the_page_that_refuses(
    workbench: Workbench, people: tuple[Visitor, Visitor]
) -> None:
    """CVE-2024-35225: the host was shown on the page as it came, markup and all."""
    for name in (
        "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "<script>alert(1)<%2Fscript>",
        "%3Cimg%20src=x%20onerror=alert(1)%3E",
    ):
        url = httpx.URL(workbench.url).copy_with(raw_path=f"/{PROXY}/{name}:80/".encode())
        answer = people[0].client.get(url, headers=PAGE, follow_redirects=False)
        assert answer.status_code in (403, 404)
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
