"""`workbench alarms`, and what `workbench doctor` makes of alarms and of a volume that is missing."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer

from cli import alarms, cloud, common, doctor, findings, remote
from cli.findings import Finding
from tests.unit.cli.test_findings import GIB, found, the_one
from tests.unit.deploy.test_alarms import FACTS
from workbench import stack as stacks
from workbench.errors import WorkbenchError

FULL = {"key": "disk /", "text": "The disk at / is 90% full.", "since": "2026-11-28T03:00:00+00:00"}
OLD = {"key": "certificate", "text": "The certificate ended.", "since": "2026-11-28T03:00:00+00:00"}


def told(*on: dict[str, str], refused: dict[str, str] | None = None, minutes: int = 3) -> dict[str, Any]:
    looked = datetime.now(UTC) - timedelta(minutes=minutes)
    return {"on": list(on), "refused": refused or {}, "looked": looked.isoformat(timespec="seconds")}


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says what the host answers."""
    monkeypatch.setattr(common, "enter", lambda name: "prod")
    monkeypatch.setattr(stacks, "outputs", lambda name: FACTS)
    monkeypatch.setattr(cloud, "running", lambda facts: facts)

    def set_(answer: dict[str, Any]) -> list[str]:
        asked: list[str] = []

        def report_of(facts: Any, program: str, timeout: float, about: str) -> dict[str, Any]:
            asked.append(program.rpartition("/")[2])
            return answer

        monkeypatch.setattr(remote, "report_of", report_of)
        return asked

    return set_


def test_what_is_on_is_shown_with_status_3(host: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert host({"alarms": told(FULL, refused={"mail": "it refused"})}) == []
    with pytest.raises(typer.Exit) as end:
        alarms.alarms()
    assert end.value.exit_code == 3
    assert capsys.readouterr().out.splitlines() == [
        "The disk at / is 90% full. (since 2026-11-28T03:00:00+00:00)",
        "Nobody could be told by mail: it refused.",
    ]


def test_nothing_wrong_is_said_too(host: Any, capsys: pytest.CaptureFixture[str]) -> None:
    host({"alarms": told()})
    alarms.alarms()
    assert capsys.readouterr().out == "No alarm is on.\n"


def test_a_program_gets_it_as_json(host: Any, capsys: pytest.CaptureFixture[str]) -> None:
    host({"alarms": told()})
    alarms.alarms(as_json=True)
    assert set(json.loads(capsys.readouterr().out)) == {"on", "refused", "looked"}


def test_a_host_of_before_says_what_to_do(host: Any) -> None:
    host({})
    with pytest.raises(WorkbenchError, match="workbench deploy"):
        alarms.alarms()


def test_a_test_that_arrives_says_by_what(host: Any, capsys: pytest.CaptureFixture[str]) -> None:
    asked = host({"sent": ["mail", "webhook"], "failed": {}})
    alarms.alarms(test=True)
    assert asked == ["alarms --test"]
    assert "Sent by mail and webhook; see that it has come." in capsys.readouterr().out


def test_a_server_that_refuses_is_one_sentence(host: Any) -> None:
    host({"sent": ["webhook"], "failed": {"mail": "the mail server x, port 25, refused: 554 no"}})
    with pytest.raises(WorkbenchError) as caught:
        alarms.alarms(test=True)
    assert str(caught.value) == "No alarm goes out by mail: the mail server x, port 25, refused: 554 no."


def test_where_nobody_is_to_be_told_the_settings_are_named(host: Any) -> None:
    host({"sent": [], "failed": {}})
    with pytest.raises(
        WorkbenchError, match=r"neither workbench:alarms.mail nor workbench:alarms.webhook is set"
    ):
        alarms.alarms(test=True)


def test_the_doctor_names_an_alarm_that_nothing_else_shows() -> None:
    assert found(alarms=told(FULL)) == [], "of disks it says more itself"
    one = the_one(alarms=told(OLD))
    assert one.what == "The certificate ended. Since 2026-11-28T03:00:00+00:00."
    assert one.command == "workbench ssh -- sudo journalctl -u caddy -n 50"


def test_the_doctor_names_who_could_not_be_told_and_that_nobody_looks() -> None:
    refused = the_one(alarms=told(refused={"mail": "it\x1b refused"}))
    assert (refused.what, refused.command) == (
        "Nobody could be told by mail: it? refused.",
        "workbench alarms --test",
    )
    assert "due every 5 minutes" in the_one(alarms=told(minutes=30)).what
    assert "was looked for not yet" in the_one(alarms={**told(), "looked": ""}).what


@pytest.mark.parametrize(
    ("where", "says", "command"),
    [
        ("", "vol-1 is attached to no server.", "attach-volume --volume-id vol-1 --instance-id i-1 --device /dev/sdf"),
        ("i-2", "vol-1 is attached to i-2, which is to let go of it first.", "aws ec2 attach-volume"),
        ("i-1", "vol-1 is attached; why it is not mounted", "journalctl -b -u srv-workbench.mount"),
        (None, "AWS has no vol-1 any more.", "workbench snapshots"),
    ],
)  # fmt: skip
def test_the_doctor_says_where_a_missing_volume_is_and_how_it_comes_back(
    monkeypatch: pytest.MonkeyPatch, where: str | None, says: str, command: str
) -> None:
    monkeypatch.setattr(cloud, "attached_to", lambda facts: where)
    one = the_one(disk={"/": GIB, "/srv/workbench": None})
    assert one.about == findings.VOLUME
    told = doctor._missing(one, FACTS)
    assert isinstance(told, Finding)
    assert says in told.what
    assert command in told.command
