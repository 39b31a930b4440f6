"""Commands that need no workbench."""

from pathlib import Path

import bcrypt
import pytest
from typer.testing import CliRunner

from tests.workbench_in_lab import run
from workbench import checks
from workbench.cli.local import hash_of
from workbench.cli.main import app
from workbench.errors import WorkbenchError

runner = CliRunner()


def test_a_password_becomes_a_hash_that_the_settings_take() -> None:
    made = runner.invoke(app, ["password"], input="correct horse\n").stdout.strip()
    assert checks.password_hash(made)
    assert bcrypt.checkpw(b"correct horse", made.encode())


@pytest.mark.parametrize("password", ["", "x" * 73])
def test_a_password_that_would_be_cut_or_is_empty_is_refused(password: str) -> None:
    with pytest.raises(WorkbenchError):
        hash_of(password)


def test_check_names_file_line_and_key_and_fails(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text("config:\n  workbench:size: huge\n")
    done = run([".venv/bin/python", "-m", "workbench", "check", str(path)], check=False)
    assert done.returncode == 1
    assert 'Pulumi.dev.yaml, line 2: workbench:size is "huge", which is no instance type' in done.stderr
    assert "Traceback" not in done.stderr


def test_a_stack_that_has_no_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run([".venv/bin/python", "-m", "workbench", "up", "--stack", "nowhere", "--yes"], check=False)
    assert done.returncode == 1
    assert "Pulumi.nowhere.yaml does not exist" in done.stderr
