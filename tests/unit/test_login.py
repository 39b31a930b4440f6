"""Who somebody is, is decided in one place (docs/login.md): another one that appears fails here."""

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from workbench import ROOT
from workbench_hub import login, users

# What asks for a password or compares one. `chpasswd` and the registry of accounts write what is known already.
ASKING = re.compile(
    r"\bpamela\b|\bPAMAuthenticator\b|pam_authenticate|\bpam_start\b|libpam\.so|\bcrypt\.crypt\b|\bcheckpw\b"
)
CODE = {"host": ".py", "deploy": ".py", "templates": ""}


def files() -> list[Path]:
    found = [
        path
        for folder, ending in CODE.items()
        for path in (ROOT / folder).rglob(f"*{ending}")
        if path.is_file() and "__pycache__" not in path.parts and "locks" not in path.parts
    ]
    assert len(found) > 150
    return sorted(found)


def with_code(pattern: re.Pattern[str]) -> list[str]:
    """The files with a line that matches, comments and docstrings of one line left out."""
    told = re.compile(r"^\s*(#|//|\"\"\")|\bimports jupyterhub, and with it\b")
    found = []
    for path in files():
        lines = [line for line in path.read_text(errors="replace").splitlines() if not told.search(line)]
        if any(pattern.search(line) for line in lines):
            found.append(str(path.relative_to(ROOT)))
    return found


def test_passwords_are_asked_for_in_one_module() -> None:
    assert with_code(ASKING) == ["host/workbench_hub/login.py"]


def test_pam_decides_by_one_rule_which_the_others_include() -> None:
    assert with_code(re.compile(r"^-?auth\s")) == ["templates/users/workbench-login"]
    rules = [path for path in files() if path.name == "pam"]
    assert sorted(path.parent.name for path in rules) == ["jupyterhub", "rstudio"]
    for path in rules:
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        assert lines[0] == "@include workbench-login"


def test_a_login_gives_a_name_and_the_hosts_groups_say_whether_it_gets_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As another login will do, without a password anywhere."""

    class Theirs(users.HostUsers):
        async def account(self, _: object, data: object) -> str | None:
            return {"badge 7": "ada", "badge 8": "mallory"}.get(str(data))

    monkeypatch.setattr(users, "is_in", lambda group, name: name == "ada" and group == users.EVERYBODY)
    handler = SimpleNamespace(request=SimpleNamespace(remote_ip="192.0.2.1"))
    got = [asyncio.run(Theirs().authenticate(handler, badge)) for badge in ("badge 7", "badge 8", "none")]
    assert got == [{"name": "ada", "admin": False, "groups": []}, None, None]
    assert issubclass(users.HostUsers, login.Login)
