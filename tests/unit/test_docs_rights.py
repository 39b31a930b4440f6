"""The rights that docs/schedule.md gives: of actions that there are, for what the program makes and no more."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import botocore.session
import pytest

from infra import backups, naming
from workbench.stack import ROOT

ACCOUNT = "123456789012"
# Rights that are no call of the service's. Source: AWS, Service Authorization Reference, IAM and AWS Budget Service
NO_CALLS = {"iam:PassRole", "budgets:ViewBudget", "budgets:ModifyBudget"}
OWNER = naming.Owner("prod", "0123456789ab")


def statements() -> dict[str, dict[str, Any]]:
    (text,) = re.findall(
        r"^```json\n(.*?)^```$", (ROOT / "docs" / "schedule.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return {one["Sid"]: one for one in json.loads(text)["Statement"]}


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def allowed(action: str) -> Iterator[str]:
    """The resources for which the policy has an action."""
    for one in statements().values():
        if action in listed(one["Action"]):
            yield from listed(one["Resource"])


def test_all_actions_are_known_and_none_is_a_pattern() -> None:
    session = botocore.session.get_session()
    for one in statements().values():
        assert one["Effect"] == "Allow"
        for action in set(listed(one["Action"])) - NO_CALLS:
            service, _, call = action.partition(":")
            assert call in session.get_service_model(service).operation_names, action


@pytest.mark.parametrize(
    ("action", "arn"),
    [
        ("scheduler:CreateScheduleGroup", f"scheduler:eu-west-1:{ACCOUNT}:schedule-group/{naming.role_name(OWNER)}"),
        ("scheduler:UpdateSchedule", f"scheduler:eu-west-1:{ACCOUNT}:schedule/{naming.role_name(OWNER)}/stop"),
        ("budgets:ModifyBudget", f"budgets::{ACCOUNT}:budget/{naming.role_name(OWNER)}"),
        ("iam:PutRolePolicy", f"iam::{ACCOUNT}:role/{naming.role_name(OWNER, 'schedule')}"),
        ("iam:PassRole", f"iam::{ACCOUNT}:role/{naming.role_name(OWNER, 'backups')}"),
        ("iam:AttachRolePolicy", f"iam::{ACCOUNT}:role/{naming.role_name(OWNER, 'backups')}"),
    ],
)  # fmt: skip
def test_what_the_program_makes_is_covered(action: str, arn: str) -> None:
    assert any(fnmatchcase(f"arn:aws:{arn}", pattern) for pattern in allowed(action))


@pytest.mark.parametrize("action", ["iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PassRole"])
def test_the_servers_own_role_is_not_covered(action: str) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/{naming.role_name(OWNER)}"
    assert not any(fnmatchcase(arn, pattern) for pattern in allowed(action))


def test_only_what_cannot_be_named_is_for_all_resources_and_then_by_its_tag() -> None:
    told = statements()
    for_all = {name for name, one in told.items() if "*" in listed(one["Resource"])}
    assert for_all == {"NewSnapshotPolicies"}
    assert told["NewSnapshotPolicies"]["Condition"]["StringEquals"] == {
        "aws:RequestTag/Project": OWNER.tags("backups")["Project"]
    }
    assert told["TheServicesOwnPolicyAndNoOther"]["Condition"]["ArnEquals"]["iam:PolicyARN"] == (
        f"arn:aws:{backups._MANAGED}"
    )
