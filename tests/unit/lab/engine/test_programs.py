"""Programs run by the SDK against the small cloud: what the resource options do, and what the command prints."""

import json
import os

from tests.unit.lab.engine.conftest import PREAMBLE, UP, Make, rewrite
from tests.unit.lab.engine.fake_cloud import FakeCloud


def test_outputs_flow_from_one_resource_to_the_next(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(
        PREAMBLE + 'a = Thing("a")\nb = Thing("b", refs=[a.id], value=a.token)\npulumi.export("b", b.value)\n'
    )
    command.ok(*UP)
    assert cloud.by_name()["b"] == {"refs": ["a"], "links": [], "value": "token-of-a-1"}
    assert command.ok("stack", "output", "b") == "token-of-a-1\n"


def test_a_preview_shows_unknown_outputs_and_makes_nothing(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'pulumi.export("id", Thing("a").id)\n')
    out = command.ok("preview")
    assert " +  fake:index:Thing a create" in out
    assert "id: [unknown]" in out
    assert cloud.log == []


def test_an_ignored_change_is_no_change(make_project: Make, cloud: FakeCloud) -> None:
    program = 'Thing("a", value=config.get("v"), other=config.get("o"), opts=R(ignore_changes=["value"]))\n'
    command = make_project(PREAMBLE + program)
    command.ok("config", "set", "v", "1")
    command.ok(*UP)
    command.ok("config", "set", "v", "2")
    assert "2 unchanged" in command.ok(*UP)
    command.ok("config", "set", "o", "x")
    command.ok(*UP)
    assert cloud.by_name()["a"]["value"] == "1"
    assert cloud.by_name()["a"]["other"] == "x"


def test_a_change_that_is_to_replace_does(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(
        PREAMBLE
        + 'Thing("a", value=config.get("v"), opts=R(replace_on_changes=["value"], delete_before_replace=True))\n'
    )
    command.ok("config", "set", "v", "1")
    command.ok(*UP)
    command.ok("config", "set", "v", "2")
    command.ok(*UP)
    assert cloud.log == [("create", "a"), ("delete", "a"), ("create", "a")]


def test_what_is_retained_is_forgotten_but_not_deleted(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'Thing("a", opts=R(retain_on_delete=True))\n')
    command.ok(*UP)
    rewrite(command, "")
    assert "deleting (0s)[retain]" in command.ok(*UP)
    assert list(cloud.things) == ["a-1"]
    assert "fake:index:Thing" not in command.state.read_text()


def test_what_the_program_no_longer_names_is_deleted(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'a = Thing("a")\nThing("b", refs=[a.id])\n')
    command.ok(*UP)
    rewrite(command, "")
    command.ok(*UP)
    assert cloud.log[-2:] == [("delete", "b"), ("delete", "a")]


def test_a_protected_resource_is_neither_deleted_nor_replaced(make_project: Make, cloud: FakeCloud) -> None:
    program = 'b = Thing("b")\nThing("a", force=config.get("f"), opts=R(protect=True))\n'
    command = make_project(PREAMBLE + program)
    command.ok(*UP)
    command.ok("config", "set", "f", "1")
    ran = command("up", "--yes")
    assert ran.status == 1
    assert "cannot be replaced\n    because it is protected" in ran.out
    rewrite(command, "")
    ran = command("up", "--yes")
    assert ran.status == 1
    assert "cannot be deleted\n    because it is protected" in ran.out
    assert sorted(cloud.by_name()) == ["a", "b"]
    command.ok("state", "unprotect", "urn:pulumi:dev::probe::fake:index:Thing::a")
    command.ok("up", "--yes")
    assert cloud.things == {}


def test_protection_of_a_component_is_that_of_its_children(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(
        PREAMBLE
        + 'c = pulumi.ComponentResource("my:index:C", "c", None, R(protect=True))\nThing("a", opts=R(parent=c))\n'
    )
    command.ok(*UP)
    assert command("destroy", "--yes").status == 1
    assert list(cloud.things) == ["a-1"]


def test_children_are_named_by_all_their_parents_types(make_project: Make, cloud: FakeCloud) -> None:
    program = (
        'o = pulumi.ComponentResource("my:index:Outer", "o")\n'
        'i = pulumi.ComponentResource("my:index:Inner", "i", None, R(parent=o))\n'
        'pulumi.export("urn", Thing("a", opts=R(parent=i)).urn)\n'
    )
    command = make_project(PREAMBLE + program)
    command.ok(*UP)
    urn = "urn:pulumi:dev::probe::my:index:Outer$my:index:Inner$fake:index:Thing::a"
    assert command.ok("stack", "output", "urn").strip() == urn


def test_an_existing_resource_is_imported_and_made_as_the_program_says(
    make_project: Make, cloud: FakeCloud
) -> None:
    cloud.things["vol-7"] = {"name": "a", "value": "small"}
    command = make_project(PREAMBLE + 'Thing("a", value=config.get("v"), opts=R(import_="vol-7"))\n')
    command.ok("config", "set", "v", "big")
    out = command.ok("up", "--yes")
    assert " =  fake:index:Thing a imported" in out
    assert cloud.things == {"vol-7": {"name": "a", "value": "big"}}
    assert cloud.log == [("update", "a")]
    assert "2 unchanged" in command.ok(*UP)
    command.ok("config", "set", "v", "bigger")
    assert " ~  fake:index:Thing a updated" in command.ok(*UP)


def test_an_import_of_what_is_not_there_is_refused(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'Thing("a", opts=R(import_="vol-7"))\n')
    ran = command(*UP)
    assert ran.status == 1
    assert "resource 'vol-7' does not exist" in ran.out


def test_an_import_that_would_replace_what_is_there_is_refused(make_project: Make, cloud: FakeCloud) -> None:
    cloud.things["vol-7"] = {"name": "a", "force": "1"}
    command = make_project(PREAMBLE + 'Thing("a", force="2", opts=R(import_="vol-7"))\n')
    ran = command(*UP)
    assert ran.status == 1
    assert "would replace it, because of force" in ran.out
    assert cloud.log == []


def test_a_renamed_resource_with_an_alias_stays_what_it_is(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'Thing("a")\n')
    command.ok(*UP)
    rewrite(
        command,
        "class Same(pulumi.CustomResource):\n    pass\n"
        'Same("fake:index:Thing", "new", {"name": "a"}, R(aliases=[pulumi.Alias(name="a")]))\n',
    )
    assert "2 unchanged" in command.ok(*UP)
    assert cloud.log == [("create", "a")]
    assert "Thing::new" in command.state.read_text()


def test_an_explicit_provider_is_configured_by_its_inputs(make_project: Make, cloud: FakeCloud) -> None:
    program = (
        'p = pulumi.ProviderResource("fake", "mine", {"account": config.get("account")})\n'
        'Thing("a", opts=R(provider=p))\n'
    )
    command = make_project(PREAMBLE + program)
    command.ok("config", "set", "account", "1")
    command.ok(*UP)
    assert cloud.configured == [{"account": "1"}]
    assert "2 unchanged" in command.ok(*UP)
    command.ok("config", "set", "account", "2")
    command.ok(*UP)  # the provider is another one, so what it made has to be
    assert cloud.log == [("create", "a"), ("create", "a"), ("delete", "a")]
    assert cloud.configured[-2:] == [{"account": "2"}, {"account": "1"}]  # the old one deletes what it made


def test_custom_timeouts_reach_the_provider_in_seconds(make_project: Make, cloud: FakeCloud) -> None:
    timeouts = 'pulumi.CustomTimeouts(create="10m", update="1h30m", delete="90s")'
    command = make_project(
        PREAMBLE + f'Thing("a", value=config.get("v"), opts=R(custom_timeouts={timeouts}))\n'
    )
    command.ok(*UP)
    command.ok("config", "set", "v", "1")
    command.ok(*UP)
    command.ok("destroy", "--yes", "--skip-preview")
    assert cloud.timeouts == [("create", 600.0), ("update", 5400.0), ("delete", 90.0)]


def test_a_resource_that_is_only_read_is_looked_up_and_never_deleted(
    make_project: Make, cloud: FakeCloud
) -> None:
    cloud.things["x-9"] = {"name": "x", "value": "seen"}
    program = (
        "class Read(pulumi.CustomResource):\n    value: pulumi.Output[str]\n"
        'r = Read("fake:index:Thing", "r", {"value": None}, R(id="x-9"))\npulumi.export("v", r.value)\n'
    )
    command = make_project(PREAMBLE + program)
    command.ok("up", "--yes")
    assert command.ok("stack", "output", "v") == "seen\n"
    command.ok("destroy", "--yes")
    assert list(cloud.things) == ["x-9"]
    assert cloud.log == []


def test_a_function_of_a_provider_answers_the_program(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(
        PREAMBLE
        + 'r = pulumi.runtime.invoke("fake:index:echo", {"name": "hi"})\npulumi.export("r", r.value["answer"])\n'
    )
    command.ok(*UP)
    assert command.ok("stack", "output", "r") == "hi\n"


def test_the_programs_modules_start_afresh_after_the_preview(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project('import pulumi, own\nown.runs.append(1)\npulumi.export("runs", len(own.runs))\n')
    (command.folder / "own.py").write_text("runs = []\n", encoding="utf-8")
    command.ok("up", "--yes")
    assert command.ok("stack", "output", "runs") == "1\n"


def test_an_unexpected_change_fails_before_it_is_made(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'Thing("a")\n')
    ran = command("up", "--yes", "--expect-no-changes")
    assert (ran.status, cloud.log) == (1, [])
    assert ran.err == "error: no changes were expected but changes were proposed\n"
    command.ok(*UP)
    command.ok("up", "--yes", "--expect-no-changes")
    command.ok("preview", "--expect-no-changes")


def test_nothing_is_changed_unasked_without_a_terminal(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'Thing("a")\n')
    for arguments in (("up",), ("up", "--non-interactive"), ("destroy",), ("refresh",)):
        ran = command(*arguments)
        assert ran.status == 1
        assert "--yes or --skip-preview must be passed in" in ran.err
    assert cloud.log == []


def test_a_refresh_before_the_update_finds_what_is_gone(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'a = Thing("a")\nThing("b", links=[a.id])\n')
    command.ok(*UP)
    del cloud.things["a-1"]
    command.ok("up", "--yes", "--refresh")
    assert cloud.by_name()["b"]["links"] == ["a"]
    assert sorted(cloud.things) == ["a-3", "b-2"]


def test_the_json_of_a_preview_is_alone_on_standard_output(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'print("chatter")\nThing("a", value=config.require_secret("pw"))\n')
    command.ok("config", "set", "pw", "hunter2", "--secret")
    found = json.loads(command.ok("preview", "--json"))
    assert found["changeSummary"] == {"create": 2}
    step = next(step for step in found["steps"] if step["urn"].endswith("Thing::a"))
    assert step["op"] == "create"
    assert step["newState"]["inputs"] == {"name": "a", "value": "[secret]"}
    assert "hunter2" not in json.dumps(found)


def test_secrets_are_encrypted_wherever_they_are_kept_and_hidden_wherever_shown(
    make_project: Make, cloud: FakeCloud
) -> None:
    program = (
        'pw = config.require_secret("pw")\n'
        'a = Thing("a", value=pw, nested={"deep": [pw]}, opts=R(additional_secret_outputs=["token"]))\n'
        'pulumi.export("value", a.value)\npulumi.export("token", a.token)\n'
    )
    command = make_project(PREAMBLE + program)
    command.ok("config", "set", "pw", "hunter2", "--secret")
    shown = (
        command.ok("preview", "--diff")
        + command.ok("up", "--yes")
        + command.ok("stack")
        + command.ok("config")
    )
    for folder, _, names in os.walk(command.folder):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:  # noqa: PTH118, PTH123 - os.walk speaks strings
                content = file.read()
            assert b"hunter2" not in content, name
            assert b"token-of-a" not in content, name
    assert "hunter2" not in shown
    assert cloud.by_name()["a"]["nested"] == {"deep": ["hunter2"]}
    assert json.loads(command.ok("stack", "output", "--json")) == {"token": "[secret]", "value": "[secret]"}
    clear = json.loads(command.ok("stack", "output", "--json", "--show-secrets"))
    assert clear == {"token": "token-of-a-1", "value": "hunter2"}


def test_a_provider_that_takes_secrets_gets_them_marked(make_project: Make, cloud: FakeCloud) -> None:
    cloud.accepts_secrets = True
    command = make_project(PREAMBLE + 'Thing("a", value=config.require_secret("pw"))\n')
    command.ok("config", "set", "pw", "hunter2", "--secret")
    command.ok(*UP)
    marked = cloud.seen_inputs[0]["value"]
    assert marked["value"] == "hunter2"
    assert len(marked) == 2


def test_the_state_is_readable_by_its_owner_only(make_project: Make, cloud: FakeCloud) -> None:
    command = make_project(PREAMBLE + 'Thing("a")\n')
    command.ok(*UP)
    assert command.state.stat().st_mode & 0o777 == 0o600
