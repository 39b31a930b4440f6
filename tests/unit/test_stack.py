"""What is asked of the `pulumi` command. Here it is a stand-in: a script that says what it was asked, and answers."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cli import cloud
from tests.unit.connector.deploying import FACTS
from workbench import stack, stackfile
from workbench.errors import WorkbenchError
from workbench.outputs import Outputs


@pytest.fixture
def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes `pulumi` answer with the given data; gives back the file with the words it was called with."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def prepare(data: object, status: int = 0) -> Path:
        script = tmp_path / "pulumi"
        (tmp_path / "answer").write_text(data if isinstance(data, str) else json.dumps(data))
        script.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncat {tmp_path}/answer\nexit {status}\n')
        script.chmod(0o755)
        return tmp_path / "asked"

    return prepare


def test_what_pulumi_refuses_is_passed_on_in_its_last_line(answer: Any) -> None:
    answer("error: no stack named 'prod' found\n", status=255)
    with pytest.raises(
        WorkbenchError, match=r"`pulumi config --show-secrets` failed: error: no stack named 'prod' found"
    ):
        stack.settings("prod")


def test_settings_are_handed_on_as_pulumi_says_them_and_read_once(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    users = '[{"name": "ada", "passwordHash": "$6$' + "x" * 86 + '"}]'
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    texts["workbench:users"] = users

    class Said(stack.Question):
        def __init__(self, *arguments: str, stack: str | None = None) -> None:
            self.asked = arguments[0]

        def answer(self) -> Any:
            entries = {key: {"value": text, "objectValue": "not used"} for key, text in texts.items()}
            entries["aws:secretKey"] = {"value": "a key to the account"}
            return entries if self.asked == "config" else FACTS

    monkeypatch.setattr(stack, "Question", Said)
    told = stack.ask("prod")
    assert json.loads(told) == {"config": texts, "outputs": FACTS}
    context = stack.read(told)
    assert context.settings.users[0].name == "ada"
    assert context.outputs == Outputs.model_validate(FACTS)


@pytest.mark.parametrize("name", ["prod", "bench/prod", "acme/bench/prod"])
def test_the_files_of_a_stack_are_named_by_its_last_part(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    monkeypatch.setattr(stackfile, "ROOT", tmp_path)
    assert stackfile.path_of(name) == tmp_path / "Pulumi.prod.yaml"
    assert stack.state_folder(name) == tmp_path / ".workbench" / "prod"
    stackfile.path_of(name).touch()
    stack.forget(name)
    assert list(tmp_path.iterdir()) == []


def test_the_host_keys_of_a_server_stay_while_the_stack_has_it_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    facts, others = Outputs.model_validate(FACTS), Outputs.model_validate({**FACTS, "instanceId": "i-9"})
    for server in (facts, others):
        stack.known_hosts(server).touch()
    stack.note_outputs(facts)
    assert stack.known_hosts(facts.model_copy(update={"stack": "renamed"})).exists()
    rebuilt = facts.model_copy(update={"instance_id": "i-2"})
    stack.known_hosts(rebuilt).touch()
    stack.note_outputs(rebuilt)
    assert not stack.known_hosts(facts).exists()
    stack.forget(rebuilt.stack)
    assert list((tmp_path / ".workbench").rglob("*")) == [
        stack.known_hosts(others).parent,
        stack.known_hosts(others),
    ]


def test_aws_is_asked_as_the_profile_of_the_stack(
    answer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aws").write_text(
        "[profile team]\nregion = eu-north-1\naws_access_key_id = THEIRS\naws_secret_access_key = x\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OTHERS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    answer({"aws:profile": {"value": "team", "secret": False}})
    client = cloud.client("ec2", stack.aws_config("prod"))
    assert client.meta.region_name == "eu-north-1"
    assert client._request_signer._credentials.access_key == "THEIRS"


def test_a_profile_that_this_machine_lacks_is_said_in_a_sentence(
    answer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    answer({"aws:profile": {"value": "nobody", "secret": False}})
    with pytest.raises(WorkbenchError, match=r"profile \(nobody\) could not be found"):
        cloud.next_change("prod", "vol-1")


def test_a_server_is_taken_at_its_word_only_while_nothing_is_known_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    facts = Outputs.model_validate(FACTS)
    known = stack.known_hosts(facts)
    assert stack.host_key_checking(facts) == "accept-new"
    known.touch()
    assert "StrictHostKeyChecking=accept-new" in stack.ssh_command(facts)
    known.write_text("127.0.0.1 ssh-ed25519 AAAA\n")
    assert "StrictHostKeyChecking=yes" in stack.ssh_command(facts)
    another = facts.model_copy(update={"instance_id": "i-2"})
    assert stack.host_key_checking(another) == "accept-new", "a rebuilt server has keys of its own at first"
