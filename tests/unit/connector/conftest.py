"""A host of each test's own, and a lock."""

from pathlib import Path

import pytest

from tests.unit.connector.loopback import Ours


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The folder that is changed."""
    (tmp_path / "host").mkdir()
    return tmp_path / "host"


@pytest.fixture(autouse=True)
def _lock_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ours, "lock", str(tmp_path / "lock"))
