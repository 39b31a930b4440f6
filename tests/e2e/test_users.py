"""Users among each other: what one may not see of another."""

import pytest

from lab.visitor import Visitor
from tests.workbench_in_lab import Workbench
from workbench.errors import WorkbenchError

pytestmark = pytest.mark.lab


def test_a_kernel_computes_over_https_with_the_certificate_verified(workbench: Workbench) -> None:
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", workbench.password("ada"))
        visitor.spawn()
        assert visitor.run_code("5 * 4").strip() == "20"
        assert (
            visitor.run_code("import sys, polars; print(sys.prefix)")
            .strip()
            .startswith("/opt/workbench/python")
        )


def test_a_users_home_is_unreadable_for_another(workbench: Workbench) -> None:
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", workbench.password("ada"))
        visitor.spawn()
        visitor.run_code("open('private.txt', 'w').write('hers')")
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("grace", workbench.password("grace"))
        visitor.spawn()
        assert "PermissionError" in visitor.run_code(
            "try:\n    open('/home/ada/private.txt')\nexcept OSError as error:\n    print(type(error).__name__)"
        )
        for path in ("/srv/workbench/jupyterhub", "/srv/workbench/users", "/etc/workbench/users.json"):
            said = visitor.run_code(
                f"import os, pathlib\np = pathlib.Path({path!r})\n"
                "try:\n    print(os.listdir(p) if p.is_dir() else p.read_text())\n"
                "except OSError as error:\n    print(type(error).__name__)"
            )
            assert said.strip() == "PermissionError", path


def test_one_user_cannot_use_another_ones_server(workbench: Workbench) -> None:
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("grace", workbench.password("grace"))
        answer = visitor.client.get(f"{workbench.url}jupyter/user/ada/api/contents")
        assert answer.status_code in (403, 404)


def test_a_wrong_password_is_refused(workbench: Workbench) -> None:
    with Visitor(workbench.url, workbench.ca) as visitor, pytest.raises(WorkbenchError):
        visitor.login("ada", workbench.password("grace"))


def test_a_password_does_not_open_ssh(workbench: Workbench) -> None:
    said = workbench.ssh("sshd -T").stdout
    assert "passwordauthentication no" in said
    assert "permitrootlogin no" in said
    assert "exposeauthinfo yes" in said
