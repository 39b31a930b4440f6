"""Running the deploy: what is handed over, what is told at its end, what a failure says."""

import json
from pathlib import Path

import pytest

from connector import configure
from tests.unit.connector.deploying import END, FACTS, deploy, deploy_that
from workbench.errors import WorkbenchError


def test_settings_and_facts_are_handed_over_and_never_on_the_disk(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [{"name": f"user{number}", "passwordHash": "x" * 100} for number in range(2000)]
    look = (
        "from pathlib import Path\n"
        "data = json.loads(Path(os.environ['WORKBENCH_CONTEXT']).read_text())\n"
        "assert len(data['config']['workbench:users']) == 2000 and data['outputs']['address'] == '127.0.0.1'\n"
        f"tell(**{END!r})"
    )
    deploy_that(root, monkeypatch, look)
    before = set(root.rglob("*"))
    configure.from_context(json.dumps({"config": {"workbench:users": users}, "outputs": FACTS}))
    made = {path.name for path in set(root.rglob("*")) - before if path.suffix != ".pyc" and path.is_file()}
    assert made == {"configure.log", "configure.json", "outputs.json"}


def test_a_deploy_that_fails_names_its_log_and_shows_its_end(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WorkbenchError) as caught:  # there is no deploy/ below this root
        deploy()
    assert "No deploy file: deploy/main.py" in str(caught.value)
    assert ".workbench/unit/configure.log" in str(caught.value)
    log = root / ".workbench" / "unit" / "configure.log"
    assert log.stat().st_mode & 0o777 == 0o600


def test_at_the_end_is_told_what_changed_and_what_restarted(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    end = {
        **END,
        "changed": ["a | one", "b | two"],
        "units": [["restart", "x.service"], ["start", "y.timer"]],
    }
    deploy_that(root, monkeypatch, f"assert '-y' in sys.argv\ntell(**{end!r})")
    deploy()
    said = capsys.readouterr().out
    assert "changed: a | one\nchanged: b | two\n" in said
    assert "bench: 2 of 9 operations changed anything; restarted x.service; started y.timer; " in said
    assert configure.seconds_of_last_run("unit", 0) is not None


def test_a_failure_names_operation_host_and_the_last_lines(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = {**END, "failed": "ssh | Keys", "lines": ["no space left on device"]}
    deploy_that(root, monkeypatch, f"tell(**{end!r})\nsys.exit(1)")
    with pytest.raises(WorkbenchError, match=r"`ssh \| Keys` failed on bench:\n +no space left on device"):
        deploy()


def test_a_host_that_cannot_be_connected_to_is_told_with_its_reason(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["    [bench] Another deploy is at work, by ada", "--> pyinfra error: No hosts remaining!"]
    deploy_that(root, monkeypatch, "".join(f"print({line!r})\n" for line in lines) + "sys.exit(1)")
    with pytest.raises(WorkbenchError, match="Another deploy is at work, by ada"):
        deploy()


@pytest.mark.parametrize("program", ["", "import signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_run_that_was_cut_short_is_none_that_went_well(
    root: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    deploy_that(root, monkeypatch, program)
    with pytest.raises(WorkbenchError, match="It was stopped before it was through"):
        deploy()


def test_a_dry_run_of_one_service_shows_what_it_would_do(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    would = {"event": "would", "host": "bench", "name": "proxy | page", "what": ["make it"], "perhaps": False}
    asked = "assert '--dry' in sys.argv and 'only=proxy' in sys.argv and '-y' not in sys.argv"
    deploy_that(root, monkeypatch, f"{asked}\ntell(**{would!r})")
    deploy(configure.Extent("proxy", dry=True))
    said = capsys.readouterr().out
    assert (
        "would change: proxy | page\n    make it\n1 operation would change something; nothing was changed"
        in said
    )
