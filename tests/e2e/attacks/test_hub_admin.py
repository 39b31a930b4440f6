"""What an administrator reaches by the hub alone: ada's browser session, without her sudo."""

from collections.abc import Iterator
from http import HTTPStatus

import pytest

from lab.visitor import XSRF, Visitor
from tests.deploy.test_jupyterhub import eventually
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab
HUB = "/jupyter/hub"


@pytest.fixture(scope="module")
def grace(workbench: Workbench) -> Iterator[Visitor]:
    """Somebody at work who is no administrator."""
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("grace", workbench.password("grace"))
        eventually(lambda: visitor.spawn() or "")
        visitor.write_file("private.txt", b"of nobody else")
        yield visitor


@pytest.mark.usefixtures("grace")
def test_an_administrator_of_the_hub_opens_nobody_elses_server_without_sudo(workbench: Workbench) -> None:
    """Beside A1 to A15: an admin of the hub opened anybody's terminal without sudo's password."""
    with Visitor(workbench.url, workbench.ca) as ada:
        ada.login("ada", workbench.password("ada"))
        same_site = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}

        def asked(method: str, path: str, **body: object) -> int:
            token = next(
                one.value for one in ada.client.cookies.jar if one.name == XSRF and one.path == f"{HUB}/"
            )
            headers = {**same_site, "X-XSRFToken": token or ""}
            return ada.client.request(method, f"{ada.url}{path}", headers=headers, **body).status_code  # type: ignore[arg-type]

        assert asked("GET", f"{HUB}/admin") == HTTPStatus.OK
        assert asked("GET", f"{HUB}/api/users") == HTTPStatus.OK
        refused = {
            ("GET", "/jupyter/user/grace/lab"): None,
            ("GET", "/jupyter/user/grace/api/contents/private.txt"): None,
            ("POST", f"{HUB}/api/users/grace/tokens"): {"note": "hers"},
            ("POST", f"{HUB}/api/users/ada/tokens"): {"scopes": ["access:servers!user=grace"]},
            ("POST", f"{HUB}/api/shares/grace/"): {"user": "ada", "scopes": ["access:servers!server=grace/"]},
            ("POST", f"{HUB}/api/users/grace/servers/second"): {},
            ("GET", f"{HUB}/spawn/grace"): None,  # its form chooses a first password
            ("PATCH", f"{HUB}/api/users/grace"): {"name": "other"},
            ("PATCH", f"{HUB}/api/users/ada"): {"admin": True},
            ("POST", f"{HUB}/api/groups/managers/users"): {"users": ["grace"]},
            ("POST", f"{HUB}/api/shutdown"): {"servers": True},
        }
        said = {what: asked(*what, json=body) for what, body in refused.items()}
        no = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}
        assert {what: status for what, status in said.items() if status not in no} == {}
