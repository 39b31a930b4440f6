"""`pulumi config` and the stack's file."""

import json
from collections.abc import Callable

import pytest
from ruamel.yaml import YAML

from tests.unit.lab.engine.conftest import Command

Make = Callable[[str], Command]


@pytest.fixture
def command(make_project: Make) -> Command:
    return make_project("")


def config_of(command: Command) -> dict[str, object]:
    return YAML(typ="safe").load(command.stack_file.read_text(encoding="utf-8"))["config"]


def test_a_key_without_a_namespace_is_the_projects(command: Command) -> None:
    command.ok("config", "set", "size", "t3.small")
    command.ok("config", "set", "aws:region", "eu-west-1")
    assert config_of(command) == {"probe:size": "t3.small", "aws:region": "eu-west-1"}
    assert command.ok("config", "get", "size") == "t3.small\n"
    assert command.ok("config", "get", "probe:size") == "t3.small\n"


def test_the_json_has_the_shape_of_the_real_commands(command: Command) -> None:
    command.ok("config", "set", "size", "t3.small")
    command.ok("config", "set", "pw", "hunter2", "--secret")
    command.ok("config", "set", "--path", "users[0].name", "ann")
    command.ok("config", "set", "--path", "users[0].admin", "true")
    command.ok("config", "set", "--path", "users[0].uid", "1001")
    assert command.ok("config", "--json", "--show-secrets") == (
        "{\n"
        '  "probe:pw": {\n    "value": "hunter2",\n    "secret": true\n  },\n'
        '  "probe:size": {\n    "value": "t3.small",\n    "secret": false\n  },\n'
        '  "probe:users": {\n'
        '    "value": "[{\\"admin\\":true,\\"name\\":\\"ann\\",\\"uid\\":1001}]",\n'
        '    "objectValue": [\n      {\n        "name": "ann",\n        "admin": true,\n        "uid": 1001\n'
        "      }\n    ],\n"
        '    "secret": false\n  }\n'
        "}\n"
    )
    hidden = json.loads(command.ok("config", "--json"))
    assert hidden["probe:pw"] == {"secret": True}


def test_comments_and_the_order_of_the_file_are_kept(command: Command) -> None:
    text = command.stack_file.read_text(encoding="utf-8")
    command.stack_file.write_text(
        text + "config:\n  # what it costs\n  probe:size: t3.small # small\n  probe:b: 'x'\n",
        encoding="utf-8",
    )
    command.ok("config", "set", "size", "t3.large")
    text = command.stack_file.read_text(encoding="utf-8")
    assert "  # what it costs\n  probe:size: t3.large # small\n  probe:b: 'x'\n" in text


def test_a_key_written_without_its_namespace_is_changed_where_it_stands(command: Command) -> None:
    with command.stack_file.open("a", encoding="utf-8") as file:
        file.write("config:\n  size: t3.small\n")
    command.ok("config", "set", "size", "t3.large")
    assert config_of(command) == {"size": "t3.large"}


def test_a_secret_is_encrypted_in_the_file_and_found_again(command: Command) -> None:
    command.ok("config", "set", "pw", "hunter2", "--secret")
    command.ok("config", "set", "--path", "db.password", "hunter3", "--secret")
    text = command.stack_file.read_text(encoding="utf-8")
    assert "hunter" not in text
    assert text.count("secure: v1:") == 2
    assert command.ok("config", "get", "pw") == "hunter2\n"
    assert command.ok("config", "get", "--path", "db.password") == "hunter3\n"
    assert json.loads(command.ok("config", "get", "db", "--json"))["objectValue"] == {"password": "hunter3"}
    assert "[secret]" in command.ok("config")


def test_a_value_may_come_from_standard_input(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("two\nlines\n"))
    command.ok("config", "set", "key", "--plaintext")
    assert command.ok("config", "get", "key") == "two\nlines\n"


def test_without_path_a_number_stays_a_string(command: Command) -> None:
    command.ok("config", "set", "disk", "080")
    command.ok("config", "set", "--path", "sizes.disk", "080")
    command.ok("config", "set", "--path", "sizes.root", "20")
    assert config_of(command) == {"probe:disk": "080", "probe:sizes": {"disk": "080", "root": 20}}


def test_a_value_can_be_removed(command: Command) -> None:
    command.ok("config", "set", "--path", "users[0].name", "ann")
    command.ok("config", "set", "--path", "users[1].name", "ben")
    command.ok("config", "rm", "--path", "users[0]")
    assert config_of(command) == {"probe:users": [{"name": "ben"}]}
    command.ok("config", "rm", "users")
    ran = command("config", "get", "users")
    assert (ran.status, ran.err.splitlines()[-1]) == (1, "error: configuration key 'users' not found")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("config", "set", "--path", "users[3].name", "x"), "there is no place for 3"),
        (("config", "set", "--path", "a..b", "x"), "is no property path"),
        (
            ("config", "set", "k", "v", "--secret", "--plaintext"),
            "--secret and --plaintext exclude each other",
        ),
        (("config", "rm", "nothing"), "configuration key 'nothing' not found"),
        (("config", "set"), "Missing argument 'KEY'"),
        (("config", "--frobnicate"), "No such option"),
        (("conjure",), "No such command 'conjure'"),
        (("stack", "output", "nothing"), "does not have output property 'nothing'"),
        (("up", "--stack", "a/b"), "is no stack name"),
        (("preview", "--stack", "other"), "no stack named 'other' found: `pulumi stack init other` makes it"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    command: Command, arguments: tuple[str, ...], message: str
) -> None:
    ran = command(*arguments)
    assert ran.status == 1
    assert message in ran.err.splitlines()[-1]
    assert ran.err.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in ran.err


def test_a_wrong_passphrase_is_said_in_a_sentence(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    command.ok("config", "set", "pw", "hunter2", "--secret")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "wrong")
    ran = command("config", "--show-secrets")
    assert ran.err.splitlines()[-1].startswith("error: the passphrase is not the one of this stack")
    assert "hunter2" not in ran.out + ran.err


def test_the_passphrase_may_stand_in_a_file(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    command.ok("config", "set", "pw", "hunter2", "--secret")
    file = command.folder / "passphrase"
    file.write_text("correct horse\n", encoding="utf-8")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(file))
    assert command.ok("config", "get", "pw") == "hunter2\n"
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(file) + "-not")
    assert "cannot be read" in command("config", "get", "pw").err


def test_yaml_that_is_none_is_said_in_a_sentence(command: Command) -> None:
    command.stack_file.write_text("config: [unclosed\n", encoding="utf-8")
    assert "Pulumi.dev.yaml cannot be read as YAML" in command("config").err


def test_the_program_gets_every_value_as_the_real_command_hands_it_over(make_project: Make) -> None:
    command = make_project(
        "import pulumi\nc = pulumi.Config()\n"
        'pulumi.export("all", [c.get("size"), c.get_int("disk"), c.get_bool("on"), c.require_object("users")])\n'
        'pulumi.export("pw", c.require_secret_object("db"))\n'
        'pulumi.export("region", pulumi.Config("aws").get("region"))\n'
    )
    with command.stack_file.open("a", encoding="utf-8") as file:
        file.write(
            "config:\n  aws:region: eu-west-1\n  probe:size: t3.small\n  probe:disk: 50\n  probe:on: true\n"
            "  probe:users:\n    - name: ann\n      uid: 1001\n"
        )
    command.ok("config", "set", "--path", "db.password", "hunter2", "--secret")
    command.ok("up", "--yes", "--skip-preview")
    assert json.loads(command.ok("stack", "output", "--json", "--show-secrets")) == {
        "all": ["t3.small", 50, True, [{"name": "ann", "uid": 1001}]],
        "pw": {"password": "hunter2"},
        "region": "eu-west-1",
    }
    assert json.loads(command.ok("stack", "output", "--json"))["pw"] == "[secret]"
