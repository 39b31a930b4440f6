"""What the deploy tells the host of alarms, and the units that look."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli.findings import EXPOSURE
from deploy import alarms, storage, units
from deploy.files import TEMPLATES, render
from tests.needs import needs
from workbench.config import parse
from workbench.outputs import Outputs
from workbench.stack import Context
from workbench_host.checkup.units import exposures

FACTS = Outputs(
    stack="prod", region="eu-west-1", zone="eu-west-1a", address="192.0.2.7", host_name="bench.example.org",
    instance_id="i-1", instance_type="t3.large", architecture="x86_64", vcpus=2, memory_mib=8192,
    volume_id="vol-1", url="https://bench.example.org/", ssh="ssh admin@192.0.2.7",
)  # fmt: skip
MAIL = {
    "server": "smtp.example.org", "user": "bench", "password": "s3cret", "from": "bench@example.org",
    "to": ["ada@example.org"],
}  # fmt: skip


def wanted(config: dict[str, Any], **section: Any) -> dict[str, Any]:
    return alarms.wanted(Context(parse({**config, "workbench:alarms": section}), FACTS))


def test_the_host_is_told_whom_to_tell_and_no_secret(config: dict[str, Any]) -> None:
    told = wanted(config, mail=MAIL, webhook="https://hooks.example.org/s3cret")
    assert told["mail"] == {
        "server": "smtp.example.org", "port": 587, "security": "starttls", "user": "bench",
        "from": "bench@example.org", "to": ["ada@example.org"],
    }  # fmt: skip
    assert told["webhook"] is True
    assert "s3cret" not in json.dumps(told)
    assert wanted(config)["mail"] is None


def test_snapshots_are_asked_for_where_daily_ones_are_made(config: dict[str, Any]) -> None:
    assert wanted(config)["snapshots"] is None
    assert wanted({**config, "workbench:snapshots": {"daily": "03:00"}})["snapshots"] == {
        "hours": 26, "volume": "vol-1", "region": "eu-west-1", "endpoint": "https://ec2.eu-west-1.amazonaws.com"
    }  # fmt: skip


VARIABLES = {
    "program": "/bin/true", "credential": "alarms", "secrets": "/etc/workbench/alarms", "state": "workbench-alarms",
    "snapshot_state": "workbench-snapshots",
    "device": storage.DEVICE,
}  # fmt: skip


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """The units of this part, as the host gets them."""
    names = [f"alarms/{unit}.service.j2" for unit in (alarms.UNIT, alarms.SNAPSHOTS_UNIT)]
    names.append(f"storage/{storage.UNIT}.j2")
    for name in names:
        (tmp_path / Path(name).stem).write_text(render(name, **VARIABLES))
    for timer in (TEMPLATES / "alarms").glob("*.timer"):
        (tmp_path / timer.name).write_text(timer.read_text())
    return sorted(tmp_path.glob("workbench-*"))


@needs("systemd-analyze")
def test_systemd_understands_every_line_of_the_units(paths: list[Path]) -> None:
    said = subprocess.run(
        ["systemd-analyze", "verify", *map(str, paths)], capture_output=True, text=True, check=False
    ).stderr
    ours = [line for line in said.splitlines() if any(path.name in line for path in paths)]
    # This machine has none of the deploy's other units.
    assert [line for line in ours if "not found" not in line] == []


@needs("systemd-analyze")
def test_the_units_reach_no_more_than_they_have_to(paths: list[Path]) -> None:
    services = [str(path) for path in paths if path.suffix == ".service"]
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", *services],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    found = exposures(said)
    assert len(found) == len(services), said
    assert {unit: level for unit, level in found.items() if level > EXPOSURE} == {}


@needs("systemd-escape")
def test_the_volumes_device_is_called_as_systemd_calls_it() -> None:
    path = "/dev/disk/by-label/workbench-data"
    said = subprocess.run(
        ["systemd-escape", "--path", "--suffix=device", path], capture_output=True, text=True, check=True
    ).stdout
    assert said.strip() == storage.DEVICE
    assert units.started_with(storage.UNIT) == [storage.UNIT]
