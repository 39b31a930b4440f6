"""What a run that was killed while it wrote leaves of a state in files, as the real CLI finds it."""

import shutil
from pathlib import Path

import pytest

from cli import statefile
from tests.unit import pulumi_project
from tests.unit.pulumi_project import needs_pulumi
from workbench.errors import WorkbenchError

pytestmark = needs_pulumi


@pytest.fixture
def state(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the stack's state, below a folder with a blank in its name."""
    root = tmp_path / "my project"
    shutil.copytree(template, root)
    pulumi_project.enter(root, monkeypatch)
    return root / ".pulumi" / "stacks" / "tiny" / "dev.json"


def test_an_empty_file_beside_the_state_is_removed(state: Path) -> None:
    sidecar = state.with_name("dev.json.attrs")
    sidecar.write_bytes(b"")
    assert statefile.exported("dev")["version"] == 3
    assert not sidecar.exists()


def test_half_a_state_is_a_sentence_with_what_to_do(state: Path) -> None:
    before = state.read_bytes()[:40]
    state.write_bytes(before)
    with pytest.raises(
        WorkbenchError,
        match=r"^The state of stack dev cannot be read \(unexpected end of JSON.*\.bak over it\.$",
    ):
        statefile.exported("dev")
    assert state.read_bytes() == before


def test_another_failure_is_passed_on(state: Path) -> None:
    state.unlink()
    with pytest.raises(WorkbenchError, match="no stack named 'dev' found"):
        statefile.exported("dev")
