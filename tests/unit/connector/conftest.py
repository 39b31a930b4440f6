"""Of each test's own: a host and a lock, a project root, and the client and the checkout that come to a host."""

from pathlib import Path

import pytest

from connector import configure
from tests.unit.connector.loopback import Ours
from tests.unit.sshd import USER, Client
from workbench import stack


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The folder that is changed."""
    (tmp_path / "host").mkdir()
    return tmp_path / "host"


@pytest.fixture(autouse=True)
def _lock_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ours, "lock", str(tmp_path / "lock"))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project root of the test's own."""
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    return Client(tmp_path / "client", monkeypatch)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in a folder with all that ssh reads otherwise; the administrator of its servers is this user."""
    path = tmp_path / 'the bench %2F %d #1 "it\'s" \\ here'
    path.mkdir()
    monkeypatch.setattr(stack, "ROOT", path)
    monkeypatch.setattr(stack, "ADMIN", USER)
    monkeypatch.setattr(configure, "ADMIN", USER)
    return path
