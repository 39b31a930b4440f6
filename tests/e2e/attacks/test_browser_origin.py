"""Attacks by what a browser is shown: pages of a user's own server, cookies, headers, and what a logout leaves.

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
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

CHROMIUM = "/usr/bin/chromium"
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
SCRIPT = {"Accept": "*/*", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
HERS = "jupyter/user/grace/page"
# A version or an address of the inside, as headers and pages might show one.
TELLING = re.compile(
    r"\b\d+\.\d+\.\d+\b|127\.0\.0\.1|localhost|\.sock\b|tornado|caddy|python/", re.IGNORECASE
)


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


@pytest.fixture
def ada(workbench: Workbench) -> Iterator[Visitor]:
    """An administrator, whose browser has just logged in."""
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", workbench.password("ada"))
        yield visitor


@pytest.fixture
def stranger(workbench: Workbench) -> Iterator[httpx.Client]:
    """A browser without any cookie, which follows no redirect."""
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.client.follow_redirects = False
        yield visitor.client


def answered(workbench: Workbench, visitor: Visitor, path: str, headers: dict[str, str]) -> httpx.Response:
    return visitor.client.get(f"{workbench.url}{path}", headers=headers, follow_redirects=False)


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


def test_a12_no_cookie_of_a_session_opens_anything_after_its_logout(workbench: Workbench) -> None:
    """A12: a copy of the hub's cookie stayed valid. Those of another browser of the same user end as well."""
    with Visitor(workbench.url, workbench.ca) as visitor, Visitor(workbench.url, workbench.ca) as other:
        for browser in (visitor, other):
            browser.login("ada", workbench.password("ada"))
            browser.spawn()
        copies = [httpx.Cookies(browser.client.cookies) for browser in (visitor, other)]
        visitor.logout()
        other.user = ""
        other.client.cookies.clear()
        for copy in copies:
            token = next(one.value for one in copy.jar if one.name == "_xsrf" and "/user/" in one.path)
            with httpx.Client(verify=visitor.tls, cookies=copy, trust_env=False) as thief:
                for path in ("jupyter/hub/home", "jupyter/user/ada/lab", "jupyter/hub/token"):
                    answer = thief.get(f"{workbench.url}{path}", headers=PAGE)
                    assert answer.headers["Location"].startswith("/jupyter/hub/login"), path
                headers = {**SCRIPT, "X-XSRFToken": str(token)}
                until = time.monotonic() + 12  # HubAuth.cache_max_age, and a little
                while thief.get(f"{workbench.url}jupyter/user/ada/api/kernels", headers=headers).is_success:
                    assert time.monotonic() < until
                    time.sleep(0.5)


def test_a12_every_cookie_is_for_tls_and_lax_and_for_scripts_only_where_one_reads_it(
    workbench: Workbench, ada: Visitor
) -> None:
    """A12: no SameSite, _xsrf without Secure. JupyterLab's scripts read the _xsrf of their own server, no other."""
    ada.spawn()
    readable = []
    for cookie in ada.client.cookies.jar:
        assert cookie.secure, cookie.name
        assert cookie.get_nonstandard_attr("SameSite") == "Lax", cookie.name
        if not cookie.has_nonstandard_attr("HttpOnly"):
            readable.append((cookie.name, cookie.path))
    assert readable == [("_xsrf", "/jupyter/user/ada/")]


def test_a14_no_answer_tells_a_version_or_an_address_of_the_inside(
    workbench: Workbench, ada: Visitor, stranger: httpx.Client
) -> None:
    """A14: versions in headers. Pages, redirects and errors of all kinds, for a browser and for a program."""
    ada.spawn()
    own = workbench.outputs.host_name
    plain = workbench.url.replace("https", "http")
    urls = [plain, *(f"{workbench.url}{path}" for path in ("", "nothing", "jupyter", "jupyter/hub/login"))]
    paths = (
        "hub/nothing",
        "hub/api/users",
        "hub/api/nothing",
        "hub/error/503",
        "user/ada/nothing",
        "user/nobody/",
    )
    urls += [f"{workbench.url}jupyter/{path}" for path in paths]
    for client in (stranger, ada.client):
        for headers in (PAGE, SCRIPT, {"Accept": "application/json"}):
            for url in urls:
                answer = client.get(url, headers=headers, follow_redirects=False)
                shown = f"{answer.headers} {answer.text}" if answer.is_error else str(answer.headers)
                assert not TELLING.search(shown.replace(own, "").replace("xsrf", "")), (url, headers)
                assert "Server" not in answer.headers, (url, headers)
                if answer.is_error and "text/html" not in headers["Accept"] and "/user/" not in url:
                    assert "<html" not in answer.text, (url, headers)


def error(answer: httpx.Response) -> tuple[int, str]:
    """Its status and what it says, once it is seen to be one of our own, which no browser keeps."""
    assert answer.headers["Cache-Control"] == "no-store"
    assert not TELLING.search(f"{answer.headers} {answer.text}".replace(str(answer.url.host), ""))
    if answer.headers["Content-Type"].startswith("application/json"):
        return answer.status_code, str(answer.json()["message"])
    assert 'href="/site.css"' in answer.text  # the landing page's look
    assert 'href="/"' in answer.text  # the way back
    return answer.status_code, answer.text


def test_a_server_that_was_killed_is_said_so_and_its_addresses_token_is_logged_nowhere(
    workbench: Workbench, ada: Visitor
) -> None:
    """Errors that people see, and tokens in addresses: the proxy asks the hub for a page with the address in it."""
    ada.spawn()
    workbench.ssh("systemctl kill -s KILL jupyter-ada-singleuser")
    address = "jupyter/user/ada/lab?token=sesame"
    until, status = time.monotonic() + 10, 200
    while status < 500 and time.monotonic() < until:
        status, text = error(answered(workbench, ada, address, PAGE))
    assert (status, "Start it again" in text) == (503, True)
    status, text = error(answered(workbench, ada, "jupyter/user/ada/api/kernels?token=sesame", SCRIPT))
    assert (status, "<" in text) == (503, False)
    assert (
        "sesame"
        not in workbench.ssh(
            "journalctl --since -1min -o cat _COMM=caddy + _COMM=node + _COMM=jupyterhub"
        ).stdout
    )
    ada.spawn()  # and it starts again


def test_services_that_are_stopped_are_said_so_to_people_and_to_programs(
    workbench: Workbench, ada: Visitor
) -> None:
    """502 and 503, of the hub and of its proxy."""
    try:
        for unit, status in (("jupyterhub", 503), ("jupyterhub-proxy", 502)):
            workbench.ssh(f"systemctl stop {unit}")
            for path in ("jupyter/hub/home", "jupyter/hub/api/users"):
                for headers in (PAGE, {"Accept": "application/json"}):
                    found, text = error(answered(workbench, ada, path, headers))
                    assert (found, "does not answer" in text) == (status, True), (unit, path)
    finally:
        workbench.ssh("systemctl start jupyterhub")


def test_c29_a_home_in_which_the_server_cannot_write_is_said_at_once(workbench: Workbench) -> None:
    """C29: 120 s of a progress bar, then an address of the inside."""
    workbench.ssh("systemctl stop jupyter-grace-singleuser", check=False)
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("grace", workbench.password("grace"))
        until = time.monotonic() + 60  # the hub looks after its servers every 30 s
        workbench.ssh("cd /home/grace && mkdir -p .local && chown root: .local")
        try:
            while True:
                begun = time.monotonic()
                answer = answered(workbench, visitor, "jupyter/hub/spawn", PAGE)
                if answer.status_code == 409 or time.monotonic() > until:
                    break
                time.sleep(1)
            assert time.monotonic() - begun < 3
            assert "sudo chown -hR grace: /home/grace/.local" in error(answer)[1]
        finally:
            workbench.ssh("chown grace: /home/grace/.local")
        visitor.spawn()


def test_a13_the_ca_vouches_for_this_workbench_alone_and_only_caddy_reads_its_key(
    workbench: Workbench,
) -> None:
    """A13: ten years, for any site. Its key signs another name here, and nobody who trusts it takes that."""
    script = """
        cd $(mktemp -d) && own=/srv/workbench/caddy/pki/authorities/local
        for name in IP:192.0.2.99 DNS:bank.example DNS:localhost; do
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 7 -subj / -keyout key -out leaf \
                -CA $own/root.crt -CAkey $own/root.key -addext subjectAltName=critical,$name 2>/dev/null
            openssl verify -CAfile /etc/workbench/ca.crt leaf 2>&1 | grep -o 'permitted subtree violation'
        done
        openssl x509 -in /etc/workbench/ca.crt -noout -checkend $((731 * 86400)) || echo limited
        runuser -u grace -- ls $own $own/root.key 2>&1 | grep -c 'Permission denied'
    """
    said = workbench.ssh(script, check=False).stdout.splitlines()
    assert [line for line in said if "violation" in line] == ["permitted subtree violation"] * 3
    assert "limited" in said
    assert said[-1] == "2"
