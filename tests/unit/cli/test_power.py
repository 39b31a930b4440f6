"""Stop and start: AWS is moto in this process, who is at work is told by a fake."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import activity, cloud, common, notice, power, server, statefile, swapping
from cli.main import app
from connector import configure
from tests.unit.cli import paid
from workbench import stack as stacks
from workbench import volumes
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs
from workbench_host.activity import Person

runner = CliRunner()
IDLE = Person("ada", logins=1, kernels=1, rstudio=0, computing=False)
BUSY = Person("grace", logins=0, kernels=1, rstudio=0, computing=True)


@pytest.fixture
def ec2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(stacks, "ROOT", tmp_path)
    monkeypatch.setattr(common, "enter", lambda stack: "prod")
    monkeypatch.setattr(cloud, "POLL_SECONDS", 0)
    monkeypatch.setattr(activity, "people", lambda facts: [IDLE])
    monkeypatch.setattr(configure, "wait_for_ssh", lambda address: None)
    monkeypatch.setattr(power, "show_status", lambda name, facts: None)
    monkeypatch.setattr(server, "status_of", lambda name: {"services": {}})
    with paid.account(monkeypatch) as client:
        yield client


@pytest.fixture
def facts(ec2: Any, monkeypatch: pytest.MonkeyPatch) -> Outputs:
    made, state = paid.make(ec2)
    monkeypatch.setattr(statefile, "exported", lambda stack: state)
    return made


def state(ec2: Any, facts: Outputs) -> str:
    found = ec2.describe_instances(InstanceIds=[facts.instance_id])["Reservations"][0]["Instances"][0]
    return str(found["State"]["Name"])


def refused(*arguments: str) -> str:
    done = runner.invoke(app, [*arguments])
    assert isinstance(done.exception, WorkbenchError), done.output
    return str(done.exception)


def test_a_server_is_stopped_and_started_and_its_cost_is_said(ec2: Any, facts: Outputs) -> None:
    done = runner.invoke(app, ["stop", "--yes"])
    assert done.exit_code == 0, done.output
    assert state(ec2, facts) == "stopped"
    said = " ".join(done.output.split())
    assert "At work now: ada: 1 login, 1 kernel, idle." in said
    assert "about 38.02 USD a month now, about 7.65 USD a month afterwards" in said
    assert "Stopped. What stays costs about 7.65 USD a month; `workbench start --stack prod`" in said
    assert runner.invoke(app, ["start"]).exit_code == 0
    assert state(ec2, facts) == "running"


def test_start_comes_back_once_people_can_log_in(
    ec2: Any, facts: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = ["starting", "starting", "up"]
    monkeypatch.setattr(server.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(server, "status_of", lambda name: {"services": {"hub": {"state": states.pop(0)}}})
    ec2.stop_instances(InstanceIds=[facts.instance_id])
    assert runner.invoke(app, ["start"]).exit_code == 0
    assert states == []


def test_a_no_leaves_it_running(ec2: Any, facts: Outputs) -> None:
    assert runner.invoke(app, ["stop"], input="n\n").exit_code == 1
    assert state(ec2, facts) == "running"


def test_what_is_stopped_is_not_stopped_again_nor_started_what_runs(ec2: Any, facts: Outputs) -> None:
    assert f"The server {facts.instance_id} of stack prod is running already." in refused("start")
    ec2.stop_instances(InstanceIds=[facts.instance_id])
    assert f"The server {facts.instance_id} of stack prod is stopped already." in refused("stop", "--yes")


@pytest.mark.parametrize("verb", ["stop", "start"])
def test_what_was_never_made_or_is_destroyed_is_said_in_a_sentence(
    ec2: Any, facts: Outputs, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    ec2.terminate_instances(InstanceIds=[facts.instance_id])
    assert "has no server at present; `workbench up` makes one." in refused(verb)
    monkeypatch.setattr(statefile, "exported", lambda stack: {})
    assert "has no server at present" in refused(verb)


@pytest.mark.parametrize("verb", ["stop", "start"])
def test_a_restore_is_not_disturbed(ec2: Any, facts: Outputs, verb: str) -> None:
    if verb == "start":
        ec2.stop_instances(InstanceIds=[facts.instance_id])
    before = state(ec2, facts)
    with swapping.alone("prod", "up"):
        assert "Another workbench command is at work on stack prod (pid " in refused(verb)
    ec2.create_volume(
        AvailabilityZone=f"{paid.REGION}a", Size=50, TagSpecifications=paid.tagged("volume", volumes.INCOMING)
    )
    assert "A restore of stack prod has begun and not ended" in refused(verb)
    assert state(ec2, facts) == before


def test_a_server_on_which_somebody_computes_is_spared(
    ec2: Any, facts: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "people", lambda facts: [IDLE, BUSY])
    done = runner.invoke(app, ["stop", "--yes", "--unless-busy"])
    assert done.exit_code == 4
    assert "It was not stopped, since somebody computes: grace: 1 kernel, computing." in done.output
    assert "ada" not in done.output
    assert state(ec2, facts) == "running"
    monkeypatch.setattr(activity, "people", lambda facts: [IDLE])
    assert runner.invoke(app, ["stop", "--yes", "--unless-busy"]).exit_code == 0


def test_a_server_that_does_not_say_who_computes_is_spared_too(
    ec2: Any, facts: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(facts: Outputs) -> list[Person]:
        raise WorkbenchError("It has no such program yet.")

    monkeypatch.setattr(activity, "people", silent)
    assert "It was not stopped, since the server does not say who is at work" in refused(
        "stop", "--yes", "--unless-busy"
    )
    assert state(ec2, facts) == "running"


def test_who_begins_to_compute_while_it_is_waited_is_spared_and_the_notice_goes(
    ec2: Any, facts: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(notice, "tell", lambda facts, text, seconds: said.append(text))
    monkeypatch.setattr(notice, "take_back", lambda facts: said.append(""))
    found = [IDLE]
    monkeypatch.setattr(activity, "people", lambda facts: list(found))
    monkeypatch.setattr("cli.grace._wait", lambda seconds: found.append(BUSY))
    done = runner.invoke(app, ["stop", "--yes", "--unless-busy", "--grace", "5"])
    assert done.exit_code == 4
    assert state(ec2, facts) == "running"
    assert said[-1] == ""


def test_a_bad_grace_is_refused_before_anything_is_asked(ec2: Any, facts: Outputs) -> None:
    assert "--grace is -5" in refused("stop", "--yes", "--grace", "-5")
    assert state(ec2, facts) == "running"


def test_what_aws_refuses_is_a_sentence(ec2: Any, facts: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = facts.model_copy(update={"instance_id": "i-0123456789abcdef0"})
    with pytest.raises(WorkbenchError, match=r"could not be stopped: .* \(InvalidInstanceID\.NotFound\)\.$"):
        cloud.stop(gone)
