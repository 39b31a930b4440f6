"""Attacks by what a browser is shown of a user's own server: pages, scripts, cookies, headers.

To a browser all of the workbench is one site. Grace, who is no administrator, has put a program of her own in the
place of her server (rogue.py).
"""

import json
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright

from lab.visitor import Visitor
from tests.e2e.attacks import rogue
from tests.e2e.attacks.browsers import PAGE, SCRIPT, answered
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

CHROMIUM = "/usr/bin/chromium"
HERS = "jupyter/user/grace/page"


@pytest.fixture(scope="module")
def grace(workbench: Workbench) -> Iterator[Visitor]:
    """Grace in her browser, and her program in the place of her server."""
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("grace", workbench.password("grace"))
        visitor.spawn()
        program = shlex.quote(Path(rogue.__file__).read_text())
        socket = "$(echo /run/jupyter/$(id -u grace)-*)/server.sock"
        run = f"runuser -u grace -- python3 -c {program} {socket}"
        workbench.ssh(f"(setsid {run} > /dev/null 2>&1 < /dev/null &)")
        until = time.monotonic() + 20
        while "rogue" not in visitor.client.get(f"{workbench.url}{HERS}", headers=PAGE).text:
            assert time.monotonic() < until, "her program does not answer"
            time.sleep(0.2)
        yield visitor
        workbench.ssh("systemctl stop jupyter-grace-singleuser; pkill -u grace -f rogue", check=False)


def attributes(cookie: str) -> dict[str, str]:
    """A Set-Cookie's attributes by name as a browser takes them: of two of one name the last (RFC 6265, 5.3)."""
    parts = [part.partition("=") for part in cookie.split(";")[1:]]
    return {name.strip().lower(): value.strip() for name, _, value in parts}


@pytest.mark.parametrize("headers", [PAGE, SCRIPT])
def test_a7_a_users_server_sets_and_clears_cookies_below_its_own_path_only(
    workbench: Workbench, grace: Visitor, headers: dict[str, str]
) -> None:
    """A7: Set-Cookie turned one session into another, Clear-Site-Data logged out."""
    answer = answered(workbench, grace, HERS, headers)
    assert answer.status_code == 200
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == len([name for name, _ in rogue.HEADERS if name == "Set-Cookie"])
    for cookie in cookies:
        found = attributes(cookie)
        assert re.fullmatch("/jupyter/user/grace/(second/)?", found["path"]), cookie
        assert ("domain" in found, "secure" in found, found["samesite"]) == (False, True, "Lax"), cookie
        assert not re.match(r"[\s=]*__(Host|Secure)-", cookie), cookie
    for name in ("Clear-Site-Data", "Service-Worker-Allowed", "NEL", "Report-To", "WWW-Authenticate"):
        assert name not in answer.headers
    for name in ("Cross-Origin-Opener-Policy", "Strict-Transport-Security"):
        assert name not in answer.headers
    assert not re.search("6.6.6|caddy", str(answer.headers), re.IGNORECASE)


def test_a3_a_users_server_gets_nobodys_login(workbench: Workbench, grace: Visitor) -> None:
    """A3: the hub's login cookie is sent to the whole site, and handed on to the hub alone."""
    assert any(cookie.name == "__Host-jupyterhub-hub-login" for cookie in grace.client.cookies.jar)
    for headers in (PAGE, SCRIPT):
        told = answered(workbench, grace, HERS, headers).headers["X-Cookies"]
        assert "jupyterhub-session-id" in told
        assert "__Host-" not in told


SPELLINGS = (
    HERS,
    "jupyter/user/grace",
    "jupyter/%75ser/grace/page",
    "jupyter/user/%67race/page",
    "jupyter/user%2Fgrace%2Fpage",
    "jupyter%2Fuser%2Fgrace%2Fpage",
    "jupyter//user/grace/page",
    "jupyter/./user/grace/page",
    "jupyter/hub/../user/grace/page",
    "jupyter/user/ada/../grace/page",
    "jupyter/user/ada%2F..%2Fgrace/page",
    "jupyter/user/grace/page?next=/jupyter/hub/static/",
    "jupyter/user/grace/api/x.png",
    "JUPYTER/USER/GRACE/page",
    "jupyter\\user\\grace\\page",
    # To one of the two proxies it is hers, to the other the visitor's, the hub's or nobody's.
    "jupyter/user/grace%2F..%2Fada/page",
    "jupyter/user/grace%2F..%2F..%2Fhub%2Fx",
    "jupyter/user/grace/..%2f..%2fhub/x",
    "jupyter/user/grace/%2e%2e/ada/page",
    "/jupyter/jupyter/user/grace/page",
    "/x/jupyter/user/grace/page",
    "%2Fjupyter/jupyter/user/grace/page",
)


@pytest.mark.parametrize("headers", [PAGE, {"Accept": "text/html"}, PAGE | {"Authorization": "Basic eDp5"}])
def test_a3_her_page_is_shown_to_nobody_else_however_its_address_is_spelled(
    workbench: Workbench, grace: Visitor, ada: Visitor, stranger: httpx.Client, headers: dict[str, str]
) -> None:
    """A3: a page of hers, visited, had all that its visitor has. Not to an administrator either."""
    for path in SPELLINGS:
        for client in (ada.client, stranger):
            # As it is spelled: httpx would tidy it up.
            url = httpx.URL(workbench.url).copy_with(raw_path=f"/{path}".encode())
            answer = client.get(url, headers=headers, follow_redirects=False)
            assert "rogue" not in answer.text, path
            assert "X-Cookies" not in answer.headers, path
    assert answered(workbench, ada, HERS, headers).status_code == 403
    sent = stranger.get(f"{workbench.url}{HERS}", headers=headers)
    assert sent.headers["Location"].startswith("/jupyter/hub/login?next=%2Fjupyter%2Fuser%2Fgrace%2Fpage")


def test_a3_who_is_no_administrator_is_refused_and_programs_get_no_page(
    workbench: Workbench, grace: Visitor
) -> None:
    """A3, between people who are equal: ada's server is nothing that grace could open."""
    refused = answered(workbench, grace, "jupyter/user/ada/lab", PAGE)
    assert (refused.status_code, "somebody else" in refused.text) == (403, True)
    program = answered(workbench, grace, "jupyter/user/ada/lab", {"Accept": "application/json"})
    assert (program.status_code, list(program.json())) == (403, ["message"])


def test_a3_what_a_script_got_is_no_page_when_it_is_shown_later(workbench: Workbench, grace: Visitor) -> None:
    """A3: what a browser has in its cache from a request that nobody was asked about."""
    assert answered(workbench, grace, HERS, SCRIPT).headers.get_list("content-security-policy") == ["sandbox"]


@pytest.mark.parametrize("mode", ["cors", "no-cors", "same-origin"])
def test_a3_no_script_reads_the_hubs_pages(workbench: Workbench, ada: Visitor, mode: str) -> None:
    """A3: from any page of the site the hub's pages could be fetched, with the token that its API asks for."""
    headers = {**SCRIPT, "Sec-Fetch-Mode": mode}
    for path in ("home", "token", "admin", "login", "spawn", "%68ome", "api/oauth2/authorize"):
        answer = answered(workbench, ada, f"jupyter/hub/{path}", headers)
        assert (answer.status_code, "xsrf" in answer.text) == (403, False), path
    home = answered(workbench, ada, "jupyter/hub/home", PAGE)
    assert home.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in home.headers["Content-Security-Policy"]
    assert home.headers["Cache-Control"] == "no-store"


def test_a3_in_a_browser_her_page_is_refused_to_others_and_gets_nothing_of_the_hub(
    workbench: Workbench, grace: Visitor
) -> None:
    """A3, in Chromium: ada does not see it; where it is shown, its script gets at no page and no API of the hub's."""
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-popup-blocking"]
        )
        for user in ("ada", "grace"):
            page = browser.new_context(ignore_https_errors=True).new_page()
            page.goto(f"{workbench.url}jupyter/hub/login?next=/{HERS}")
            page.fill("#username_input", user)
            page.fill("#password_input", workbench.password(user))
            page.click("#login_submit")
            if user == "ada":
                page.get_by_text("somebody else's").wait_for()
        page.wait_for_function("document.title === 'done'", timeout=60_000)
        found: dict[str, Any] = json.loads(page.text_content("#found") or "")
        browser.close()
    assert len(found) == 9
    assert {name: said for name, said in found.items() if said != "refused"} == {}
