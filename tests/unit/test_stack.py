"""What is asked of the `pulumi` command. Here it is a stand-in: a script that says what it was asked, and answers."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from workbench import stack
from workbench.errors import WorkbenchError


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


def test_the_ids_of_a_type_are_read_from_the_state(answer: Any) -> None:
    server, volume = "aws:ec2/instance:Instance", "aws:ebs/volume:Volume"
    asked = answer(
        {
            "version": 3,
            "deployment": {
                "resources": [
                    {"urn": "urn:1", "type": "pulumi:pulumi:Stack"},
                    {"urn": "urn:2", "type": server, "id": "i-1"},
                    {"urn": "urn:3", "type": volume, "id": "vol-1"},
                ]
            },
        }
    )
    assert stack.resource_ids(server, "prod") == {"i-1"}
    assert asked.read_text().split() == ["stack", "export", "--non-interactive", "--stack", "prod"]


def test_an_empty_state_has_no_ids(answer: Any) -> None:
    answer({"version": 3, "deployment": {"manifest": {}}})
    assert stack.resource_ids("aws:ec2/instance:Instance", "prod") == frozenset()


def test_what_pulumi_refuses_is_passed_on_in_its_last_line(answer: Any) -> None:
    answer("error: no stack named 'prod' found\n", status=255)
    with pytest.raises(
        WorkbenchError, match=r"`pulumi config --show-secrets` failed: error: no stack named 'prod' found"
    ):
        stack.settings("prod")
