"""A rebuild that has begun and not ended: what goes on with it, and what the other commands say and do.

AWS is moto in this process, the engine a stand-in (tests/unit/cli/rebuild_on_moto.py).
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from cli import (
    address,
    cloud,
    destroy,
    ending,
    engine,
    planning,
    power,
    rebuilding,
    repair,
    restore,
    server,
    stack,
)
from cli.begun import told as told_of
from cli.plan import Plan
from tests.unit.cli.rebuild_on_moto import Rebuilt, begun, rebuild_now, refused
from tests.unit.cli.stack_on_moto import DEAD, ID, STACK, living
from workbench import servers, volumes
from workbench.leftovers import ADOPT_VARIABLE


def test_a_rebuild_that_lives_is_neither_settled_nor_taken_over(made: Rebuilt) -> None:
    by, who = living()
    begun(made, by)
    assert f"has begun on {who} and not ended; wait" in refused(lambda: stack.make(STACK, True, {}))
    assert f"is at work ({who}); wait" in refused(rebuild_now)
    assert made.aws.calls == []
    assert f"is at work ({who})" in told_of(STACK, made.aws.exported())[0]


def test_status_says_that_a_rebuild_has_begun_and_not_ended(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    up = {"state": "up", "detail": ""}
    instance = {"id": made.old, "type": "t3.large", "state": "running"}
    told = {
        "stack": STACK, "url": None, "instance": instance, "services": {"proxy": up}, "disk": {}, "memory": {}
    }  # fmt: skip
    monkeypatch.setattr(server, "status_of", lambda name: dict(told))
    server.status(as_json=True)
    assert json.loads(capsys.readouterr().out)["rebuild"] is None
    begun(made, DEAD)
    server.status()
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"A rebuild of stack {STACK} has begun and not ended" in said
    server.status(as_json=True)
    assert "`workbench rebuild` goes on with it" in json.loads(capsys.readouterr().out)["rebuild"]


def test_a_look_at_rebuilds_that_fails_leaves_the_rest_of_the_status(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(made, DEAD)
    made.machines.rename(made.aws.server(), servers.FORMER, By=DEAD)
    up = {"state": "up", "detail": ""}
    monkeypatch.setattr(server, "status_of", lambda name: {"services": {"proxy": up}})
    server.status(as_json=True)
    assert "2 servers of stack prod have the role former" in json.loads(capsys.readouterr().out)["rebuild"]


def test_another_machines_is_not_settled_but_goes_on_when_told_so(made: Rebuilt) -> None:
    begun(made, "laptop-of-grace 7 2026-01-01T00:00:00+00:00")
    assert "has begun on laptop-of-grace, process 7" in refused(lambda: stack.make(STACK, True, {}))
    rebuild_now()
    assert made.whole() != made.old


def test_other_commands_refuse_in_the_middle_and_say_what_goes_on(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(made, DEAD)
    made.aws.snapshot(made.volume, "one")
    for module, name in ((cloud, "instance"),):
        monkeypatch.setattr(module, name, lambda facts: cloud.Instance(made.old, "t3.large", "stopped"))
    commands: list[Callable[[], object]] = [
        lambda: power.stop(yes=True),
        power.start,
        lambda: stack.resize("m6i.large", yes=True),
        lambda: restore.restore("one", yes=True),
        lambda: restore.restore("one", home="ada"),
        lambda: ending.delete_data(stack_name=STACK),
    ]
    for command in commands:
        said = refused(command)
        assert (
            f"A rebuild of stack {STACK} has begun and not ended ({made.old} is the server from before"
            in said
        )
        assert (
            "`workbench rebuild` goes on with it, `workbench up` goes on or back. Nothing was changed."
            in said
        )
    assert made.aws.calls == []


def test_a_destroy_in_the_middle_ends_the_former_server_too(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(made, DEAD)
    order: list[str] = []

    def run(_stack: str, *operation: str, **_: Any) -> None:
        order.append(operation[0])
        assert made.living() == {}

    monkeypatch.setattr(engine, "run", run)
    monkeypatch.setattr(planning, "of_destroy", lambda *_: Plan([]))
    monkeypatch.setattr(address, "is_kept", lambda *_: False)
    monkeypatch.setattr(address, "keep", lambda *_: None)
    monkeypatch.setattr(ending, "is_over", lambda *_: False)
    monkeypatch.setattr(ending, "tell_what_stays", lambda *_: None)
    destroy.destroy(yes=True)
    assert order == ["destroy"]
    assert made.aws.roles() == {made.volume: volumes.DATA}
    assert made.aws.holder(made.volume) == ""
    assert "server" not in made.aws.state


def test_a_destroy_waits_for_a_rebuild_that_lives(made: Rebuilt) -> None:
    begun(made, living()[0])
    state = repair.Repaired(made.aws.exported())
    assert "wait for it" in refused(lambda: rebuilding.end_all(STACK, state))
    assert made.living() == {made.old: "running"}


def test_a_lost_state_settles_what_is_said_to_be_ours(made: Rebuilt, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(made, DEAD)
    made.aws.lost = True
    made.aws.state.clear()
    assert not rebuilding.settle(STACK, made.aws.exported())
    monkeypatch.setenv(ADOPT_VARIABLE, ID)
    assert rebuilding.settle(STACK, made.aws.exported())
    assert made.machines.former() is None


def test_several_former_servers_are_for_a_person_to_tell_apart(made: Rebuilt) -> None:
    begun(made, DEAD)
    other = made.aws.server()
    made.machines.rename(other, servers.FORMER, By=DEAD)
    made.aws.dies(-1)
    assert "2 servers of stack prod have the role former" in refused(rebuild_now)
    assert made.aws.calls == []


@pytest.mark.parametrize("other", ["another@example 7 2026-11-28T06:00:00.000000+0000", ""])
def test_a_rebuild_that_another_machine_has_taken_or_ended_destroys_nothing_more(
    made: Rebuilt, other: str
) -> None:
    """Two at once, on two machines: the slower one would else end the server of the faster."""
    disks = made.aws.disks()
    former = rebuilding.begin(disks, made.old)
    if other:
        made.machines.note(made.old, By=other)
    else:
        made.machines.rename(made.old, servers.SERVER)
    made.aws.calls.clear()
    for step in (
        lambda: rebuilding.move(disks, former),
        lambda: rebuilding.finish(disks, former),
        lambda: rebuilding.go_back(STACK, disks, former),
    ):
        assert "is not this run's any more" in refused(step)
    assert made.aws.calls == []
    assert made.living() == {made.old: "running"}


def test_a_former_server_is_not_ended_where_no_data_volume_is_found(made: Rebuilt) -> None:
    disks = made.aws.disks()
    former = rebuilding.begin(disks, made.old)
    made.aws.ec2.delete_tags(Resources=[made.volume], Tags=[{"Key": "Role"}])
    assert "no other one of stack prod has the data volume" in refused(
        lambda: rebuilding.finish(disks, former)
    )
