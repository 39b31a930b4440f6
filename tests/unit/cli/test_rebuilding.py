"""A rebuild that is killed after any of its steps: nothing of the data is lost, and the next run goes on or back.

AWS is moto in this process, the engine a stand-in (tests/unit/cli/rebuild_on_moto.py).
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from botocore.exceptions import ClientError

from cli import (
    activity,
    address,
    baking,
    cloud,
    destroy,
    ending,
    engine,
    grace,
    notice,
    plan,
    planning,
    power,
    rebuild,
    rebuilding,
    repair,
    restore,
    server,
    stack,
    swapping,
    waiting,
)
from cli.amis import Amis
from cli.begun import told as told_of
from cli.machines import Machines
from cli.plan import Plan
from connector import configure
from tests.unit.cli.rebuild_on_moto import NEW_IMAGE, Rebuilt, machine, rebuilt
from tests.unit.cli.stack_on_moto import DEAD, ID, STACK, KilledError, living
from workbench import keys, servers, volumes
from workbench.errors import WorkbenchError
from workbench.leftovers import ADOPT_VARIABLE
from workbench_host.activity import Person

STEPS = range(1, 16)
BACK = 25  # the steps of one that goes back, and one more
BUSY = Person("grace", logins=0, kernels=1, rstudio=0, computing=True)


@pytest.fixture
def made(ec2: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rebuilt]:
    monkeypatch.setattr(activity, "people", lambda facts: [])
    with rebuilt(ec2, tmp_path, monkeypatch) as one:
        yield one


def rebuild_now(**more: Any) -> None:
    rebuild.rebuild(**{"yes": True, **more})


def refused(command: Callable[[], object]) -> str:
    with pytest.raises(WorkbenchError) as error:
        command()
    return str(error.value)


def untouched(made: Rebuilt) -> None:
    """Nothing at all was changed."""
    assert made.aws.calls == []
    assert made.whole() == made.old


def test_a_new_server_takes_volume_and_address_and_the_old_one_goes(
    made: Rebuilt, capsys: pytest.CaptureFixture[str]
) -> None:
    rebuild_now()
    new = made.whole()
    assert new != made.old
    assert made.aws.calls[:2] == ["create_snapshot", "create_tags"], "the snapshot is before all else"
    (snapshot,) = made.aws.disks().snapshots()
    assert snapshot.name.startswith("rebuild-")
    said = " ".join(capsys.readouterr().out.split())
    assert f"The server is {new} now, of debian-2, not debian-1. It took " in said
    assert made.aws.ec2.describe_instances(InstanceIds=[new])["Reservations"][0]["Instances"][0][
        "ImageId"
    ] == (NEW_IMAGE)
    assert servers.REBUILD_VARIABLE not in os.environ


def test_the_old_server_serves_until_the_new_one_has_booted(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, seen = Machines.prove, []

    def prove(self: Machines, server: str) -> None:
        plain(self, server)
        seen.append((made.living(), made.aws.holder(made.volume), made.holder_of_address(), server))

    monkeypatch.setattr(Machines, "prove", prove)
    rebuild_now()
    [(there, holder, at, new)] = seen
    assert there == {made.old: "running", new: "running"}
    assert (holder, at) == (made.old, made.old)


def killed(made: Rebuilt, after: int) -> bool:
    """Whether the rebuild died after so many of its changes."""
    made.aws.dies(after)
    try:
        rebuild_now()
    except KilledError:
        return True
    finally:
        made.aws.dies(-1)
    return False


@pytest.mark.parametrize("after", STEPS)
def test_killed_after_any_step_the_next_up_goes_on_or_back(made: Rebuilt, after: int) -> None:
    if killed(made, after):
        assert list(made.aws.roles().values()) == [volumes.DATA]
        stack.make(STACK, True, {})
    made.whole()


@pytest.mark.parametrize("after", STEPS)
def test_killed_after_any_step_the_next_rebuild_ends_it(made: Rebuilt, after: int) -> None:
    if killed(made, after):
        rebuild_now()
    assert made.whole() != made.old


@pytest.mark.parametrize("after", range(1, BACK))
def test_killed_after_any_step_also_of_going_back_the_old_one_is_never_ended(
    made: Rebuilt, after: int
) -> None:
    made.ailing = "jupyterhub"
    made.aws.dies(after)
    try:
        rebuild_now()
    except (KilledError, WorkbenchError):
        assert made.old in made.living()
    finally:
        made.aws.dies(-1)
    stack.make(STACK, True, {})
    assert made.whole() == made.old


def test_a_rebuild_has_as_many_steps_as_are_tried(made: Rebuilt) -> None:
    made.ailing = "jupyterhub"
    refused(rebuild_now)
    assert len(made.aws.calls) == BACK - 1
    made.ailing = ""
    made.aws.dies(-1)
    rebuild_now()
    assert len(made.aws.calls) == max(STEPS) - 1


def test_without_room_for_another_server_the_old_one_runs_on(made: Rebuilt) -> None:
    made.no_room = True
    said = refused(rebuild_now)
    assert said == (
        f"We do not have sufficient capacity.\nThe server {made.old} runs on as it was; nothing is lost."
    )
    assert made.whole() == made.old
    assert "stop_instances" not in made.aws.calls


def test_a_new_server_that_does_not_boot_is_given_up_before_the_old_one_stops(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prove(self: Machines, server: str) -> None:
        raise WorkbenchError(f"The new server {server} is booting, and not booted as it should be")

    monkeypatch.setattr(Machines, "prove", prove)
    assert "runs on as it was" in refused(rebuild_now)
    assert made.whole() == made.old


@pytest.mark.parametrize(
    ("state", "said"),
    [("impaired", "is booting, and not booted as it should be"), ("terminated", "is gone, and not booted")],
)
def test_a_new_server_that_does_not_boot_in_time_is_told_in_a_sentence(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch, state: str, said: str
) -> None:
    def describe(**_: Any) -> Any:
        checks = {"SystemStatus": {"Status": "ok"}, "InstanceStatus": {"Status": state}}
        return {"InstanceStatuses": [checks]}

    machines = made.machines
    monkeypatch.setattr(machines, "_ec2", SimpleNamespace(describe_instance_status=describe))
    monkeypatch.setattr(machines, "_state", lambda server: "running" if state == "impaired" else state)
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.0)
    found = refused(lambda: machines.prove(made.old))
    assert f"The new server {made.old} {said}" in found
    assert "Max attempts" not in found


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"breaks": True}, "configuration: the deploy failed."),
        ({"ailing": "jupyterhub"}, "The new server is not healthy: jupyterhub is down (it does not answer)."),
    ],
)
def test_a_new_server_that_is_not_healthy_is_given_up_and_the_old_one_is_back(
    made: Rebuilt, fault: dict[str, Any], why: str
) -> None:
    for name, value in fault.items():
        setattr(made, name, value)
    said = refused(rebuild_now)
    assert said == f"{why}\nThe server {made.old} is back and runs, with data and address; nothing is lost."
    assert made.whole() == made.old
    assert made.aws.configured == 2 - ("breaks" in fault)


def test_settings_that_cannot_be_carried_out_on_the_old_server_either_are_said(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.breaks = True
    plain = made.make

    def make(*arguments: Any) -> Any:
        plain(*arguments)
        raise WorkbenchError("configuration: the deploy failed.")

    monkeypatch.setattr(stack, "make", make)
    assert "is back and runs, with data and address; but the settings could not" in refused(rebuild_now)
    assert made.whole() == made.old


def test_an_old_server_that_cannot_be_put_back_yet_is_put_back_by_the_next_up(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.ailing = "jupyterhub"
    with monkeypatch.context() as patch:

        def give_back(self: Machines, server: str) -> None:
            raise WorkbenchError("Starting the server failed, AWS refused it: no room.")

        patch.setattr(Machines, "give_back", give_back)
        assert "could not be put back yet" in refused(rebuild_now)
    assert made.living() == {made.old: "stopped"}
    stack.make(STACK, True, {})
    assert made.whole() == made.old


def test_a_dead_rebuild_whose_new_server_is_healthy_goes_forward_with_the_next_up(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the new server and the note of it the run may die."""
    with monkeypatch.context() as patch:

        def finish(*_: Any) -> None:
            raise KilledError

        patch.setattr(rebuilding, "finish", finish)
        with pytest.raises(KilledError):
            rebuild_now()
    assert set(made.living().values()) == {"running", "stopped"}
    stack.make(STACK, True, {})
    assert made.whole() != made.old


def test_once_found_healthy_it_goes_forward_though_something_is_down_by_then(made: Rebuilt) -> None:
    made.aws.dies(-1)
    new = _noted(made)
    made.ailing = "jupyterhub"
    stack.make(STACK, True, {})
    assert made.whole() == new


def _noted(made: Rebuilt) -> str:
    """A rebuild that died when it had found the new server healthy and said so; the new one's id."""
    with pytest.MonkeyPatch.context() as patch:

        def end(self: Machines, server: str) -> None:
            raise KilledError

        patch.setattr(Machines, "end", end)
        with pytest.raises(KilledError):
            rebuild_now()
    new = made.machines.server()
    assert new is not None
    assert machine(made).replaced_by == new.id
    return new.id


def test_a_former_server_that_has_the_volume_still_is_not_ended(made: Rebuilt) -> None:
    new = _noted(made)
    ec2 = made.aws.ec2
    ec2.detach_volume(VolumeId=made.volume, InstanceId=new)
    ec2.attach_volume(VolumeId=made.volume, InstanceId=made.old, Device=volumes.DEVICE)
    assert f"The server {made.old} is not ended" in refused(lambda: stack.make(STACK, True, {}))
    assert set(made.living()) == {made.old, new}


def begun(made: Rebuilt, by: str) -> None:
    made.machines.rename(made.old, servers.FORMER, By=by)
    made.aws.dies(-1)


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


def test_what_a_dead_bake_left_goes_before_a_rebuild(made: Rebuilt, monkeypatch: pytest.MonkeyPatch) -> None:
    settled: list[list[str]] = []
    monkeypatch.setattr(baking, "settle", lambda *_: settled.append(list(made.aws.calls)))
    rebuild_now()
    assert settled == [[]]


def test_another_machines_is_not_settled_but_goes_on_when_told_so(made: Rebuilt) -> None:
    begun(made, "laptop-of-grace 7 2026-01-01T00:00:00+00:00")
    assert "has begun on laptop-of-grace, process 7" in refused(lambda: stack.make(STACK, True, {}))
    rebuild_now()
    assert made.whole() != made.old


def test_a_server_that_a_schedule_started_meanwhile_keeps_its_volume(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Machines._until

    def until(self: Machines, server: str, state: str) -> None:
        plain(self, server, state)
        if state == "stopped":
            made.aws.ec2.start_instances(InstanceIds=[server])

    monkeypatch.setattr(Machines, "_until", until)
    assert f"The server {made.old} was started meanwhile: it is running." in refused(rebuild_now)
    assert made.aws.holder(made.volume) == made.old


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


def test_a_failed_look_at_the_server_in_the_middle_is_told_and_the_old_one_is_back(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last look, right before the volume is detached: what AWS refuses there is no traceback."""
    plain, failed = Machines.release, []

    def release(self: Machines, server: str) -> None:
        client = self._ec2

        def describe(**arguments: Any) -> Any:
            answer = client.describe_instances(**arguments)
            if "stop_instances" in made.aws.calls and not failed:
                failed.append(server)
                told = {"Error": {"Code": "RequestLimitExceeded", "Message": "Request limit exceeded."}}
                raise ClientError(told, "DescribeInstances")  # type: ignore[arg-type]
            return answer

        monkeypatch.setattr(self, "_until", lambda server, state: None)
        monkeypatch.setattr(self, "_ec2", Failing(client, describe))
        plain(self, server)

    monkeypatch.setattr(Machines, "release", release)
    said = refused(rebuild_now)
    assert f"Asking for the server {made.old} failed, AWS refused it: Request limit exceeded." in said
    assert f"The server {made.old} is back and runs" in said
    assert made.whole() == made.old


class Failing:
    """A client that looks at servers in another way."""

    def __init__(self, client: Any, describe: Callable[..., Any]) -> None:
        self._client, self.describe_instances = client, describe

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


# Refused before anything is changed.


def test_people_who_compute_are_not_cut_off_unless_they_are_given_time_or_it_is_forced(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "people", lambda facts: [BUSY])
    said = refused(rebuild_now)
    assert "grace computes at this moment" in said
    assert "--grace MINUTES, or say --force. Nothing was changed." in said
    untouched(made)
    rebuild_now(force=True)
    assert made.whole() != made.old


def test_a_rebuild_that_died_before_the_old_server_stopped_asks_for_people_there_as_at_first(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(made, DEAD)
    monkeypatch.setattr(activity, "people", lambda facts: [BUSY])
    said = refused(rebuild_now)
    assert "grace computes at this moment" in said
    assert f"A rebuild of stack {STACK} has begun and not ended" in said
    assert made.aws.calls == []
    told: list[str] = []
    monkeypatch.setattr(notice, "tell", lambda facts, text, seconds: told.append(text))
    monkeypatch.setattr(notice, "take_back", lambda facts: None)
    monkeypatch.setattr(grace, "_wait", lambda seconds: told.append(f"{seconds:.0f} s"))
    capsys.readouterr()
    rebuild_now(minutes=10)
    assert "At work now: grace" in " ".join(capsys.readouterr().out.split())
    assert "is replaced by a fresh one" in told[0]
    assert told[1] == "600 s"
    assert made.whole() != made.old


def test_a_rebuild_that_died_before_the_old_server_stopped_goes_on_only_once_it_is_agreed_to(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(made, DEAD)

    def confirm(shown: Plan, yes: bool) -> None:
        assert "it is put back as it was" in " ".join(shown.happens)
        assert not yes
        raise typer.Abort

    monkeypatch.setattr(plan, "confirm", confirm)
    with pytest.raises(typer.Abort):
        rebuild_now(yes=False)
    assert made.aws.calls == []


def test_a_rebuild_that_died_once_people_were_cut_off_goes_on_without_asking(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "require_well", dies)
    with pytest.raises(KilledError):
        rebuild_now()
    monkeypatch.setattr(rebuilding, "require_well", lambda *_: None)
    monkeypatch.setattr(activity, "people", lambda facts: pytest.fail("nobody can be at work"))
    rebuild_now()
    assert made.whole() != made.old


def dies(*_: Any) -> None:
    raise KilledError


def test_who_begins_to_compute_during_the_snapshot_counts_too(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "people", lambda facts: [BUSY] if made.aws.calls else [])
    said = refused(rebuild_now)
    assert "grace computes at this moment" in said
    assert "Nothing was changed but for the snapshot, which stays." in said
    assert made.aws.calls == ["create_snapshot"]
    assert made.whole() == made.old


def test_a_server_that_is_stopped_is_rebuilt_and_nobody_is_asked_there(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made.aws.ec2.stop_instances(InstanceIds=[made.old])
    monkeypatch.setattr(activity, "people", lambda facts: pytest.fail("it is stopped"))
    started = f"The server {made.old}, which is stopped, is started."
    monkeypatch.setattr(planning, "previewed", lambda *_: Plan([started]))
    rebuild_now()
    assert made.whole() != made.old
    assert "The settings have changed" not in capsys.readouterr().out


def test_people_are_told_once_the_new_server_has_booted_and_until_the_old_one_stops(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "people", lambda facts: [BUSY])
    told: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(
        grace, "wait", lambda facts, minutes, what, **_: told.append((what, list(made.aws.calls)))
    )
    monkeypatch.setattr(grace, "over", lambda facts, minutes: told.append(("over", list(made.aws.calls))))
    rebuild_now(minutes=10)
    (what, before), (_, after) = told
    assert "is replaced by a fresh one" in what
    assert "program: server" in before
    assert after == before
    assert "stop_instances" not in after


def test_called_off_in_the_grace_the_new_server_goes_and_people_work_on(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wait(seconds: float) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    taken_back: list[str] = []
    monkeypatch.setattr(notice, "tell", lambda facts, text, seconds: None)
    monkeypatch.setattr(notice, "take_back", lambda facts: taken_back.append(facts.instance_id))
    monkeypatch.setattr(grace, "_wait", wait)
    said = refused(lambda: rebuild_now(minutes=10))
    assert said == (f"The rebuild was called off.\nThe server {made.old} runs on as it was; nothing is lost.")
    shown = capsys.readouterr().out
    assert "Called off: the new server goes again, and the snapshot stays." in shown
    assert made.whole() == made.old
    assert "Stop the former server" not in shown
    assert taken_back


def test_who_begins_to_compute_while_the_new_server_boots_counts_too(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        activity, "people", lambda facts: [BUSY] if "program: server" in made.aws.calls else []
    )
    said = refused(rebuild_now)
    assert "grace computes at this moment" in said
    assert f"The server {made.old} runs on as it was; nothing is lost." in said
    assert made.whole() == made.old
    assert "Stop the former server" not in capsys.readouterr().out


def test_who_computes_on_a_server_that_is_not_replaced_is_not_cut_off_for_its_new_size(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.settings.size, made.no_room = "m6i.large", True
    monkeypatch.setattr(stack, "make", lambda *_: pytest.fail("it would stop the server"))
    said = refused(rebuild_now)
    assert (
        f"The server {made.old} runs on as it was; nothing is lost. The next `workbench up` gives it the"
        in said
    )
    assert made.living() == {made.old: "running"}


def test_what_the_program_refuses_is_refused_before_anything_is_changed(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def previewed(*_: Any) -> Plan:
        raise WorkbenchError("workbench:size is 't9.colossal', which AWS does not offer.")

    monkeypatch.setattr(planning, "previewed", previewed)
    assert "which AWS does not offer" in refused(rebuild_now)
    untouched(made)


def test_a_key_that_no_new_server_would_take_is_refused(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "not_accepted", lambda given: ["No key of yours."])
    assert refused(rebuild_now) == "No key of yours. Nothing was changed."
    untouched(made)


def test_a_snapshot_that_fails_leaves_all_as_it_was(made: Rebuilt, monkeypatch: pytest.MonkeyPatch) -> None:
    def completed(*_: Any) -> None:
        raise WorkbenchError("AWS could not make the snapshot.")

    monkeypatch.setattr("cli.disks.Disks.completed", completed)
    assert "could not make the snapshot" in refused(rebuild_now)
    assert made.whole() == made.old
    assert made.aws.calls == ["create_snapshot"]


def test_a_server_without_its_data_volume_is_not_rebuilt(made: Rebuilt) -> None:
    made.aws.ec2.detach_volume(VolumeId=made.volume, InstanceId=made.old)
    assert f"{made.old} does not have the data volume" in refused(rebuild_now)
    assert made.aws.calls == []


def test_without_a_server_or_with_one_that_the_state_does_not_know_it_is_refused(made: Rebuilt) -> None:
    made.aws.state["outputs"] = "i-0123"
    assert f"does not know the server {made.old}; `workbench up` first" in refused(rebuild_now)
    made.aws.ec2.terminate_instances(InstanceIds=[made.old])
    assert "has no server at present; `workbench up` makes one" in refused(rebuild_now)
    del made.aws.state["outputs"]
    assert "has no server at present" in refused(rebuild_now)
    assert made.aws.calls == []


@pytest.mark.parametrize("minutes", [-1, 1441])
def test_no_time_that_people_can_be_given_is_refused(made: Rebuilt, minutes: int) -> None:
    assert f"--grace is {minutes}" in refused(lambda: rebuild_now(minutes=minutes))
    untouched(made)


def test_a_restore_that_has_not_ended_comes_first(made: Rebuilt) -> None:
    made.aws.volume(volumes.INCOMING, By=DEAD, RestoredFrom="snap-1")
    assert "A restore of stack prod has begun and not ended" in refused(rebuild_now)
    assert made.aws.calls == []


def test_two_at_once_are_refused(made: Rebuilt) -> None:
    with swapping.alone(STACK, "up"):
        assert "`workbench up`); wait for it to end" in refused(rebuild_now)


def test_several_former_servers_are_for_a_person_to_tell_apart(made: Rebuilt) -> None:
    begun(made, DEAD)
    other = made.aws.server()
    made.machines.rename(other, servers.FORMER, By=DEAD)
    made.aws.dies(-1)
    assert "2 servers of stack prod have the role former" in refused(rebuild_now)
    assert made.aws.calls == []


def test_the_plan_says_what_happens_and_what_comes_with_it(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = "The server starts from the image prod-1 (ami-1), baked 3 days ago."
    seen: list[bool] = []

    def previewed(*_: Any) -> Plan:
        seen.append(servers.ANEW_VARIABLE in os.environ)
        return Plan([image, "The firewall changes."])

    monkeypatch.setattr(planning, "previewed", previewed)
    rebuild_now()
    assert seen == [True], "of which image a new server would be is judged in the preview"
    assert servers.ANEW_VARIABLE not in os.environ
    said = " ".join(capsys.readouterr().out.split())
    for part in (
        f"A snapshot of the data volume {made.volume} (10 GiB) is made",
        f"A new server is made beside {made.old} (t3.large",
        f"and boots. {image} Then",
        "comes with it: The firewall changes.",
        "At work now: nobody.",
        "Down: about five minutes.",
        "the address as well",
        "Costs: about",
    ):
        assert part in said, part


@pytest.mark.parametrize(
    ("parts", "known"), [([], False), ([{"base": "1"}], False), ([{"environments": "2"}], True)]
)
def test_environments_that_no_image_has_are_said_to_be_built_while_nobody_can_work(
    made: Rebuilt,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    parts: list[dict[str, str]],
    known: bool,
) -> None:
    made.settings.environments = ["geo"]
    monkeypatch.setattr(Amis, "all", lambda self: [SimpleNamespace(parts=one) for one in parts])
    told: list[str] = []
    monkeypatch.setattr(notice, "tell", lambda facts, text, seconds: told.append(text))
    monkeypatch.setattr(notice, "take_back", lambda facts: None)
    monkeypatch.setattr(grace, "_wait", lambda seconds: None)
    rebuild_now(minutes=10)
    said = " ".join(capsys.readouterr().out.split())
    assert ("as long as the environments take to be built" in told[0]) != known
    assert ("since no image has them: `workbench bake` first" in said) != known
    assert "Down: about five minutes" in said


def test_without_an_image_of_its_own_a_new_server_is_said_to_be_of_debians(
    made: Rebuilt, capsys: pytest.CaptureFixture[str]
) -> None:
    rebuild_now()
    said = " ".join(capsys.readouterr().out.split())
    assert "and boots. The server starts from Debian's newest image. Then" in said


def test_services_that_are_starting_are_waited_for(made: Rebuilt, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, told = made.status, iter(["starting", "starting"])

    def status(name: str) -> dict[str, Any]:
        report = plain(name)
        if state := next(told, ""):
            report["services"]["jupyterhub"] = {"state": state, "detail": ""}
        return report

    monkeypatch.setattr(server, "status_of", status)
    monkeypatch.setattr(server, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _: None))
    rebuild_now()
    assert made.whole() != made.old


def test_a_server_that_is_not_configured_is_healthy_once_it_answers(
    made: Rebuilt, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.settings.configure = False
    monkeypatch.setattr(server, "status_of", lambda name: pytest.fail("it has no services"))
    rebuild_now()
    assert made.whole() != made.old


def test_one_that_does_not_answer_is_not_healthy(made: Rebuilt, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(address: str) -> None:
        raise WorkbenchError(f"{address} did not answer by SSH within 300 s.")

    monkeypatch.setattr(configure, "wait_for_ssh", wait)
    assert "did not answer by SSH within 300 s" in refused(rebuild_now)
    assert made.whole() == made.old


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
