"""A data volume of each test's own, a host of apps, a user with schedules, the team's environments, data."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.host import data_service, team_folders
from tests.unit.host.app_host import AppHost, Make
from tests.unit.host.schedule_person import Person
from tests.unit.host.volume_file import MIB
from workbench_host.data import server
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


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes an AppHost; all are ended with the test, and none of them has complained."""
    folders: list[Path] = []
    hosts: list[AppHost] = []

    def made(**limits: float) -> AppHost:
        folders.append(Path(tempfile.mkdtemp(prefix="wb")))
        hosts.append(AppHost(folders[-1], **limits))
        return hosts[-1]

    yield made
    said = [host.stop() for host in hosts]
    for folder in folders:
        shutil.rmtree(folder)
    assert [text for text in said if "Traceback" in text or "never retrieved" in text] == []


@pytest.fixture
def apps(make: Make) -> AppHost:
    return make()


@pytest.fixture
def opt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """/opt/environments, of which there are none yet."""
    return team_folders.make(tmp_path, monkeypatch)


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Person:
    return Person(tmp_path / "home", monkeypatch, capfd)


@pytest.fixture
def granted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The deploy's file; ada and grace are users."""

    def known(uid: int) -> Any:
        if uid not in data_service.NAMES:
            raise KeyError
        return type("Account", (), {"pw_name": data_service.NAMES[uid]})

    monkeypatch.setattr(server.pwd, "getpwuid", known)
    path = tmp_path / "data.json"
    path.write_text(json.dumps(data_service.told()))
    return path
