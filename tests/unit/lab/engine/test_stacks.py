"""Stacks and their state: making, choosing, listing, removing them; and whose they are."""

import gzip
import json
from collections.abc import Callable

import pytest

from lab.engine.state import VERSION
from tests.unit.lab.engine.conftest import PREAMBLE, Command
from tests.unit.lab.engine.fake_cloud import FakeCloud

Make = Callable[[str], Command]
UP = ("up", "--yes", "--skip-preview")
URN = "urn:pulumi:dev::probe::fake:index:Thing::"


def last_error(command: Command, *arguments: str) -> str:
    ran = command(*arguments)
    assert ran.status == 1
    return ran.err.splitlines()[-1]


def test_a_stack_is_made_chosen_listed_and_removed(make_project: Make) -> None:
    command = make_project("")
    command.ok("stack", "init", "test")
    listed = json.loads(command.ok("stack", "ls", "--json"))
    assert [(item["name"], item["current"]) for item in listed] == [("dev", False), ("test", True)]
    command.ok("stack", "select", "organization/probe/dev")
    assert "Current stack is dev" in command.ok("stack")
    assert "Current stack is test" in command.ok("--stack", "test", "stack")
    command.ok("stack", "rm", "test", "--yes")
    assert "test" not in command.ok("stack", "ls")
    assert not (command.folder / "Pulumi.test.yaml").exists()


def test_the_environment_may_name_the_stack_and_a_flag_wins(
    make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = make_project("")
    command.ok("stack", "init", "test", "--no-select")
    monkeypatch.setenv("PULUMI_STACK", "test")
    assert "Current stack is test" in command.ok("stack")
    assert "Current stack is dev" in command.ok("stack", "--stack", "dev")


def test_a_stack_is_made_once(make_project: Make) -> None:
    command = make_project("")
    assert last_error(command, "stack", "init", "dev") == "error: stack 'dev' already exists"
    command.ok("stack", "select", "dev", "--create")
    command.ok("stack", "select", "new", "--create")
    assert "no stack named 'other' found" in last_error(command, "stack", "select", "other")


def test_a_stack_with_resources_is_not_removed_by_mistake(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'Thing("a")\n')
    command.ok(*UP)
    assert "still has 2 resources" in last_error(command, "stack", "rm", "--yes")
    assert "was not removed: pass --yes" in last_error(command, "stack", "rm")
    command.ok("stack", "rm", "--yes", "--force")
    assert list(cloud.things) == ["a-1"]


def real_checkpoint() -> str:
    return json.dumps({"version": 3, "checkpoint": {"stack": "organization/probe/dev", "latest": {}}})


def test_a_stack_made_by_the_real_command_is_refused_and_left_as_it_is(make_project: Make) -> None:
    command = make_project("")
    file = command.state
    file.write_text(real_checkpoint(), encoding="utf-8")
    for arguments in (
        UP,
        ("preview",),
        ("destroy", "--yes"),
        ("stack",),
        ("stack", "init", "dev"),
        ("stack", "rm", "-y"),
    ):
        assert "stack dev was made by the Pulumi CLI (checkpoint version 3" in last_error(command, *arguments)
    assert file.read_text(encoding="utf-8") == real_checkpoint()
    assert "dev" not in command.ok("stack", "ls")


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_packed_stack_of_the_real_command_is_refused_too(make_project: Make, ending: str) -> None:
    command = make_project("")
    command.state.with_name(f"packed.json.{ending}").write_bytes(gzip.compress(real_checkpoint().encode()))
    assert "stack packed was made by the Pulumi CLI" in last_error(command, "stack", "init", "packed")


def test_the_state_carries_a_version_that_the_real_command_does_not_know(make_project: Make) -> None:
    command = make_project("")
    state = json.loads(command.state.read_text(encoding="utf-8"))
    # The CLI knows checkpoint versions 1 to 4 and refuses others.
    assert state["version"] == VERSION == 9000
    assert "stand-in" in state["madeBy"]
    meta = command.folder / "state" / ".pulumi" / "meta.yaml"
    assert meta.read_text(encoding="utf-8") == "version: 1\n"


def test_a_backend_that_is_no_folder_is_refused(make_project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    command = make_project("")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    assert "keeps its state in files only" in last_error(command, "stack", "ls")


def test_a_lost_stack_file_gets_its_salt_back_from_the_state(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'pulumi.export("s", pulumi.Output.secret("hunter2"))\n')
    command.ok(*UP)
    command.stack_file.unlink()
    assert json.loads(command.ok("stack", "output", "--json", "--show-secrets")) == {"s": "hunter2"}
    assert "encryptionsalt: v1:" in command.stack_file.read_text(encoding="utf-8")


def test_exported_state_keeps_its_secrets_encrypted(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'pulumi.export("s", pulumi.Output.secret("hunter2"))\n')
    command.ok(*UP)
    exported = json.loads(command.ok("stack", "export"))
    assert exported["deployment"]["resources"][0]["type"] == "pulumi:pulumi:Stack"
    assert "hunter2" not in json.dumps(exported)


def test_resources_stand_in_the_state_with_what_they_depend_on(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(
        PREAMBLE
        + 'a = Thing("a")\nb = Thing("b", refs=[a.id])\nThing("c", opts=R(depends_on=[b], protect=True))\n'
    )
    command.ok(*UP)
    resources = json.loads(command.ok("stack", "export"))["deployment"]["resources"]
    found = {item["urn"].split("::")[-1]: item for item in resources}
    assert found["b"]["id"] == "b-2"
    assert found["b"]["custom"] is True
    assert found["b"]["parent"] == "urn:pulumi:dev::probe::pulumi:pulumi:Stack::probe-dev"
    assert found["b"]["inputs"] == {"name": "b", "refs": ["a-1"]}
    assert found["b"]["outputs"]["token"] == "token-of-b-2"
    assert found["b"]["dependencies"] == [URN + "a"]
    assert found["b"]["propertyDependencies"] == {"refs": [URN + "a"]}
    assert found["c"]["dependencies"] == [URN + "b"]
    assert found["c"]["protect"] is True
    assert found["c"]["provider"].startswith("urn:pulumi:dev::probe::pulumi:providers:fake::default::")
    order = [item["urn"].split("::")[-1] for item in resources]
    assert order.index("a") < order.index("b") < order.index("c")


def test_a_resource_can_be_forgotten_if_nothing_leans_on_it(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'a = Thing("a")\nThing("b", refs=[a.id], opts=R(protect=True))\n')
    command.ok(*UP)
    assert "others depend on it" in last_error(command, "state", "delete", URN + "a")
    assert "is protected" in last_error(command, "state", "delete", URN + "b")
    assert "no such resource" in last_error(command, "state", "delete", URN + "x")
    command.ok("state", "unprotect", "--all", "--yes")
    command.ok("state", "delete", URN + "b", "--yes")
    assert sorted(cloud.things) == ["a-1", "b-2"]
    assert URN + "b" not in command.state.read_text(encoding="utf-8")


def test_each_command_says_first_that_it_is_a_stand_in(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE)
    for arguments in (
        ("preview",),
        UP,
        ("refresh", "--yes"),
        ("stack",),
        ("stack", "ls"),
        ("config",),
        ("login",),
    ):
        assert (
            command.ok(*arguments).splitlines()[0].startswith("This is the lab's stand-in for the Pulumi CLI")
        )
    for arguments in (
        ("preview", "--json"),
        ("stack", "output", "--json"),
        ("config", "--json"),
        ("version",),
    ):
        ran = command(*arguments)
        assert ran.err.splitlines()[0].startswith("This is the lab's stand-in for the Pulumi CLI")
        assert "stand-in for" not in ran.out


def test_login_elsewhere_is_refused(make_project: Make) -> None:
    assert "keeps its state in files only" in last_error(make_project(""), "login", "https://app.pulumi.com")
