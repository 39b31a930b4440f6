"""What `workbench doctor` and a `destroy` say; what the backend and AWS would answer is the test's."""

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from cli import account, common, doctor, locks, repair, stack
from workbench import leftovers
from workbench import stack as stacks
from workbench.errors import WorkbenchError

PENDING = {"type": "creating", "resource": {"urn": "urn:pulumi:prod::workbench::aws:ec2/vpc:Vpc::vpc"}}
ADDRESS = account.Found(
    "aws:ec2/eip:Eip", "address", leftovers.address("eipalloc-1", "0123456789ab", "192.0.2.1")
)
LIVING = locks.Holder("ada", "another.example.org", 7, datetime(2026, 11, 27, tzinfo=UTC))
DEAD = locks.Holder("ada", socket.gethostname(), os.getpid(), datetime(2020, 1, 1, tzinfo=UTC))


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
    }


def test_a_backend_that_does_not_tell_of_locks_is_no_ailment(
    find: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    find(held=None)
    doctor.doctor()
    said = capsys.readouterr().out
    assert "cannot be told" in said
    assert "is well: nothing unfinished" in said


def test_a_destroy_whose_state_was_lost_tells_what_is_paid_for_still(
    find: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    find(held=[], left=(ADDRESS,))
    stack._tell_what_stays("prod", repair.export("prod"))
    said = capsys.readouterr().out
    assert "knows no data volume" in said
    assert "address eipalloc-1 (192.0.2.1), about 3.65 USD a month" in said
