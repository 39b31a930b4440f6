"""The program that brings the Pulumi CLI, and a machine of each test's own."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.tools.machine import TOOLS, Machine


@pytest.fixture
def install() -> ModuleType:
    """tools/pulumi/install.py, anew."""
    spec = importlib.util.spec_from_file_location("install", TOOLS / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def machine(tmp_path: Path, install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, install, monkeypatch)
