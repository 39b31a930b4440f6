"""What a rebuild says that it will do, and what it refuses before anything is changed.

AWS is moto in this process, the engine a stand-in (tests/unit/cli/rebuild_on_moto.py).
"""

import os
from types import SimpleNamespace
from typing import Any

import pytest

from cli import grace, notice, planning, swapping
from cli.amis import Amis
from cli.plan import Plan
from tests.unit.cli.rebuild_on_moto import Rebuilt, rebuild_now, refused, untouched
from tests.unit.cli.stack_on_moto import DEAD, STACK
from workbench import keys, servers, volumes
from workbench.errors import WorkbenchError


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
