"""The Pulumi program under mocks: locks of the team's environments are files beside the stack file, and decide."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.unit.test_team import PINS
from workbench import stackfile, team
from workbench.settings import Environment

GEO = {"name": "geo", "python": "3.13", "requirements": "geo.txt"}


def digest_of(cloud: Any) -> str:
    [one] = [one for one in cloud.resources if one.typ.endswith(":Configuration")]
    return str(one.inputs["digest"])


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the lock of GEO is to be; the file that it is made from is there."""
    path = tmp_path / "Pulumi.dev.yaml"
    monkeypatch.setattr(stackfile, "path_of", lambda stack: path)
    (tmp_path / "geo.txt").write_text("six\n")
    return team.path_of(path, Environment.model_validate(GEO))


def test_an_environment_without_a_lock_is_refused_before_anything_is_made(
    declare: Any, cloud: Any, lock: Path
) -> None:
    with pytest.raises(pulumi.RunError, match=r"environments\[0\] has no lock \(Pulumi.dev.locks/geo.txt\)"):
        declare(environments=[GEO])
    assert not cloud.resources


def test_another_lock_is_another_configuration(declare: Any, cloud: Any, lock: Path) -> None:
    found = []
    for version in ("1.16.0", "1.17.0", "1.16.0"):
        lock.parent.mkdir(exist_ok=True)
        header = team.header(Environment.model_validate(GEO), "six\n")
        lock.write_text(header + PINS.replace("1.17.0", version))
        cloud.resources.clear()
        declare(environments=[GEO])
        found.append(digest_of(cloud))
    assert found[0] != found[1]
    assert found[0] == found[2]
