"""`workbench logs`: what is asked of the host, and what a terminal is given."""

import _thread
import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import cloud, common, logs, main
from cli.common import console
from workbench import stack as stacks
from workbench.errors import WorkbenchError

STEMS = (
    "jupyterhub",
    "rstudio",
    "shiny",
    "proxy",
    "apps",
    "ssh",
    "storage",
    "health",
    "fail2ban",
    "alarms",
    "users",
)


def test_each_service_of_ours_has_its_units() -> None:
    found = logs.units()
    assert set(STEMS) <= set(found)
    assert "caddy.service" in found["proxy"]
    assert {"jupyterhub.service", "jupyterhub-proxy.service"} <= set(found["jupyterhub"])
    assert "rstudio-server.service" in found["rstudio"]
    assert "workbench-apps@*.service" in found["apps"]
    assert not set(found) & {"user", "deploy"}  # which mean something else


def test_all_units_that_the_deploy_runs_are_some_services() -> None:
    known = {unit for names in logs.units().values() for unit in names}
    texts = [path.read_text() for path in (stacks.ROOT / "deploy").glob("*.py")]
    named = {
        name for text in texts for name in re.findall(r'^(?:\w+_)?UNIT = "([\w@.-]+)"', text, re.MULTILINE)
    }
    assert len(named) > 10
    others = {"dbus.service", "systemd-logind.service"}  # Debian's own, which nobody would look for here
    for name in named - others:
        units = {name.replace("@.", "@*.")} if "." in name else {f"{name}.service", f"{name}.timer"}
        assert units & known, name


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("2h", "-2h"),
        ("30 min", "-30 min"),
        ("1d 2h", "-1d 2h"),
        ("-2h", "-2h"),
        ("2 hours ago", "2 hours ago"),
        ("yesterday", "yesterday"),
        ("2026-11-28 10:00", "2026-11-28 10:00"),
        ("10:00", "10:00"),
    ],
)
def test_times_are_taken_as_people_write_them(typed: str, asked: str) -> None:
    assert logs.time_of(typed) == asked


@pytest.mark.parametrize("words", [["nonsense"], ["ssh", "proxy"], ["user", "a", "b"], ["--x"]])
def test_what_has_no_logs_is_refused_with_the_names_that_there_are(words: list[str]) -> None:
    with pytest.raises(WorkbenchError, match=r"There are no logs of .*jupyterhub.*`user NAME` and `deploy`"):
        logs.request(words)


def test_a_user_without_a_name_is_asked_for_one() -> None:
    with pytest.raises(WorkbenchError, match="Whose logs"):
        logs.request(["user"])


def shown(**changes: Any) -> str:
    entry = {"time": "2026-11-28T10:00:00.000+00:00", "unit": "caddy.service", "user": None, "priority": 6}
    with console.capture() as captured:
        console.print(logs.line(logs.told({**entry, "message": "hello", **changes})))
    return captured.get()


def test_no_line_of_a_message_looks_like_another_entry_and_none_is_obeyed_by_a_terminal() -> None:
    said = shown(
        message="one\n2026-11-28 10:00:00 proxy: forged\r2026\x1b[2Jx\x9b2J\u202etxet\u2028more [red]x[/red]"
    )
    assert not set(said) & {"\x1b", "\x9b", "\u202e", "\u2028", "\r"}
    first, *others = said.splitlines()
    assert first == "2026-11-28 10:00:00 proxy: one"
    assert all(line.startswith("    ") for line in others)
    assert "[red]x[/red]" in said


def test_what_a_person_said_has_the_persons_name() -> None:
    assert shown(user="ada", unit="rstudio-server.service").startswith("2026-11-28 10:00:00 rstudio (ada): ")
    assert " server (ada): " in shown(user="ada", unit="jupyter-ada-singleuser.service")
    assert " rstudio-session (ada): " in shown(user="ada", unit="workbench-session-2000-17.scope")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stands in for ssh: a script of the test's own, given the remote command line."""
    monkeypatch.setattr(common, "enter", lambda stack: "test")
    monkeypatch.setattr(stacks, "outputs", lambda name: SimpleNamespace(address="192.0.2.7"))
    monkeypatch.setattr(cloud, "running", lambda facts: facts)

    def runs(code: str) -> None:
        script = tmp_path / "host.py"
        script.write_text(f"import json, sys\n{code}")
        monkeypatch.setattr(stacks, "ssh_command", lambda facts: [sys.executable, str(script)])

    return runs


ENTRY = {
    "time": "2026-11-28T10:00:00.000+00:00",
    "unit": "ssh.service",
    "user": None,
    "priority": 4,
    "message": "a\u001b[2Jb",
}


def test_programs_get_an_object_a_line_with_the_same_keys(host: Any) -> None:
    host(f"print(json.dumps({ENTRY!r}))\nprint(json.dumps({ENTRY!r}))")
    done = CliRunner().invoke(main.app, ["logs", "ssh", "--json"])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [list(one) for one in lines] == [["time", "service", "user", "priority", "message"]] * 2
    assert lines[0]["service"] == "ssh"
    assert "\x1b" not in done.stdout  # as JSON spells it


def test_what_the_host_complains_of_is_one_sentence(host: Any) -> None:
    host("sys.exit(\"there is no account 'x'; there are ada.\")")
    done = CliRunner().invoke(main.app, ["logs", "user", "x"])
    assert isinstance(done.exception, WorkbenchError)
    assert str(done.exception) == "192.0.2.7 did not tell its logs: there is no account 'x'; there are ada."


@pytest.mark.parametrize("banner", ["Welcome \x1b[2Jto the workbench!", "17", "[]", ""])
def test_what_a_shell_prints_before_is_said_in_a_sentence(banner: str, host: Any) -> None:
    host(f"print({banner!r})\nprint(json.dumps({ENTRY!r}))")
    done = CliRunner().invoke(main.app, ["logs", "ssh"])
    assert isinstance(done.exception, WorkbenchError)
    said = str(done.exception)
    assert said.startswith("192.0.2.7 was asked for its logs, and says '" + banner[:7])
    assert "~/.bashrc of admin" in said
    assert "\x1b" not in said
    assert done.stdout == ""


def test_a_line_that_is_cut_off_with_the_connection_is_not_shown_and_the_connection_is_told_of(
    host: Any,
) -> None:
    host(
        f"print(json.dumps({ENTRY!r}))\nprint(json.dumps({ENTRY!r})[:30], end='')\n"
        "print('Connection closed by remote host', file=sys.stderr)\nsys.exit(255)"
    )
    done = CliRunner().invoke(main.app, ["logs", "ssh", "--json"])
    assert len(done.stdout.splitlines()) == 1
    assert "192.0.2.7 did not tell its logs: Connection closed by remote host" in str(done.exception)


def test_words_of_a_command_line_reach_the_host_as_words(host: Any) -> None:
    host("sys.exit(sys.argv[1])")
    done = CliRunner().invoke(main.app, ["logs", "user", "x; reboot", "--since", "$(id)"])
    assert "--user 'x; reboot' '--since=$(id)'" in str(done.exception)


def test_an_interrupt_that_no_read_is_ended_by_counts_within_a_second() -> None:
    """As one that comes between Python's last look for signals and the read: interrupt_main() ends no system call."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as output, os.fdopen(writing, "wb", buffering=0) as said:
        said.write(b"one\ntwo\ncut o")
        told = logs.lines(output)
        assert [next(told), next(told)] == ["one", "two"]
        threading.Timer(0.2, _thread.interrupt_main).start()
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            next(told)
        assert time.monotonic() - begun < 5
    signal.signal(signal.SIGINT, before)


def test_a_line_that_was_cut_off_with_the_connection_is_none() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as output:
        with os.fdopen(writing, "wb") as said:
            said.write("é\nß\ncut o".encode())
        assert list(logs.lines(output)) == ["é", "ß"]
