"""`-q`, `-v`, `--version` and what a shell completes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import common, engine, loudness, planning, repair, selection
from cli.main import app
from cli.plan import Plan
from tests.workbench_in_lab import run
from workbench import stack as stacks

runner = CliRunner()


@pytest.fixture(autouse=True)
def _as_loud_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common.console, "quiet", False)
    monkeypatch.setattr(loudness._Level, "verbose", False)


def test_the_version_is_that_of_the_project() -> None:
    said = run([sys.executable, "-m", "cli", "--version"]).stdout
    assert f'version = "{said.split()[1]}"' in Path("pyproject.toml").read_text()


@pytest.mark.parametrize("words", [["-q", "check"], ["check", "-q"], ["check", "--quiet"]])
def test_a_quiet_command_says_nothing_where_all_is_well_and_errors_all_the_same(
    words: list[str], stack_file: Path
) -> None:
    command = [sys.executable, "-m", "cli", *words, str(stack_file)]
    done = run(command)
    assert done.stdout + done.stderr == ""
    stack_file.write_text("config:\n  workbench:size: huge\n")
    done = run(command, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "error: Pulumi.dev.yaml, line 2: workbench:size" in done.stderr


@pytest.mark.parametrize("words", [["-v", "status"], ["status", "-v"]])
def test_a_verbose_command_says_on_standard_error_which_programs_it_runs(
    words: list[str], tmp_path: Path
) -> None:
    pulumi = tmp_path / "pulumi"
    pulumi.write_text("#!/bin/sh\nexit 1\n")
    pulumi.chmod(0o755)
    program = (
        "import os, sys\n"
        "from cli import common, main\n"
        "common.enter = lambda name: 'dev'\n"
        f"os.environ['PATH'] = '{tmp_path}:' + os.environ['PATH']\n"
        "main.run()"
    )
    done = run([sys.executable, "-c", program, *words], check=False)
    assert sorted(
        line for line in done.stderr.splitlines() if line.startswith("+")
    ) == [  # asked side by side
        "+ pulumi stack export --non-interactive --stack dev",
        "+ pulumi stack output --show-secrets --json --non-interactive --stack dev",
    ]
    assert "+" not in done.stdout


def test_what_is_written_to_a_log_meanwhile_is_passed_on_also_where_it_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loudness._Level, "verbose", True)
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("of a run before\n")
    with loudness.telling(old, new):
        old.rename(tmp_path / "kept")
        old.write_text("made anew\n")
        new.write_text("first\n")
    assert sorted(capsys.readouterr().err.splitlines()) == ["first", "made anew"]


@pytest.mark.parametrize("verbose", [False, True])
def test_with_v_all_that_pulumi_says_is_shown(
    verbose: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stacks, "ROOT", tmp_path)
    monkeypatch.setattr(loudness._Level, "verbose", verbose)
    pulumi = tmp_path / "bin" / "pulumi"
    pulumi.parent.mkdir()
    pulumi.write_text("#!/bin/sh\necho all of it\n")
    pulumi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{pulumi.parent}:{os.environ['PATH']}")
    engine.run("dev", "refresh", program=False)
    assert ("all of it" in capsys.readouterr().err) == verbose


def test_what_prints_beside_the_console_is_quiet_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with loudness.quiet_prints():
        print("shown")
    monkeypatch.setattr(common.console, "quiet", True)
    with loudness.quiet_prints():
        print("hidden")
    assert capsys.readouterr().out == "shown\n"


def completed(words: str, shell: str = "bash") -> list[str]:
    """What a shell is told for a line of which the last word is being typed."""
    environment = {
        **os.environ,
        "_WORKBENCH_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    command = [str(Path(sys.executable).with_name("workbench"))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_shell_completes_commands_options_and_the_names_of_stacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert completed("workbench stat") == ["status"]
    assert "--size" in completed("workbench up --")
    monkeypatch.setattr(stacks, "ROOT", tmp_path)
    for name in ("prod", "dev"):
        (tmp_path / f"Pulumi.{name}.yaml").touch()
    assert selection.names() == ["dev", "prod"]
    options: Any = runner.invoke(app, ["--help"]).stdout
    assert "--install-completion" in options


@pytest.fixture
def stack_file(tmp_path: Path, config: dict[str, Any]) -> Path:
    """One that is fine."""
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(stack_text(config))
    return path


def stack_text(config: dict[str, Any]) -> str:
    lines = "".join(f"  {key}: {value!r}\n" for key, value in config.items())
    return f"config:\n{lines}"


def test_who_is_asked_is_shown_what_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "enter", lambda name: "prod")
    monkeypatch.setattr(repair, "export", lambda name: {})
    monkeypatch.setattr(planning, "of_destroy", lambda *_: Plan(["The server i-1 (t3.large) is ended."]))
    done = runner.invoke(app, ["destroy", "-q"], input="n\n")
    assert "The server i-1 (t3.large) is ended." in done.stdout
    assert done.exit_code != 0
