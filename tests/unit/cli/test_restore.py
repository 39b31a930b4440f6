"""What a restore refuses, in one sentence and with nothing changed; snapshots by hand, listed and deleted.

AWS is moto in this process, the engine a stand-in (tests/unit/cli/stack_on_moto.py).
"""

import json
import os
import re
import socket
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from cli import activity, grace, locks, notice, plan, restore, snapshots
from cli.described import Snapshot
from cli.disks import Disks
from cli.locks import Holder
from tests.unit.cli.stack_on_moto import World
from workbench import stack as stacks
from workbench import volumes
from workbench.errors import WorkbenchError
from workbench_host.activity import Person

ADA = Person("ada", 1, 2, 0, computing=True)
GRACE = Person("grace", 1, 0, 0, computing=False)


def unchanged(aws: World, sentence: str, **arguments: Any) -> None:
    aws.dies(-1)
    with pytest.raises(WorkbenchError, match=sentence) as refused:
        restore.restore(**{"yes": True, **arguments})
    assert "\n" not in str(refused.value)
    assert aws.calls == []


def test_an_unknown_snapshot_is_refused_and_the_last_ones_are_named(aws: World) -> None:
    old, _ = aws.up()
    unchanged(aws, r"has no snapshot one: it has none", name="one")
    aws.snapshot(old, "monday")
    unchanged(
        aws, r"has no snapshot one: the last ones are monday; `workbench snapshots` lists all", name="one"
    )


def test_another_stacks_snapshot_is_refused_by_its_id_and_by_its_name(aws: World) -> None:
    old, _ = aws.up()
    aws.snapshot(old, "mine")
    theirs = aws.snapshot(aws.volume(), "theirs", stack_id="ba9876543210")
    for name in (theirs, "theirs"):
        said = rf"{name} is not of stack prod but of stack prod with the id ba9876543210; .* the last ones are mine"
        unchanged(aws, said, name=name)


def test_a_snapshot_larger_than_the_setting_is_refused_with_the_value_that_is_right(aws: World) -> None:
    aws.snapshot(aws.volume(gib=20), "big")
    unchanged(aws, r"has 20 GiB, but workbench:dataVolumeGib is 10; set .* to at least 20", name="big")


def test_a_zone_that_is_not_the_servers_is_refused(aws: World, monkeypatch: pytest.MonkeyPatch) -> None:
    old, server = aws.up()
    aws.snapshot(old, "one")
    monkeypatch.setattr(
        stacks, "settings", lambda stack: SimpleNamespace(zone="eu-west-1b", data_volume_gib=10)
    )
    unchanged(aws, rf"'eu-west-1b', but the server {server} is in eu-west-1a", name="one")


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("pending", r"is not complete yet \(100%\); wait for it"),
        ("error", r"AWS could not make the snapshot"),
    ],
)
def test_a_snapshot_that_is_not_complete_is_refused(
    aws: World, state: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _ = aws.up()
    aws.snapshot(old, "one")
    found = aws.disks().snapshots()
    told = [Snapshot(**{**one.__dict__, "state": state}) for one in found]
    monkeypatch.setattr(Disks, "snapshots", lambda self: told)
    unchanged(aws, sentence, name="one")


def test_names_that_two_have_are_refused_with_their_ids(aws: World) -> None:
    old, _ = aws.up()
    ids = [aws.snapshot(old, "twice") for _ in range(2)]
    unchanged(aws, rf"2 snapshots are named twice; name one by its id: .*{ids[1]}", name="twice")


def test_while_users_compute_it_is_refused_with_their_names(
    aws: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _ = aws.up()
    aws.snapshot(old, "one")
    monkeypatch.setattr(stacks, "outputs_in", lambda exported: SimpleNamespace())
    monkeypatch.setattr(activity, "people", lambda facts: [ADA, GRACE])
    unchanged(aws, r"^ada computes at this moment, .* or say --force", name="one")
    restore.restore("one", force=True, yes=True)
    assert aws.roles()[old] == volumes.KEPT


def test_where_the_server_does_not_say_who_computes_it_is_refused(
    aws: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(facts: Any) -> list[Person]:
        raise WorkbenchError("198.51.100.7 does not answer.")

    old, _ = aws.up()
    aws.snapshot(old, "one")
    monkeypatch.setattr(stacks, "outputs_in", lambda exported: SimpleNamespace())
    monkeypatch.setattr(activity, "people", silent)
    unchanged(aws, r"^It was not done, since the server does not say who .* answer\); .* --force", name="one")
    restore.restore("one", force=True, yes=True)
    assert aws.roles()[old] == volumes.KEPT


def test_somebody_is_asked_with_who_is_at_work_and_what_is_kept(
    aws: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old, _ = aws.up()
    aws.snapshot(old, "one")
    monkeypatch.setattr(stacks, "outputs_in", lambda exported: SimpleNamespace())
    monkeypatch.setattr(activity, "people", lambda facts: [GRACE])
    monkeypatch.setattr(plan.typer, "confirm", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    aws.dies(-1)
    with pytest.raises(KeyboardInterrupt):
        restore.restore("one")
    said = capsys.readouterr().out
    assert "At work now: grace: 1 login, idle." in said
    assert f"Kept: the present volume {old} (10 GiB)" in said
    assert re.search(r"Costs: about [\d.]+ USD a month now, about [\d.]+ USD a month afterwards", said)
    assert aws.calls == []


@pytest.fixture
def told(aws: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stack with the snapshot `one`, at which nobody computes; what its users are told, "" where it is taken back."""
    old, _ = aws.up()
    aws.snapshot(old, "one")
    said: list[str] = []
    monkeypatch.setattr(stacks, "outputs_in", lambda exported: SimpleNamespace())
    monkeypatch.setattr(activity, "people", lambda facts: [GRACE])
    monkeypatch.setattr(notice, "tell", lambda facts, text, seconds: said.append(text))
    monkeypatch.setattr(notice, "take_back", lambda facts: said.append(""))
    monkeypatch.setattr(grace, "_wait", lambda seconds: None)
    return said


def test_users_are_told_before_a_restore_and_the_notice_is_over_before_the_server_stops(
    aws: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[list[str]] = []
    plain = Disks.stop
    monkeypatch.setattr(Disks, "stop", lambda self, server: (stopped.append(list(told)), plain(self, server)))
    restore.restore("one", minutes=5, yes=True)
    (text, over) = told
    assert re.match(
        r"The workbench is stopped for some minutes, and all files are put back to those of "
        r"\d{4}-\d\d-\d\d \d\d:\d\d UTC, at \d\d:\d\d UTC, in 5 minutes\. "
        r"Copy what you have made since then to your own computer\.$",
        text,
    )
    assert (over, stopped) == ("", [[text, ""]])


def test_who_begins_to_compute_while_it_is_waited_keeps_a_restore_from_being_done(
    aws: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [GRACE]
    monkeypatch.setattr(activity, "people", lambda facts: list(found))
    monkeypatch.setattr(grace, "_wait", lambda seconds: found.append(ADA))
    unchanged(aws, r"^ada computes at this moment", name="one", minutes=5)
    assert told[1:] == [""]
    found[:] = [GRACE]
    restore.restore("one", minutes=5, force=True, yes=True)


def test_a_run_that_began_while_it_was_waited_keeps_a_restore_from_being_done(
    aws: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Holder("ada", socket.gethostname(), os.getppid(), datetime.now(UTC))
    held: list[Holder] = []
    monkeypatch.setattr(locks, "of", lambda stack: held)
    monkeypatch.setattr(grace, "_wait", lambda seconds: held.append(other))
    unchanged(aws, "is locked by another run", name="one", minutes=5)
    assert told[1:] == [""]


def test_called_off_a_restore_has_changed_nothing(
    aws: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grace, "_wait", lambda seconds: (_ for _ in ()).throw(KeyboardInterrupt))
    aws.dies(-1)
    with pytest.raises(KeyboardInterrupt):
        restore.restore("one", minutes=5, yes=True)
    assert (aws.calls, told[1:]) == ([], [""])


def test_nobody_is_told_of_a_restore_that_is_refused(
    aws: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "people", lambda facts: [ADA])
    unchanged(aws, r"^ada computes at this moment", name="one", minutes=5)
    unchanged(aws, "has no snapshot two", name="two", minutes=5)
    unchanged(aws, "--grace is 1441", name="one", minutes=1441)
    assert told == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"drill": True, "minutes": 5}, "--grace goes with a restore of all"),
        ({"name": "one", "home": "ada", "minutes": 5}, "--grace goes with a restore of all"),
        ({}, "Say which snapshot"),
        ({"name": "one", "path": "x"}, "x goes with --home USER"),
        ({"drill": True, "home": "ada"}, "--drill and --home are two things"),
        *[
            (
                {"name": "one", "home": home},
                rf"--home '{home}' is no user name that Linux takes.*; nothing was",
            )
            for home in ("", ".", "..", "/", "ada/../grace", "-x")
        ],
        ({"name": "one", "home": "ada", "path": "../grace"}, r"PATH is '\.\./grace'"),
        ({"name": "one", "home": "ada", "path": "/etc/shadow"}, "PATH is '/etc/shadow'"),
        ({"name": "one", "home": "ada"}, "needs a server|by the server"),
        ({"drill": True}, "The drill needs a server that runs"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    aws: World, arguments: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.snapshot(aws.volume(), "one")
    if "path" in arguments and "home" in arguments:
        aws.server()
        monkeypatch.setattr(stacks, "outputs_in", lambda exported: SimpleNamespace())
    unchanged(aws, sentence, **arguments)


# Listing, deleting one.


def test_snapshots_are_listed_with_their_prices_and_what_was_kept(
    aws: World, capsys: pytest.CaptureFixture[str]
) -> None:
    old, _ = aws.up()
    aws.snapshot(old, "monday")
    aws.snapshot(aws.volume(), "theirs", stack_id="ba9876543210")
    kept = aws.volume(volumes.KEPT)
    snapshots.snapshots(as_json=True)
    told = json.loads(capsys.readouterr().out)
    (one,) = told["snapshots"]
    assert (one["name"], one["made"], one["size_gib"], one["state"]) == ("monday", "by hand", 10, "completed")
    assert one["usd_per_month_at_most"] == 0.5
    assert told["kept_volumes"][0]["id"] == kept
    snapshots.snapshots()
    said = " ".join(capsys.readouterr().out.split())
    assert "monday" in said
    assert "theirs" not in said
    assert f"`workbench delete-snapshot {kept}` removes it" in said


def test_ages_are_told_in_words() -> None:
    now = datetime.now(UTC)
    told = [snapshots.age(now - timedelta(minutes=minutes)) for minutes in (5, 300, 60 * 24 * 12)]
    assert told == ["5 min", "5 h", "12 days"]


def test_a_snapshot_by_hand_of_a_stopped_server_asks_it_nothing(aws: World) -> None:
    volume, server = aws.up()
    aws.ec2.stop_instances(InstanceIds=[server])
    snapshots.snapshot(name="evening")
    (one,) = aws.disks().snapshots()
    assert (one.name, one.how, one.volume, one.state) == ("evening", "by hand", volume, "completed")
    with pytest.raises(WorkbenchError, match="named evening already"):
        snapshots.snapshot(name="evening")


@pytest.mark.parametrize("name", ["", "-x", "a b", "snap-1", "x" * 64, "a/b"])
def test_names_that_cannot_be_told_from_others_are_refused(aws: World, name: str) -> None:
    aws.up()
    with pytest.raises(WorkbenchError, match="--name is"):
        snapshots.snapshot(name=name)
    assert aws.disks().snapshots() == []


def test_only_what_was_kept_is_deleted_by_its_id(aws: World) -> None:
    old, _ = aws.up()
    kept, snapshot = aws.volume(volumes.KEPT), aws.snapshot(old, "one")
    with pytest.raises(WorkbenchError, match="is no volume that a restore of stack prod has kept"):
        snapshots.delete_snapshot(old, yes=True)
    snapshots.delete_snapshot(kept, yes=True)
    snapshots.delete_snapshot("one", yes=True)
    assert list(aws.roles()) == [old]
    assert snapshot not in [one.id for one in aws.disks().snapshots()]
