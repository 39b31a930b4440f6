"""The passphrase of a stack's secrets: who is asked for it, and that the real Pulumi CLI takes what was said."""

import io
import os
from pathlib import Path

import pytest

from cli import common, passphrase
from tests.unit import pulumi_project
from workbench import stack
from workbench.errors import WorkbenchError

pytestmark = pulumi_project.needs_pulumi
SECRET = "only of this test"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the stack dev, which has a secret; its passphrase is not in the environment."""
    pulumi_project.make(tmp_path)
    done = pulumi_project.pulumi(tmp_path, "config", "set", "--secret", "name", "ada")
    assert done.returncode == 0, done.stderr
    pulumi_project.enter(tmp_path, monkeypatch)
    monkeypatch.setattr("workbench.stackfile.ROOT", tmp_path)
    for name in passphrase.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PULUMI_STACK", "dev")
    return tmp_path


def said(monkeypatch: pytest.MonkeyPatch, at_terminal: bool, answer: str = SECRET) -> list[str]:
    """The questions, as a list that grows."""
    questions: list[str] = []
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: at_terminal)
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("getpass.getpass", lambda question: questions.append(question) or answer)
    return questions


def secrets() -> str:
    return str(stack.pulumi("config", "--show-secrets", stack="dev"))


def test_at_a_terminal_it_is_asked_for_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    questions = said(monkeypatch, at_terminal=True)
    for _ in range(2):
        assert common.enter("dev") == "dev"
    assert questions == ["Passphrase of the stack dev (from `pulumi stack init`): "]
    assert "ada" in secrets()


@pytest.mark.parametrize(
    "given", [{}, {"PULUMI_CONFIG_PASSPHRASE": ""}, {"PULUMI_CONFIG_PASSPHRASE_FILE": "x"}]
)
def test_nobody_is_asked_where_nobody_is_there_or_it_is_given(
    root: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    questions = said(monkeypatch, at_terminal=bool(given))
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    common.enter("dev")
    assert questions == []
    if not given:
        with pytest.raises(
            WorkbenchError, match=r"PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE"
        ):
            secrets()


def test_a_stack_without_one_asks_for_none(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the backend has keys of its own; and a stack whose file is not here."""
    questions = said(monkeypatch, at_terminal=True)
    (root / "Pulumi.dev.yaml").write_text("secretsprovider: awskms://alias/x\n")
    for name in ("dev", "other"):
        common.enter(name)
    assert questions == []
    assert "PULUMI_CONFIG_PASSPHRASE" not in os.environ
