"""Another size: refused before anything, in the file only if it was given, put back where AWS cannot carry it out.

AWS is moto in this process, and the engine a stand-in that stops the server, gives it the size, and fails to start it.
"""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import (
    activity,
    baking,
    cloud,
    common,
    engine,
    grace,
    importing,
    notice,
    planning,
    repair,
    stack,
    statefile,
    words,
)
from cli.main import app
from cli.plan import Plan
from cli.progress import Progress, Step
from connector import configure
from tests.unit.cli import paid
from workbench import stack as stacks
from workbench import stackfile
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs

runner = CliRunner()
FILE = """\
config:
  # the team's own
  workbench:size: t3.medium
  workbench:zone: eu-central-1a
"""


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.setattr(common, "enter", lambda stack: "prod")
    monkeypatch.setattr(stacks, "ROOT", tmp_path)
    monkeypatch.setattr(stackfile, "ROOT", tmp_path)
    monkeypatch.setattr(stackfile, "check", lambda path: stackfile.Verdict([], []))
    monkeypatch.setattr(importing, "begin", lambda: None)
    monkeypatch.setattr(cloud, "POLL_SECONDS", 0)
    monkeypatch.setattr(activity, "people", lambda facts: [])
    monkeypatch.setattr(configure, "wait_for_ssh", lambda address: None)
    monkeypatch.setattr(stack, "show_status", lambda name, facts: None)
    with paid.account(monkeypatch) as client:
        yield client


@pytest.fixture
def facts(ec2: Any, monkeypatch: pytest.MonkeyPatch) -> Outputs:
    made, state = paid.make(ec2)
    monkeypatch.setattr(statefile, "exported", lambda stack: state)
    monkeypatch.setattr(repair, "repaired", lambda stack: repair.Repaired(state))
    stackfile.path_of("prod").write_text(FILE)
    return made


@pytest.fixture
def engine_runs(monkeypatch: pytest.MonkeyPatch, ec2: Any, facts: Outputs) -> Callable[..., list[str]]:
    """Has the engine do that to the server when it is to update; gives back the operations that it is asked."""
    asked: list[str] = []

    def prepare(starts: bool = True, says: str = "", began: bool = True) -> list[str]:
        def run(name: str, operation: str, *_: str, **__: Any) -> Progress:
            asked.append(operation)
            size = str(stackfile.value_of(name, "size"))
            if operation == "preview":
                if not began:
                    raise engine.RunFailedError(says, began)
                return Progress(steps=[another_size(size)])
            if operation == "up":
                if began:
                    ids = [facts.instance_id]
                    ec2.stop_instances(InstanceIds=ids)
                    ec2.modify_instance_attribute(InstanceId=facts.instance_id, InstanceType={"Value": size})
                if says:
                    raise engine.RunFailedError(says, began)
                if starts:
                    ec2.start_instances(InstanceIds=ids)
                told = facts.model_copy(update={"instance_type": size})
                return Progress(outputs=told.model_dump(by_alias=True))
            return Progress()

        monkeypatch.setattr(engine, "run", run)
        return asked

    return prepare


def another_size(size: str) -> Step:
    """What the engine would do to the server."""
    disk = {"rootBlockDevice": {"volumeSize": 30}}  # of which moto says nothing
    types = [{"instanceType": one, **disk} for one in ("t3.medium", size)]
    return Step("update", "urn:server", words.SERVER, "i-1", *types, ("instanceType",), False)


def server(ec2: Any, facts: Outputs) -> tuple[str, str]:
    found = ec2.describe_instances(InstanceIds=[facts.instance_id])["Reservations"][0]["Instances"][0]
    return found["InstanceType"], found["State"]["Name"]


def refused(*arguments: str) -> str:
    done = runner.invoke(app, [*arguments])
    assert isinstance(done.exception, WorkbenchError), done.output
    assert done.exit_code != 0
    return str(done.exception)


def file() -> str:
    return stackfile.path_of("prod").read_text()


def test_the_size_is_given_and_stands_in_the_file(ec2: Any, facts: Outputs, engine_runs: Any) -> None:
    asked = engine_runs()
    done = runner.invoke(app, ["resize", "m6i.large", "--yes"])
    assert done.exit_code == 0, done.output
    assert "becomes m6i.large (2 CPUs, 8 GiB of memory) instead of t3.medium" in done.output
    assert "about 38.02 USD a month now, about 80.13 USD a month afterwards" in done.output
    assert asked == ["preview", "up"], "what would be refused is refused before anybody is told"
    assert server(ec2, facts) == ("m6i.large", "running")
    assert file() == FILE.replace("t3.medium", "m6i.large")


def test_without_capacity_the_old_size_is_back_and_runs_and_stands_in_the_file(
    ec2: Any, facts: Outputs, engine_runs: Any
) -> None:
    asked = engine_runs(says="Instance server: InsufficientInstanceCapacity: no room")
    said = refused("resize", "m6i.large", "--yes")
    assert said == (
        f"AWS has no capacity for m6i.large in {facts.zone} at present. The server is t3.medium again and runs, and "
        "the stack file says so; try another type, or later."
    )
    assert server(ec2, facts) == ("t3.medium", "running")
    assert file() == FILE
    assert asked == ["preview", "up", "refresh"], "else the next run would stop the server for nothing"


def test_a_size_written_by_hand_is_put_back_just_so(ec2: Any, facts: Outputs, engine_runs: Any) -> None:
    engine_runs(says="VcpuLimitExceeded: You have requested more vCPU capacity than your current limit")
    stackfile.set_value(stackfile.path_of("prod"), "size", "m6i.32xlarge")
    said = refused("up", "--yes")
    assert said.startswith("Your AWS account may not have as many CPUs as m6i.32xlarge takes")
    assert server(ec2, facts) == ("t3.medium", "running")
    assert file() == FILE


def test_where_there_is_no_room_for_the_old_size_either_it_is_said_and_written(
    ec2: Any, facts: Outputs, engine_runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = engine_runs(says="InsufficientInstanceCapacity: no room")

    def no_room(facts: Outputs, size: str) -> None:
        ec2.modify_instance_attribute(InstanceId=facts.instance_id, InstanceType={"Value": size})
        raise WorkbenchError(f"It could not be started as {size}: Insufficient capacity.")

    monkeypatch.setattr(cloud, "become", no_room)
    said = refused("resize", "m6i.large", "--yes")
    assert "is stopped, as t3.medium; `workbench start` tries again: It could not be started" in said
    assert file() == FILE
    assert asked == ["preview", "up", "refresh"], "else the next run would stop the server for nothing"


@pytest.mark.parametrize("refreshes", [True, False])
def test_where_the_old_size_was_not_given_back_it_is_said_as_what_the_server_is(
    ec2: Any, facts: Outputs, engine_runs: Any, monkeypatch: pytest.MonkeyPatch, refreshes: bool
) -> None:
    engine_runs(says="InsufficientInstanceCapacity: no room")
    plain = engine.run

    def run(name: str, operation: str, *more: str, **options: Any) -> Progress:
        if operation == "refresh" and not refreshes:
            raise engine.RunFailedError("no", began=False)
        return plain(name, operation, *more, **options)

    def refuse(facts: Outputs, size: str) -> None:
        raise WorkbenchError(f"It could not be started as {size}: RequestLimitExceeded.")

    monkeypatch.setattr(engine, "run", run)
    monkeypatch.setattr(cloud, "become", refuse)
    said = refused("resize", "m6i.large", "--yes")
    assert "is stopped, as m6i.large; `workbench up` tries again: It could not be started as t3" in said
    assert ("`pulumi refresh --stack prod` before the next" in said) is not refreshes
    assert file() == FILE


def test_a_size_that_the_state_alone_has_is_asked_about_as_any_other(
    ec2: Any, facts: Outputs, engine_runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = engine_runs()
    told = facts.model_dump(by_alias=True)
    resources = [
        {"urn": "stack", "type": "pulumi:pulumi:Stack", "outputs": told},
        {"urn": "old", "type": words.SERVER, "id": "i-0", "delete": True, "outputs": {"instanceType": "t3.medium"}},
        {"urn": "s", "type": words.SERVER, "id": facts.instance_id, "outputs": {"instanceType": "m6i.large"}},
    ]  # fmt: skip
    state = {"deployment": {"resources": resources}}
    monkeypatch.setattr(repair, "repaired", lambda stack: repair.Repaired(state))
    stack.make("prod", True, {})
    assert asked == ["preview", "up"], "the engine gives it the file's, which stops it: with a plan"


def test_what_the_program_refuses_changes_nothing(ec2: Any, facts: Outputs, engine_runs: Any) -> None:
    engine_runs(says="workbench:size is 'm6i.large', which eu-central-1a does not have", began=False)
    assert "eu-central-1a does not have" in refused("resize", "m6i.large", "--yes")
    assert (server(ec2, facts), file()) == (("t3.medium", "running"), FILE)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ("t3.medium", "is t3.medium already"),
        ("g4dn.xlarge", "has a GPU or another accelerator"),
        ("trn1.2xlarge", "has a GPU or another accelerator"),
    ],
)
def test_a_size_that_is_there_or_is_not_driven_is_refused(
    ec2: Any, facts: Outputs, engine_runs: Any, size: str, said: str
) -> None:
    asked = engine_runs()
    assert said in refused("resize", size, "--yes")
    assert (asked, server(ec2, facts), file()) == ([], ("t3.medium", "running"), FILE)


def test_what_was_never_made_cannot_be_resized(
    ec2: Any, facts: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statefile, "exported", lambda stack: {})
    assert "`workbench up --size m6i.large` makes one" in refused("resize", "m6i.large")


def test_while_users_are_given_time_the_file_is_as_it_was_and_called_off_it_stays_so(
    ec2: Any, facts: Outputs, engine_runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, seen, said = engine_runs(), [], list[str]()

    def previewed(name: str, exported: Any) -> Plan:
        seen.append(stackfile.value_of(name, "size"))
        return Plan(["The server is stopped."])

    def wait(seconds: float) -> None:
        seen.append(stackfile.value_of("prod", "size"))
        raise KeyboardInterrupt

    monkeypatch.setattr(planning, "previewed", previewed)
    monkeypatch.setattr(grace, "_wait", wait)
    monkeypatch.setattr(notice, "tell", lambda facts, text, seconds: said.append(text))
    monkeypatch.setattr(notice, "take_back", lambda facts: said.append(""))
    done = runner.invoke(app, ["resize", "m6i.large", "--yes", "--grace", "5"])
    assert done.exit_code != 0
    assert seen == ["m6i.large", "t3.medium"], "the plan is of the new size"
    assert said[-1] == ""
    assert (asked, server(ec2, facts), file()) == ([], ("t3.medium", "running"), FILE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_ends_it_in_the_preview_leaves_the_file_as_it_was(
    ec2: Any, facts: Outputs, engine_runs: Any, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    asked, seen = engine_runs(), list[Any]()

    def previewed(name: str, exported: Any) -> Plan:
        seen.append(stackfile.value_of(name, "size"))
        os.kill(os.getpid(), number)
        raise AssertionError("it goes on")

    monkeypatch.setattr(planning, "previewed", previewed)
    before = signal.signal(number, signal.default_int_handler if number is signal.SIGINT else lambda *_: None)
    try:
        done = runner.invoke(app, ["resize", "m6i.large", "--yes"])
    finally:
        signal.signal(number, before)
    assert done.exit_code != 0
    assert "nothing was changed" in done.output
    assert (seen, asked, file()) == (["m6i.large"], [], FILE)


@pytest.mark.parametrize(
    ("command", "told"), [(["resize", "m6i.large"], False), (["up", "--size", "m6i.large"], True)]
)
def test_a_bake_is_announced_by_the_command_alone_that_bakes(
    ec2: Any,
    facts: Outputs,
    engine_runs: Any,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    told: bool,
) -> None:
    engine_runs()
    monkeypatch.setattr(baking, "announced", lambda name: ["Then an image is baked."])
    monkeypatch.setattr(planning, "previewed", lambda name, exported: Plan(["The server is stopped."]))
    done = runner.invoke(app, [*command, "--yes"])
    assert "The server is stopped." in done.output
    assert ("Then an image is baked." in done.output) == told


def test_before_the_preview_the_file_is_as_it_was(
    ec2: Any, facts: Outputs, engine_runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine_runs()
    plain, seen = repair.repaired, list[str]()

    def repaired(name: str) -> repair.Repaired:
        seen.append(file())
        return plain(name)

    monkeypatch.setattr(repair, "repaired", repaired)
    assert runner.invoke(app, ["resize", "m6i.large", "--yes"]).exit_code == 0
    assert set(seen) == {FILE}
