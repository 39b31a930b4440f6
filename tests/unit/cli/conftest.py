"""What several tests of the command begin with."""

from pathlib import Path

import pytest

from tests.unit import pulumi_project


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Pulumi project whose stack nothing was made of, for each test to copy."""
    root = tmp_path_factory.mktemp("project") / "template"
    pulumi_project.make(root)
    return root
