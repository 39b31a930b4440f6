"""The demo's stack and one of somebody's own that is called the same."""

from pathlib import Path

import pytest

from cli import common, demo_stack
from cli import lab as lab_commands
from lab import control
from workbench import stack, stackfile
from workbench.errors import WorkbenchError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stack file `lab` of a project of the test's own would be."""
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    monkeypatch.setattr(stackfile, "ROOT", tmp_path)
    return tmp_path / "Pulumi.lab.yaml"


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows when the lab's environment is entered; nothing of this process's is changed."""
    calls: list[str] = []
    monkeypatch.setattr(common, "enter_lab", lambda: calls.append("lab"))
    monkeypatch.setenv("PULUMI_STACK", "")
    monkeypatch.setenv("PATH", "/usr/bin")
    return calls


def test_somebodys_own_stack_is_not_taken_for_the_demos(file: Path, entered: list[str]) -> None:
    file.write_text("config: {}\n")
    common.enter("lab")
    assert entered == []
    with pytest.raises(WorkbenchError, match=r"Pulumi\.lab\.yaml is there already and not the demo's"):
        demo_stack.claim()
    demo_stack.forget()
    assert file.read_text() == "config: {}\n"


def test_the_demos_stack_is_known_again_until_it_is_forgotten(file: Path, entered: list[str]) -> None:
    demo_stack.claim()
    file.write_text("config: {}\n")
    demo_stack.claim()  # a second `make demo`
    common.enter("lab")
    common.enter("organization/workbench/lab")
    common.enter("prod")
    assert entered == ["lab", "lab"]
    demo_stack.forget()
    assert list(file.parent.iterdir()) == []


def test_a_purge_leaves_somebodys_own_stack_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "become_root", lambda: None)
    monkeypatch.setattr(control, "purge", lambda: None)
    file.write_text("config: {}\n")
    lab_commands.purge(yes=True)
    assert file.exists()
    file.unlink()
    demo_stack.claim()
    file.write_text("config: {}\n")
    lab_commands.purge(yes=True)
    assert not file.exists()


def test_a_purge_that_is_killed_half_way_leaves_no_file_that_looks_like_somebodys_own(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(common, "become_root", lambda: None)
    monkeypatch.setattr(control, "purge", killed)
    demo_stack.claim()
    file.write_text("config: {}\n")
    with pytest.raises(KeyboardInterrupt):
        lab_commands.purge(yes=True)
    assert not file.exists()
