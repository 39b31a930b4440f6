"""A rebuild that is killed after any of its steps: nothing of the data is lost, and the next run goes on or back.

AWS is moto in this process, the engine a stand-in (tests/unit/cli/rebuild_on_moto.py).
"""

import os
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli import baking, rebuilding, stack
from cli.machines import Machines
from tests.unit.cli.rebuild_on_moto import NEW_IMAGE, Rebuilt, machine, rebuild_now, refused
from tests.unit.cli.stack_on_moto import STACK, KilledError
from workbench import servers, volumes
from workbench.errors import WorkbenchError

STEPS = range(1, 16)
BACK = 25  # the steps of one that goes back, and one more


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


def test_what_a_dead_bake_left_goes_before_a_rebuild(made: Rebuilt, monkeypatch: pytest.MonkeyPatch) -> None:
    settled: list[list[str]] = []
    monkeypatch.setattr(baking, "settle", lambda *_: settled.append(list(made.aws.calls)))
    rebuild_now()
    assert settled == [[]]


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
