"""What `workbench doctor` and a `destroy` say; what the backend and AWS would answer is the test's."""

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from cli import account, begun, cloud, common, doctor, holdings, locks, outside, remote, repair
from cli.disks import Disks
from cli.findings import Finding
from workbench import leftovers, prices, servers, volumes
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs

PENDING = {"type": "creating", "resource": {"urn": "urn:pulumi:prod::workbench::aws:ec2/vpc:Vpc::vpc"}}
ADDRESS = account.Found(
    "aws:ec2/eip:Eip", "address", leftovers.address("eipalloc-1", "0123456789ab", "192.0.2.1")
)
LIVING = locks.Holder("ada", "another.example.org", 7, datetime(2026, 11, 27, tzinfo=UTC))
DEAD = locks.Holder("ada", socket.gethostname(), os.getpid(), datetime(2020, 1, 1, tzinfo=UTC))


def no_data(*_: Any, **__: Any) -> Disks:
    raise WorkbenchError("Stack prod has no data")


@pytest.fixture
def find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says what is found."""
    monkeypatch.setattr(stacks, "ROOT", tmp_path)
    monkeypatch.setattr(common, "enter", lambda name: "prod")

    def set_(
        *, held: list[locks.Holder] | None, died: bool = False, left: tuple[account.Found, ...] = ()
    ) -> None:
        exported = {"deployment": {"pending_operations": [PENDING] if died else []}}
        monkeypatch.setattr(locks, "of", lambda name: held)
        monkeypatch.setattr(repair, "export", lambda name: exported)
        monkeypatch.setattr(repair, "left_over", lambda name, exported: list(left))
        monkeypatch.setattr(Disks, "of", no_data)

    return set_


def test_what_a_living_run_is_at_is_not_said_to_have_died(
    find: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    find(held=[LIVING], died=True)
    with pytest.raises(typer.Exit):
        doctor.doctor()
    said = capsys.readouterr().out
    assert "Locked by another run (ada@another.example.org, process 7" in said
    assert "died" not in said


def test_what_a_dead_run_was_at_is_told(find: Any, capsys: pytest.CaptureFixture[str]) -> None:
    find(held=[DEAD], died=True)
    with pytest.raises(typer.Exit):
        doctor.doctor()
    assert "A run died while Vpc vpc was being created" in capsys.readouterr().out


def test_nothing_is_removed_while_another_run_is_at_it(find: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "remove", lambda *_: pytest.fail("removed"))
    find(held=[LIVING], left=(ADDRESS,))
    with pytest.raises(WorkbenchError, match=r"Locked by another run .*nothing was removed"):
        doctor.doctor(remove=["eipalloc-1"], yes=True)


def test_what_a_doctor_finds_is_there_for_programs(find: Any, capsys: pytest.CaptureFixture[str]) -> None:
    find(held=[DEAD], died=True, left=(ADDRESS,))
    with pytest.raises(typer.Exit) as ended:
        doctor.doctor(as_json=True)
    assert ended.value.exit_code == 3
    told = json.loads(capsys.readouterr().out)
    (lock,) = told["locks"]
    assert (lock["user"], lock["dead"], lock["since"]) == ("ada", True, "2020-01-01T00:00:00+00:00")
    assert told["unfinished"][0].startswith("A run died while Vpc vpc was being created")
    assert told["left_over"] == [
        {
            "kind": "address",
            "id": "eipalloc-1",
            "stack_id": "0123456789ab",
            "detail": "192.0.2.1",
            "usd_per_month": 3.65,
        }
    ]
    find(held=None)
    doctor.doctor(as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "stack": "prod",
        "locks": None,
        "unfinished": [],
        "left_over": [],
        "findings": [],
        "notes": [],
    }


def test_a_backend_that_does_not_tell_of_locks_is_no_ailment(
    find: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    find(held=None)
    doctor.doctor()
    said = capsys.readouterr().out
    assert "cannot be told" in said
    assert "is well: nothing unfinished" in said


def test_a_volume_that_a_restore_has_kept_is_told_and_is_no_ailment(
    find: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = leftovers.volume("vol-1", "0123456789ab", 50, volumes.KEPT)
    find(held=[], left=(account.Found("aws:ebs/volume:Volume", volumes.KEPT, kept),))
    doctor.doctor()
    said = capsys.readouterr().out
    assert "volume kept from before a restore vol-1 (50 GiB), about 4.00 USD a month" in said
    assert "Stack prod is well" in said


def test_the_server_from_before_a_rebuild_is_told_with_its_price_and_not_removed(
    find: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "remove", lambda *_: pytest.fail("removed"))
    monkeypatch.setattr(begun, "told", lambda name, exported: ["A rebuild has begun and not ended."])
    former = leftovers.server("i-1", "0123456789ab", "t3.large", "stopped", 20, servers.FORMER)
    find(held=[], left=(account.Found("aws:ec2/instance:Instance", servers.FORMER, former),))
    with pytest.raises(typer.Exit):
        doctor.doctor()
    said = capsys.readouterr().out
    assert "A rebuild has begun and not ended." in said
    assert (
        "former server of a rebuild that has not ended i-1 (t3.large, stopped), about 1.60 USD a month"
        in said
    )
    with pytest.raises(
        WorkbenchError, match=r"i-1 is the server from before a rebuild .* Nothing was removed"
    ):
        doctor.doctor(remove=["i-1"], yes=True)


FACTS = Outputs(
    stack="prod", region="eu-west-1", zone="eu-west-1a", address="127.7.7.7", host_name="127.7.7.7",
    instance_id="i-0123", instance_type="t3.large", architecture="x86_64", vcpus=2, memory_mib=8192,
    volume_id="vol-0123", url="https://127.7.7.7/", ssh="ssh admin@127.7.7.7",
)  # fmt: skip


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says what AWS and the server are to say; nothing listens at its address."""

    def set_(state: str | None, told: str | dict[str, Any]) -> None:
        found = None if state is None else cloud.Instance("i-0123", "t3.large", state)
        monkeypatch.setattr(cloud, "instance", lambda facts: found)

        def report_of(*_: object) -> dict[str, Any]:
            if isinstance(told, str):
                raise WorkbenchError(told)
            return told

        monkeypatch.setattr(remote, "report_of", report_of)
        monkeypatch.setattr(outside, "answering", lambda address, ports: set())

    return set_


def test_a_server_that_is_stopped_is_to_be_started(server: Any) -> None:
    server("stopped", {})
    (one,) = doctor.examine(FACTS)
    assert (one.what, one.command) == (
        "The server i-0123 is stopped, so that nobody can work.",
        "workbench start",
    )


def test_what_is_kept_while_there_is_no_server_is_told_with_its_price(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = [
        holdings.Holding(holdings.DATA, "vol-1", prices.disk("data volume", 50)),
        holdings.Holding(holdings.ADDRESS, "eipalloc-1", prices.address("192.0.2.1")),
    ]
    monkeypatch.setattr(holdings, "of", lambda name, exported: kept)
    (one,) = doctor._kept("prod", {"deployment": {"resources": [{"type": "aws:ebs/volume:Volume"}]}})
    assert one.note
    assert one.what == (
        "There is no server; what is kept costs data volume (50 GiB gp3): about 4.00 USD a month; address (192.0.2.1): "
        "about 3.65 USD a month."
    )
    running = holdings.Holding(holdings.SERVER, "i-1", prices.server("t3.large"))
    monkeypatch.setattr(holdings, "of", lambda name, exported: [running, *kept])
    assert list(doctor._kept("prod", {})) == []


def test_without_a_server_there_is_nothing_to_look_at(server: Any) -> None:
    server(None, {})
    assert doctor.examine(FACTS) == []
    assert doctor.examine(None) == []


def test_a_server_that_does_not_answer_is_a_finding_with_the_reason(server: Any) -> None:
    server("running", "127.7.7.7 could not be asked for how it is: Connection refused")
    one, closed = doctor.examine(FACTS)
    assert one.what.startswith("127.7.7.7 could not be asked for how it is: Connection refused")
    assert one.command == "aws ec2 reboot-instances --instance-ids i-0123"
    assert closed.note


def test_a_server_that_was_never_configured_is_no_ailment(server: Any) -> None:
    server("running", "127.7.7.7 could not be asked: sudo: /usr/local/...: command not found")
    assert all(one.note for one in doctor.examine(FACTS))


def test_findings_are_told_with_their_commands_and_make_the_status_3(
    find: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find(held=[])
    note = Finding("logins", "Failed logins in 24 hours: SSH [9].", note=True)
    monkeypatch.setattr(doctor, "examine", lambda facts: [note])
    doctor.doctor()
    assert capsys.readouterr().out == (
        "note: logins: Failed logins in 24 hours: SSH [9].\n"
        "Stack prod is well: no lock, nothing unfinished, nothing in AWS that its state does not know.\n"
        "At the server nothing was found to put right.\n"
    )
    monkeypatch.setattr(
        doctor, "examine", lambda facts: [Finding("ports", "Port 1 answers.", "workbench x"), note]
    )
    with pytest.raises(typer.Exit) as ended:
        doctor.doctor()
    assert ended.value.exit_code == 3
    told = capsys.readouterr().out
    assert "\nports: Port 1 answers.\n    workbench x\n" in told
    assert told.endswith("At the server 1 thing to put right.\n")
    with pytest.raises(typer.Exit):
        doctor.doctor(as_json=True)
    report = json.loads(capsys.readouterr().out)
    assert report["findings"] == [{"about": "ports", "what": "Port 1 answers.", "command": "workbench x"}]
    assert [one["about"] for one in report["notes"]] == ["logins"]
