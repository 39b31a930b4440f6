"""Logs: whose an entry is, from the journal's own fields alone; journalctl is a stand-in that prints entries."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from workbench_host import journal as journal_entries
from workbench_host import logs
from workbench_host.accounts.records import Entry, Registry
from workbench_host.journal import People

ADA, GRACE = 2000, 2001
KNOWN = People({"ada": ADA, "grace": GRACE, "admin": 1000})


def entry(message: Any = "hello", **fields: str) -> dict[str, Any]:
    return {
        "__REALTIME_TIMESTAMP": "1700000000123456",
        "MESSAGE": message,
        "PRIORITY": "6",
        "_UID": "0",
        **fields,
    }


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has a stand-in of journalctl print these entries, newest first with --reverse, as the real one does."""
    script = tmp_path / "journalctl"

    def having(*entries: dict[str, Any]) -> Path:
        (tmp_path / "entries.json").write_text(json.dumps(entries))
        script.write_text(
            f"#!{sys.executable}\n"
            "import json, pathlib, sys\n"
            f"folder = pathlib.Path({str(tmp_path)!r})\n"
            "with (folder / 'asked').open('a') as file:\n"
            "    print(json.dumps(sys.argv[1:]), file=file)\n"
            "if any('--since=nonsense' in one for one in sys.argv):\n"
            "    sys.exit('Failed to parse timestamp: nonsense')\n"
            "entries = json.loads((folder / 'entries.json').read_text())\n"
            "if '-F' in sys.argv:\n"
            "    field = sys.argv[sys.argv.index('-F') + 1]\n"
            "    print(*sorted({one[field] for one in entries if field in one}), sep='\\n')\n"
            "elif '--lines=0' not in sys.argv:\n"
            "    for one in reversed(entries) if '--reverse' in sys.argv else entries:\n"
            "        print(json.dumps(one))\n"
        )
        script.chmod(0o755)
        return tmp_path / "asked"

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(
        journal_entries, "read_registry", lambda: Registry({"ada": Entry(ADA), "grace": Entry(GRACE)})
    )
    return having


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_a_user_writes_under_a_services_name_stays_the_users(capsys: Any, journal: Any) -> None:
    forged = entry(
        "JupyterHub is hacked",
        _UID=str(ADA),
        _SYSTEMD_UNIT="session-3.scope",
        SYSLOG_IDENTIFIER="jupyterhub",
        UNIT="jupyterhub.service",
        _PID="4711",
    )
    within = entry(
        "from a session before it was moved", _UID=str(ADA), _SYSTEMD_UNIT="rstudio-server.service"
    )
    real = entry("a hub speaks", _SYSTEMD_UNIT="jupyterhub.service")
    journal(forged, within, real)
    units = json.dumps(["jupyterhub.service", "rstudio-server.service"])
    assert logs.main(["--units", units]) == 0
    assert [(one["unit"], one["user"], one["message"]) for one in printed(capsys)] == [
        ("jupyterhub.service", None, "a hub speaks")
    ]
    assert logs.main(["--units", units, "--people"]) == 0
    assert [one["user"] for one in printed(capsys)] == ["ada", "ada", None]


@pytest.mark.parametrize(
    ("fields", "unit", "user"),
    [
        ({"_UID": "2000", "_SYSTEMD_UNIT": "caddy.service"}, "caddy.service", "ada"),
        ({"_SYSTEMD_OWNER_UID": "2001", "_SYSTEMD_UNIT": "session-1.scope"}, "session-1.scope", "grace"),
        ({"_PID": "1", "UNIT": "jupyter-ada-singleuser.service"}, "jupyter-ada-singleuser.service", "ada"),
        (
            {"_PID": "1", "UNIT": "jupyter-ada:x-singleuser.service"},
            "jupyter-ada:x-singleuser.service",
            "ada",
        ),
        ({"_PID": "1", "UNIT": "workbench-apps@2001.service"}, "workbench-apps@2001.service", "grace"),
        ({"_PID": "1", "UNIT": "caddy.service", "_SYSTEMD_UNIT": "init.scope"}, "caddy.service", None),
        ({"_PID": "9", "UNIT": "caddy.service", "_SYSTEMD_UNIT": "ssh.service"}, "ssh.service", None),
        ({"_UID": "61500", "_SYSTEMD_UNIT": "workbench-health.service"}, "workbench-health.service", None),
        ({"_UID": "165536", "_SYSTEMD_UNIT": "x.service"}, "x.service", "165536"),
        ({"_UID": "1000", "_SYSTEMD_UNIT": "session-1.scope"}, "session-1.scope", "admin"),
    ],
)
def test_whose_an_entry_is_the_kernel_and_systemd_say(
    fields: dict[str, str], unit: str, user: str | None
) -> None:
    told = journal_entries.told(entry(**fields), KNOWN)
    assert (told["unit"], told["user"]) == (unit, user)


def test_a_users_own_units_name_stands_in_the_message() -> None:
    told = journal_entries.told(
        entry(_UID="2000", _SYSTEMD_UNIT="user@2000.service", _SYSTEMD_USER_UNIT="caddy.service"), KNOWN
    )
    assert told["message"] == "caddy.service: hello"
    assert told["user"] == "ada"


def test_bytes_and_long_messages_are_told() -> None:
    assert journal_entries.told(entry([104, 105, 255]), KNOWN)["message"] == "hi\ufffd"
    assert len(journal_entries.told(entry("x" * 100_000), KNOWN)["message"]) < 9000
    assert journal_entries.told(entry(None), KNOWN)["message"] == ""
    assert journal_entries.told(entry(PRIORITY="0"), KNOWN)["priority"] == 0
    for strange in ("x", "\u00b2", "9" * 5000, "-1"):
        assert journal_entries.told(entry(PRIORITY=strange), KNOWN)["priority"] == 6, (
            "no entry is left out for it"
        )


def test_of_a_user_there_is_all_that_ran_and_what_names_the_user(capsys: Any, journal: Any) -> None:
    asked = journal(
        entry("my kernel", _UID="2000", _SYSTEMD_UNIT="jupyter-ada-singleuser.service"),
        entry("Accepted publickey for ada from 192.0.2.1", _SYSTEMD_UNIT="ssh.service"),
        entry("Accepted publickey for ada-b from 192.0.2.1", _SYSTEMD_UNIT="ssh.service"),
        entry("grace says ada", _UID="2001", _SYSTEMD_UNIT="ssh.service"),
        entry("Started.", _PID="1", UNIT="jupyter-ada:two-singleuser.service"),
    )
    assert logs.main(["--user", "ada"]) == 0
    assert [one["message"] for one in printed(capsys)] == [
        "my kernel",
        "Accepted publickey for ada from 192.0.2.1",
        "Started.",
    ]
    last = json.loads(asked.read_text().splitlines()[-1])
    assert "_UID=2000" in last
    assert "_SYSTEMD_OWNER_UID=2000" in last
    assert "+ _PID=1 _UID=0 +" in " ".join(last)


@pytest.mark.parametrize("asked_for", ["anna", "ana"])
def test_of_a_user_with_another_name_there_is_what_was_said_under_the_one_of_before(
    asked_for: str, capsys: Any, journal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry({"anna": Entry(ADA, formerly="ana", earlier=("a.b",)), "grace": Entry(GRACE)})
    monkeypatch.setattr(journal_entries, "read_registry", lambda: registry)
    asked = journal(
        entry("Main process exited", _PID="1", UNIT="jupyter-ana-singleuser.service"),
        entry("Started.", _PID="1", UNIT="jupyter-ana:two-singleuser.service"),
        entry("Accepted publickey for a.b from 192.0.2.1", _SYSTEMD_UNIT="ssh.service"),
        entry("Accepted publickey for axb from 192.0.2.1", _SYSTEMD_UNIT="ssh.service"),
        entry("Accepted publickey for anna from 192.0.2.1", _SYSTEMD_UNIT="ssh.service"),
        entry("Accepted publickey for ana-b from 192.0.2.1", _SYSTEMD_UNIT="ssh.service"),
        entry("hers", _UID=str(GRACE), _SYSTEMD_UNIT="jupyter-grace-singleuser.service"),
    )
    assert logs.main(["--user", asked_for]) == 0
    found = printed(capsys)
    assert [(one["user"], one["message"]) for one in found] == [
        ("anna", "Main process exited"),
        ("anna", "Started."),
        (None, "Accepted publickey for a.b from 192.0.2.1"),
        (None, "Accepted publickey for anna from 192.0.2.1"),
    ]
    last = json.loads(asked.read_text().splitlines()[-1])
    assert {f"UNIT=jupyter-{name}-singleuser.service" for name in ("anna", "ana", "a.b")} <= set(last)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--user", "nobody"], "there is no account 'nobody'; there are ada, "),
        (
            ["--deploy", "--since=nonsense"],
            "--since is 'nonsense', which is no time; takes one such as 2h",
        ),
    ],
)
def test_what_there_is_not_is_refused_in_a_sentence(
    arguments: list[str], words: str, capsys: Any, journal: Any
) -> None:
    journal()
    assert logs.main(arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert len(said.err.splitlines()) == 1


def test_without_a_time_the_last_ones_are_told_however_many_a_user_wrote(capsys: Any, journal: Any) -> None:
    flood = [entry("noise", _UID="2000", _SYSTEMD_UNIT="rstudio-server.service") for _ in range(3000)]
    many = [entry(f"line {number}", _SYSTEMD_UNIT="rstudio-server.service") for number in range(300)]
    journal(*many, *flood)
    assert logs.main(["--units", '["rstudio-server.service"]']) == 0
    assert [one["message"] for one in printed(capsys)] == [f"line {number}" for number in range(100, 300)]


def test_names_of_units_that_users_write_are_not_taken(capsys: Any, journal: Any) -> None:
    """A journal takes entries with any UNIT from anybody; the command line has an end (Linux: 128 KiB a word)."""
    forged = [entry("x", _UID=str(ADA), UNIT=f"workbench-apps@{'x' * 150_000}.service")]
    forged += [entry("x", _UID=str(ADA), UNIT=f"workbench-apps@{n}{'x' * 2000}.service") for n in range(1500)]
    asked = journal(
        *forged,
        entry("an app speaks", _SYSTEMD_UNIT="workbench-apps@2001.service", _UID="0"),
        entry("Failed.", _PID="1", UNIT="workbench-apps@2001.service"),
        entry("Failed.", _PID="1", UNIT="jupyter-grace-singleuser.service"),
    )
    assert logs.main(["--people", "--units", '["ssh.service", "workbench-apps@*.service"]']) == 0
    assert [one["message"] for one in printed(capsys)][-2:] == ["an app speaks", "Failed."]
    assert "_SYSTEMD_UNIT=workbench-apps@2001.service" in json.loads(asked.read_text().splitlines()[-1])
    assert len(asked.read_text()) < 4000


def test_of_deploys_only_roots_words_count(journal: Any) -> None:
    asked = journal()
    assert logs.main(["--deploy", "--since=-2h"]) == 0
    terms = json.loads(asked.read_text().splitlines()[-1])
    at = terms.index("SYSLOG_IDENTIFIER=workbench-deploy")
    assert terms[at + 1 : at + 3] == ["_UID=0", "+"]
    assert "--since=-2h" in terms
