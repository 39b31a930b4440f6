"""What systemd is asked to do, judged by the state that it was in; and the digests, by a real shell."""

import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy import units
from deploy.files import Content
from deploy.units import Unit, UnitState
from tests.needs import needs
from workbench.settings import Service

UNIT = "workbench-test.service"


def commands(
    monkeypatch: pytest.MonkeyPatch, unit: str = UNIT, reload: bool = False, **state: Any
) -> list[str]:
    """What the operation would run for a unit in this state; all is well with what is not named."""
    paths = units.unit_paths(unit, ["/etc/a"])
    well: dict[str, Any] = {
        "loaded": True,
        "enabled": True,
        "active": True,
        "unwanted": False,
        "stale": False,
        "now": "1",
        "recorded": "1",
        "drop_in": Content(units.drop_in_text(unit, paths, reload).encode()).sha256,
    }

    class Host:
        def get_fact(self, fact: type, **arguments: Any) -> UnitState:
            assert fact is Unit
            assert arguments == {"unit": unit, "paths": paths}
            return UnitState(**{**well, **state})

    monkeypatch.setattr(units, "host", Host())
    return [str(command) for command in units.service._inner(unit=unit, reads=["/etc/a"], reload=reload)]


def test_a_unit_that_runs_with_what_it_reads_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert commands(monkeypatch) == []


def test_a_unit_that_runs_with_something_older_is_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = commands(monkeypatch, recorded="0")
    assert command.startswith(f"systemctl restart {UNIT} ||")


def test_a_unit_whose_start_left_no_record_is_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = commands(monkeypatch, recorded="")
    assert command.startswith(f"systemctl restart {UNIT} ||")


def test_a_unit_that_can_reload_is_not_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = commands(monkeypatch, reload=True, now="2")
    assert command.startswith(f"systemctl reload {UNIT} ||")


def test_a_reload_is_recorded_whoever_asks_for_it_and_only_where_the_unit_can_do_it() -> None:
    assert "\nExecReload=-+" in units.drop_in_text(UNIT, ["/etc/a"], reload=True)
    assert "ExecReload" not in units.drop_in_text(UNIT, ["/etc/a"], reload=False)


def test_a_unit_that_is_down_is_started_and_not_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = commands(monkeypatch, active=False, down=True, recorded="")
    assert command.startswith(f"systemctl start {UNIT} ||")


def test_a_unit_that_is_being_started_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = commands(monkeypatch, active=False)
    assert command.startswith(f"systemctl start {UNIT} ||")


def test_a_unit_that_is_being_started_with_something_older_is_stopped_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop, start = commands(monkeypatch, active=False, recorded="0")
    assert stop == f"systemctl stop {UNIT}"
    assert start.startswith(f"systemctl start {UNIT} ||")


def test_a_new_unit_is_read_enabled_and_started_in_this_order(monkeypatch: pytest.MonkeyPatch) -> None:
    said = commands(
        monkeypatch, loaded=False, enabled=False, active=False, down=True, recorded="", drop_in=""
    )
    assert ["drop" if ".d" in text and "base64" in text else text.split()[1] for text in said] == [
        "drop",
        "daemon-reload",
        "enable",
        "start",
    ]


def test_a_unit_that_its_condition_keeps_down_is_not_started_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert commands(monkeypatch, active=False, unwanted=True) == []


def test_a_changed_unit_file_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    said = commands(monkeypatch, stale=True, now="2")
    assert said[0] == "systemctl daemon-reload"
    assert "restart" in said[1]


def test_a_timer_that_runs_is_never_one_from_an_old_file(monkeypatch: pytest.MonkeyPatch) -> None:
    said = commands(monkeypatch, unit="workbench-test.timer", stale=True)
    assert "stop workbench-test.timer" in said[0]
    assert said[0].endswith("systemctl daemon-reload")
    assert said[-1].startswith("systemctl start workbench-test.timer")
    assert commands(monkeypatch, unit="workbench-test.timer") == []


def test_the_digest_follows_every_file_and_its_absence(tmp_path: Path) -> None:
    first, second = tmp_path / "it's first", tmp_path / "second"
    digests = []
    for text in ("", "a", "b"):
        if text:
            first.write_text(text)
        digests.append(digest(first, second))
    second.write_text("b")
    digests.append(digest(first, second))
    assert len(set(digests)) == 4
    first.unlink()
    second.unlink()
    assert digest(first, second) == digests[0]


def digest(*paths: Path) -> str:
    script = units.digest_script([str(path) for path in paths])
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def said(line: str) -> str:
    """The script of a unit's command, by systemd's rules (systemd.service(5)): $$ is $, %% is %, \\" is a quote."""
    quoted = line.removeprefix('/bin/sh -c "').removesuffix('"')
    return quoted.replace('\\"', '"').replace("\\\\", "\\").replace("$$", "$").replace("%%", "%")


def test_the_drop_in_says_what_the_shell_would_run() -> None:
    paths = ["/etc/systemd/system/a.service", "/etc/50%/it's"]
    line = next(
        line for line in units.drop_in_text("a.service", paths, False).splitlines() if line.startswith("Exec")
    )
    assert said(line.removeprefix("ExecStartPre=-+")) == units.record_script("a.service", paths)


class Answers(Service):
    """A service that answers on a port."""

    health = "/up"
    port: int


@pytest.fixture
def slow() -> Iterator[HTTPServer]:
    """A server that answers 503 to the first two requests, as one does that is not ready yet."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(503 if len(asked) < 3 else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    asked: list[str] = []
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
    assert asked == ["/up"] * 3


@needs("curl")
@pytest.mark.parametrize("main", ["runs", "unknown"])
def test_a_start_lasts_until_the_service_answers_with_success(slow: HTTPServer, main: str) -> None:
    script = said(units.answering(Answers(port=slow.server_port)))
    environment = {"PATH": "/usr/bin:/bin"}
    with subprocess.Popen(["sleep", "20"]) as process:
        if main == "runs":
            environment["MAINPID"] = str(process.pid)
        done = subprocess.run(["sh", "-c", script], env=environment, check=False, timeout=15)
        process.kill()
    assert done.returncode == 0


@needs("curl")
def test_a_start_fails_at_once_where_the_service_ended() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    script = said(units.answering(Answers(port=1)))
    environment = {"PATH": "/usr/bin:/bin", "MAINPID": str(ended.pid)}
    began = time.monotonic()
    done = subprocess.run(["sh", "-c", script], env=environment, check=False, capture_output=True, timeout=15)
    assert done.returncode == 1
    assert time.monotonic() - began < 10


def test_what_systemd_says_is_understood() -> None:
    said = [
        "LoadState=loaded",
        "UnitFileState=enabled",
        "ActiveState=active",
        "ConditionResult=yes",
        "ConditionTimestampMonotonic=5",
        "NeedDaemonReload=no",
        "",
        "LoadState=not-found",
        "ActiveState=inactive",
        "NeedDaemonReload=yes",
        "Recorded=",
        "abc  /etc/read",
        "def  /etc/systemd/system/a.timer.d/50-workbench-started.conf",
    ]
    state = Unit().process(said)
    assert (state.loaded, state.enabled, state.active, state.unwanted) == (True, True, True, False)
    assert state.stale, "the service that a timer starts counts with it"
    assert (state.now, state.recorded) == (units.digest_of([("abc", "/etc/read")]), "")
    assert state.drop_in == "def"
    assert not state.down


@pytest.mark.parametrize("what", ["active", "activating", "reloading", "deactivating", "inactive", "failed"])
def test_a_unit_is_down_where_it_neither_runs_nor_is_about_to(what: str) -> None:
    assert Unit().process([f"ActiveState={what}", "Recorded="]).down == (what in {"inactive", "failed"})


def test_a_condition_that_was_never_asked_does_not_count() -> None:
    assert not Unit().process(["ConditionResult=no", "ConditionTimestampMonotonic=0", "Recorded="]).unwanted
    assert Unit().process(["ConditionResult=no", "ConditionTimestampMonotonic=7", "Recorded="]).unwanted


@pytest.mark.parametrize("stale", ["a.slice", "b.slice", None])
def test_systemd_reads_again_what_changed(stale: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Host:
        def get_fact(self, _: type, unit: str, paths: object) -> UnitState:
            return UnitState(True, True, True, False, stale=unit == stale)

        def noop(self, _: str) -> None:
            pass

    monkeypatch.setattr(units, "host", Host())
    said = [str(command) for command in units.reread._inner(units=["a.slice", "b.slice"])]
    assert said == (["systemctl daemon-reload"] if stale else [])
