"""What a login leaves, what answers tell, and what people see where something is down or refused."""

import re
import time

import httpx
import pytest

from lab.visitor import Visitor
from tests.e2e.attacks.browsers import PAGE, SCRIPT, answered
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab

# A version or an address of the inside, as headers and pages might show one.
TELLING = re.compile(
    r"\b\d+\.\d+\.\d+\b|127\.0\.0\.1|localhost|\.sock\b|tornado|caddy|python/", re.IGNORECASE
)


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
