"""What several tests of the command begin with."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli import activity
from tests.unit import pulumi_project
from tests.unit.cli.bake_on_lab import Bench, baking_stack
from tests.unit.cli.rebuild_on_moto import Rebuilt, rebuilt
from tests.unit.cli.stack_on_moto import World, account, world
from workbench import stack as stacks

SETTINGS = SimpleNamespace(zone="eu-west-1a", data_volume_gib=10)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Pulumi project whose stack nothing was made of, for each test to copy."""
    root = tmp_path_factory.mktemp("project") / "template"
    pulumi_project.make(root)
    return root


@pytest.fixture(scope="module")
def ec2() -> Iterator[Any]:
    """EC2 of an account in this process."""
    with account() as client:
        yield client


@pytest.fixture
def aws(ec2: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A stack in it, on which nobody is at work."""
    monkeypatch.setattr(stacks, "settings", lambda stack: SETTINGS)
    monkeypatch.setattr(activity, "people", lambda facts: [])
    with world(ec2, tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def made(ec2: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rebuilt]:
    """One that is rebuilt, on which nobody is at work."""
    monkeypatch.setattr(activity, "people", lambda facts: [])
    with rebuilt(ec2, tmp_path, monkeypatch) as one:
        yield one


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A stack of which images are made."""
    with baking_stack(tmp_path, monkeypatch) as made:
        yield made
