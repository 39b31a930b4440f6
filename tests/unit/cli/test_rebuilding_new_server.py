"""A rebuild's new server: it boots and is healthy, or goes, and the old one is back.

AWS is moto in this process, the engine a stand-in (tests/unit/cli/rebuild_on_moto.py).
"""

from types import SimpleNamespace
from typing import Any

import pytest

from cli import server, stack, waiting
from cli.machines import Machines
from connector import configure
from tests.unit.cli.rebuild_on_moto import Rebuilt, rebuild_now, refused
from tests.unit.cli.stack_on_moto import STACK
from workbench.errors import WorkbenchError


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
