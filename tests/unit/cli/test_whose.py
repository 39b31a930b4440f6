"""A state that knows no stack, in an account that has one of that name: it may be somebody else's, and is not touched.

AWS is moto in this process, the engine a stand-in (tests/unit/cli/stack_on_moto.py).
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli import activity, destroy, ending, engine, restore, snapshots
from cli.disks import Disks
from tests.unit.cli.stack_on_moto import ID, STACK, World, world
from workbench import stack as stacks
from workbench import volumes
from workbench.errors import WorkbenchError
from workbench.leftovers import ADOPT_NONE, ADOPT_VARIABLE

OTHER = "ba9876543210"
CHANGES: dict[str, Callable[..., None]] = {
    "snapshot": lambda **more: snapshots.snapshot(name="two", **more),
    "restore": lambda **more: restore.restore("one", yes=True, **more),
    "restore --home": lambda **more: restore.restore("one", home="ada", **more),
    "restore --drill": lambda **more: restore.restore(drill=True, **more),
    "delete-snapshot": lambda **more: snapshots.delete_snapshot("one", yes=True, **more),
    "delete-data": lambda **more: ending.delete_data(stack_name=STACK, **more),
}


@pytest.fixture
def aws(ec2: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    settings = SimpleNamespace(zone="eu-west-1a", data_volume_gib=10)
    monkeypatch.setattr(stacks, "settings", lambda stack: settings)
    monkeypatch.setattr(activity, "people", lambda facts: [])
    monkeypatch.setenv(ADOPT_VARIABLE, "")  # taken back with all that a test sets
    with world(ec2, tmp_path, monkeypatch) as made:
        made.lost = True
        yield made


@pytest.mark.parametrize("command", CHANGES)
@pytest.mark.parametrize("adopt", [None, ADOPT_NONE, OTHER])
def test_what_changes_something_wants_to_be_told_whose_it_is(
    aws: World, command: str, adopt: str | None
) -> None:
    volume, _ = aws.up()
    aws.snapshot(volume, "one")
    aws.dies(-1)
    said = rf"may be somebody else's \(by its id: {ID}\); if it is yours, say so with `--adopt ID`"
    with pytest.raises(WorkbenchError, match=said):
        CHANGES[command](adopt=adopt)
    assert aws.calls == []


def test_what_only_looks_may_guess_where_there_is_one(aws: World, capsys: pytest.CaptureFixture[str]) -> None:
    aws.snapshot(aws.volume(), "one")
    snapshots.snapshots(as_json=True)
    assert json.loads(capsys.readouterr().out)["stack_id"] == ID
    aws.snapshot(aws.volume(), "theirs", stack_id=OTHER)
    with pytest.raises(WorkbenchError, match=rf"by its id: {ID}, {OTHER}"):
        snapshots.snapshots()


def test_with_the_id_data_is_restored_and_deleted(aws: World) -> None:
    old = aws.volume()
    aws.snapshot(old, "one")
    aws.snapshot(old, "theirs", stack_id=OTHER)
    restore.restore("one", yes=True, adopt=ID)
    assert aws.roles()[old] == volumes.KEPT
    snapshots.delete_snapshot(old, yes=True, adopt=ID)
    assert old not in aws.roles()
    ending.delete_data(stack_name=STACK, adopt=ID)
    assert (aws.roles(), aws.disks().snapshots()) == ({}, [])
    assert [one.name for one in Disks(STACK, OTHER, stacks.aws_config()).snapshots()] == ["theirs"]


def test_a_server_that_the_state_does_not_know_is_not_stopped_even_with_the_id(aws: World) -> None:
    volume, server = aws.up()
    aws.snapshot(volume, "one")
    aws.dies(-1)
    with pytest.raises(WorkbenchError, match=rf"{server} is there, .* `workbench up --adopt {ID}`"):
        restore.restore("one", yes=True, adopt=ID)
    assert aws.calls == []


def test_a_last_snapshot_is_made_of_no_stack_that_the_state_does_not_know(
    aws: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = aws.volume()
    monkeypatch.setattr(engine, "run", lambda *_, **__: None)
    aws.dies(-1)
    with pytest.raises(WorkbenchError, match="knows no data of which a last snapshot could be made"):
        destroy.destroy(data=destroy.DataKept.SNAPSHOT, yes=True)
    destroy.destroy(yes=True)
    assert (aws.calls, aws.roles()) == ([], {volume: volumes.DATA})


def test_an_id_that_is_not_the_states_is_refused(aws: World) -> None:
    aws.lost = False
    aws.snapshot(aws.volume(), "one")
    with pytest.raises(WorkbenchError, match=f"is {OTHER!r}, but the state of stack prod is there .* {ID}"):
        ending.delete_data(stack_name=STACK, adopt=OTHER)
    assert aws.roles()
