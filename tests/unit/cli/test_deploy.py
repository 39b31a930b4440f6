"""`workbench deploy`; pyinfra and what `pulumi` would say are stand-ins."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import common
from cli.main import app
from connector import configure
from tests.unit.connector.deploying import END, FACTS, deploy_that
from tests.unit.sshd import make_key
from workbench import keys, stack, stackfile
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]) -> Path:
    """A stack whose server is known and answers."""
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    monkeypatch.setattr(common, "enter", lambda name: "unit")
    facts = Outputs.model_validate(FACTS)
    told = {"config": config, "outputs": facts.model_dump(by_alias=True)}
    monkeypatch.setattr(stack, "ask", lambda name: json.dumps(told))
    stack.known_hosts(facts).write_text("127.0.0.1 ssh-ed25519 AAAA\n")
    monkeypatch.setattr(configure, "answers", lambda address: True)
    monkeypatch.delenv(keys.KEY_VARIABLE, raising=False)
    return tmp_path


def test_what_a_dry_run_would_change_is_there_for_programs(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    would = {"event": "would", "host": "bench", "name": "proxy | page", "what": ["make it"], "perhaps": False}
    deploy_that(prepared, monkeypatch, f"assert '--dry' in sys.argv\ntell(**{would!r})")
    done = CliRunner().invoke(app, ["deploy", "--dry-run", "--json"])
    assert done.exit_code == 0, done.exception
    told = json.loads(done.stdout)
    assert told["stack"] == "unit"
    assert told["would"] == [{key: value for key, value in would.items() if key != "event"}]


def test_only_what_reads_is_for_programs(prepared: Path) -> None:
    done = CliRunner().invoke(app, ["deploy", "--json"])
    assert isinstance(done.exception, WorkbenchError)
    assert "--json goes with --dry-run" in str(done.exception)


@pytest.mark.parametrize(
    ("options", "is_said"), [(["--only", "users"], True), (["--only", "proxy"], False), ([], False)]
)
def test_a_deploy_of_the_users_alone_says_what_follows_with_a_whole_one(
    options: list[str], is_said: bool, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy_that(prepared, monkeypatch, f"tell(**{END!r})")
    done = CliRunner().invoke(app, ["deploy", *options])
    assert done.exit_code == 0, done.exception
    assert ("follows with a whole `workbench deploy`" in " ".join(done.output.split())) == is_said


def test_a_quiet_deploy_says_nothing(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common.console, "quiet", False)
    deploy_that(prepared, monkeypatch, f"tell(**{END!r})")
    done = CliRunner().invoke(app, ["deploy", "-q"])
    assert (done.exit_code, done.output) == (0, "")


def test_a_key_that_nobody_could_be_asked_for_ends_it_before_it_waits(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_key(prepared / "key", "secret")
    monkeypatch.setenv(keys.KEY_VARIABLE, str(prepared / "key"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(configure, "answers", lambda address: pytest.fail("it was asked whether it answers"))
    deploy_that(prepared, monkeypatch, "os.close(os.open('went-on', os.O_CREAT))")
    done = CliRunner().invoke(app, ["deploy"])
    assert isinstance(done.exception, WorkbenchError)
    assert "run `ssh-add " in str(done.exception)
    assert not (prepared / "went-on").exists()


def test_an_environment_without_a_lock_ends_it_before_the_host_is_asked_with_the_line(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    environments = [{"name": "geo", "python": "3.13", "requirements": "geo.txt"}]
    config["workbench:environments"] = environments
    told = {"config": config, "outputs": Outputs.model_validate(FACTS).model_dump(by_alias=True)}
    monkeypatch.setattr(stack, "ask", lambda name: json.dumps(told))
    path = prepared / "Pulumi.unit.yaml"
    monkeypatch.setattr(stackfile, "path_of", lambda name: path)
    path.write_text(json.dumps({"config": config}, indent=1))  # JSON is YAML
    (prepared / "geo.txt").write_text("six\n")
    deploy_that(prepared, monkeypatch, "raise SystemExit('it was begun with something to do')")
    done = CliRunner().invoke(app, ["deploy"])
    assert isinstance(done.exception, WorkbenchError)
    assert (
        "workbench:environments[0] has no lock (Pulumi.unit.locks/geo.txt); `workbench lock` makes it"
        in str(done.exception)
    )
    assert str(done.exception).startswith("Pulumi.unit.yaml, line ")
