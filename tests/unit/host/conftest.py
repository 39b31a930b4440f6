"""A data volume of each test's own."""

from pathlib import Path

import pytest

from tests.unit.host.volume_file import MIB
from workbench_host.volume import content
from workbench_host.volume import program as volume


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A blank volume of 64 MiB, and a system's disk of its own for the marker."""
    path = tmp_path / "device"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    (tmp_path / "lib").mkdir()
    monkeypatch.setattr(volume, "MARKER", str(tmp_path / "lib" / "formatting.json"))
    monkeypatch.setattr(content, "EBS_DEVICES", f"{tmp_path}/by-id/*")
    return str(path)
