"""Who is at work on a server that is rebuilt: asked, told and given time, and not cut off unless it is forced.

AWS is moto in this process, the engine a stand-in (tests/unit/cli/rebuild_on_moto.py).
"""

import os
import signal
from typing import Any

import pytest
import typer

from cli import activity, grace, notice, plan, planning, rebuilding, stack
from cli.plan import Plan
from tests.unit.cli.rebuild_on_moto import Rebuilt, begun, rebuild_now, refused, untouched
from tests.unit.cli.stack_on_moto import DEAD, STACK, KilledError
from workbench_host.activity import Person

BUSY = Person("grace", logins=0, kernels=1, rstudio=0, computing=True)


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
