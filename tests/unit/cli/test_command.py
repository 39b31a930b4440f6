"""Commands that need no workbench."""

import json
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from typer.testing import CliRunner

from cli import local, server
from cli.local import hash_of
from cli.main import app
from tests.workbench_in_lab import run
from workbench import checks
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
    done = run([".venv/bin/python", "-m", "cli", "check", str(path)], check=False)
    assert done.returncode == 1
    assert 'Pulumi.dev.yaml, line 2: workbench:size is "huge", which is no instance type' in done.stderr
    assert "Traceback" not in done.stderr


def test_check_judges_all_files_and_says_so_to_programs(tmp_path: Path, config: dict[str, Any]) -> None:
    users = [{"name": "ada", "passwordHash": {"secure": "v1:abc:def"}}]
    fine = {"config": {**config, "workbench:users": users}}
    (tmp_path / "Pulumi.a.yaml").write_text("config:\n  workbench:size: huge\n")
    (tmp_path / "Pulumi.b.yaml").write_text(json.dumps(fine))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "ROOT", tmp_path)
        told = runner.invoke(app, ["check", "--json"])
        said = runner.invoke(app, ["check"])
    assert told.exit_code == said.exit_code == 1
    bad, good = json.loads(told.stdout)["files"]
    assert bad["file"] == "Pulumi.a.yaml"
    assert bad["problems"][0].startswith('Pulumi.a.yaml, line 2: workbench:size is "huge"')
    assert good == {
        "file": "Pulumi.b.yaml",
        "problems": [],
        "notes": [],
        "not_judged": ["workbench:users[0].passwordHash"],
    }
    assert "Pulumi.b.yaml: fine" in said.stdout, "one that is wrong hides no other"
    assert isinstance(said.exception, WorkbenchError)


def test_a_stack_that_has_no_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run([".venv/bin/python", "-m", "cli", "up", "--stack", "nowhere", "--yes"], check=False)
    assert done.returncode == 1
    assert "Pulumi.nowhere.yaml does not exist" in done.stderr


def test_check_says_what_it_could_not_judge(tmp_path: Path, config: dict[str, Any]) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(json.dumps({"config": config}))
    assert runner.invoke(app, ["check", str(path)]).stdout == "Pulumi.dev.yaml: fine\n"
    config["workbench:users"] = {"secure": "v1:abc:def"}
    path.write_text(json.dumps({"config": config}))
    assert "fine, as far as can be told without decrypting workbench:users" in (
        runner.invoke(app, ["check", str(path)]).stdout
    )


def test_check_notes_what_only_aws_can_know_and_is_content(tmp_path: Path, config: dict[str, Any]) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(json.dumps({"config": config | {"workbench:size": "t3.larg"}}))
    done = runner.invoke(app, ["check", str(path)])
    note, verdict = done.stdout.splitlines()
    assert note.startswith("Note: Pulumi.dev.yaml, line 1: workbench:size is 't3.larg', which is not among")
    assert (verdict, done.exit_code) == ("Pulumi.dev.yaml: fine", 0)


def test_status_says_in_words_how_full_disks_and_memory_are(capsys: pytest.CaptureFixture[str]) -> None:
    server._show(
        {
            "stack": "prod",
            "url": "https://bench.example.org/",
            "address": "198.51.100.7",
            "instance": {"id": "i-1", "type": "t3.large", "state": "running"},
            "services": {"proxy": {"state": "down", "detail": "caddy.service is failed"}},
            "disk": {"/": {"used_gib": 18.24, "total_gib": 29.4}, "/srv/workbench": None},
            "memory": {"used_mib": 1536, "total_mib": 7873},
            "users": ["ada"],
            "people": None,
            "logins": {
                "failed": 12,
                "banned": [{"address": "192.0.2.1", "until": "2026-11-27T22:22:50+00:00"}],
            },
            "alarms": {
                "on": [
                    {
                        "key": "disk /",
                        "text": "The disk at / is 90% full.",
                        "since": "2026-11-28T03:00:00+00:00",
                    }
                ],
                "refused": {"mail": "it refused"},
                "looked": "2026-11-28T03:05:00+00:00",
            },
        }
    )
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "disk / 18.2 GiB used of 29.4 GiB" in said
    assert "disk /srv/workbench missing; see `workbench doctor`" in said
    assert "alarm The disk at / is 90% full. (since 2026-11-28T03:00:00+00:00)" in said
    assert "alarm Nobody could be told by mail: it refused." in said
    assert "memory 1.5 GiB used of 7.7 GiB" in said
    assert "proxy down caddy.service is failed" in said
    assert "at work" not in said  # a host of before does not say
    assert "failed logins 12 in 24 hours" in said
    assert "banned 192.0.2.1 until 2026-11-27T22:22:50+00:00" in said
    assert "workbench ssh -- sudo fail2ban-client unban ADDRESS" in said


WITHOUT_THE_LABS_PACKAGES = """
import sys
for name in ("moto", "flask", "flask_cors", "werkzeug", "grpc", "httpx", "websockets"):
    sys.modules[name] = None
from cli.main import run
sys.argv = ["workbench", *sys.argv[1:]]
run()
"""


@pytest.mark.parametrize("arguments", [["--help"], ["check", "Pulumi.dev.yaml"], ["up", "--help"]])
def test_who_works_on_aws_needs_none_of_the_labs_packages(
    arguments: list[str], tmp_path: Path, config: dict[str, Any]
) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(json.dumps({"config": config}))
    words = [str(tmp_path / word) if word.endswith(".yaml") else word for word in arguments]
    done = run([".venv/bin/python", "-c", WITHOUT_THE_LABS_PACKAGES, *words], check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_who_asks_for_the_lab_without_its_packages_is_told_what_to_install() -> None:
    for words in (["lab", "start"], ["lab", "demo"], ["status", "--stack", "lab"]):
        done = run([".venv/bin/python", "-c", WITHOUT_THE_LABS_PACKAGES, *words], check=False)
        assert done.returncode == 1
        assert "The lab's Python packages are not installed here" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_labs_commands_are_found_with_their_own_help() -> None:
    said = run([".venv/bin/python", "-m", "cli", "lab", "purge", "--help"]).stdout
    assert "Usage: workbench lab purge" in said
    assert "workbench lab demo" in run([".venv/bin/python", "-m", "cli", "lab", "demo", "--help"]).stdout
