"""What the code imports is what pyproject.toml asks for."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
OURS = {"workbench", "connector", "infra", "deploy", "workbench_host", "lab", "cli", "tests"}
# Google's namespace: what we import from it is protobuf's.
SEVERAL = {"google": "protobuf"}


def imported(folder: str) -> set[str]:
    """The distributions whose modules the files of a folder import."""
    found: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add((node.module or "").partition(".")[0])
    owners = packages_distributions()
    foreign = found - OURS - sys.stdlib_module_names
    return {canonicalize_name(SEVERAL.get(name) or owners[name][0]) for name in foreign if name in owners}


def declared(group: str | None = None) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    entries = project["dependency-groups"][group] if group else project["project"]["dependencies"]
    return {canonicalize_name(Requirement(entry).name) for entry in entries if isinstance(entry, str)}


def test_what_works_on_aws_imports_only_what_is_installed_with_it() -> None:
    for folder in ("workbench", "connector", "infra", "deploy", "cli"):
        assert imported(folder) <= declared(), folder
    assert imported("host/workbench_host") == set(), "the standard library alone"


def test_the_lab_imports_only_what_its_group_adds() -> None:
    assert imported("lab") <= declared() | declared("lab")
