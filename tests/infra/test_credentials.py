"""This command is to AWS whom the stack's provider is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from cli import cloud
from infra import credentials
from workbench import stack
from workbench.errors import WorkbenchError

ROLE = "arn:aws:iam::210987654321:role/deploys"


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The stack's config, as `pulumi config --json` tells it."""
    told: dict[str, Any] = {"aws:region": {"value": "eu-west-1"}}

    def pulumi(*arguments: str, stack: str | None = None) -> dict[str, Any]:
        hidden = "--show-secrets" not in arguments
        return {
            key: {"secret": True} if hidden and entry.get("secret") else entry for key, entry in told.items()
        }

    monkeypatch.setattr(stack, "pulumi", pulumi)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OTHERS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    return told


def account() -> str:
    return str(cloud.client("sts", stack.aws_config("prod")).get_caller_identity()["Account"])


def key_of(access: stack.AwsConfig) -> str:
    return str(cloud.client("ec2", access)._request_signer._credentials.access_key)


def test_roles_are_assumed_one_after_the_other(config: dict[str, Any]) -> None:
    second = "arn:aws:iam::345678901234:role/inner"
    roles = [
        {"roleArn": ROLE, "sessionName": "me", "externalId": "ours", "duration": "1h"},
        {"roleArn": second, "tags": {"team": "data"}},
    ]
    with mock_aws():
        assert account() == "123456789012"
        config["aws:assumeRoles"] = {"value": json.dumps(roles[:1])}
        assert account() == "210987654321"
        config["aws:assumeRoles"] = {"value": json.dumps(roles)}
        assert account() == "345678901234"
        ec2 = cloud.client("ec2", stack.aws_config("prod"))
        assert ec2.describe_volumes()["Volumes"] == []
        boto3.client("ec2", "eu-west-1").create_volume(AvailabilityZone="eu-west-1a", Size=1)
        assert ec2.describe_volumes()["Volumes"] == [], "that one is in another account"


def test_the_files_of_the_config_are_read_the_one_that_has_the_profile(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, profile in (("a", "team"), ("b", "others")):
        (tmp_path / name).write_text(
            f"[{profile}]\naws_access_key_id = OF-{name}\naws_secret_access_key = x\n"
        )
    monkeypatch.setattr(credentials, "ROOT", tmp_path)
    config["aws:profile"] = {"value": "team"}
    config["aws:sharedCredentialsFiles"] = {"value": json.dumps(["a", str(tmp_path / "b"), "missing"])}
    assert key_of(stack.aws_config("prod")) == "OF-a"


def test_keys_of_the_config_are_decrypted_and_shown_nowhere(config: dict[str, Any]) -> None:
    config["aws:accessKey"] = {"value": "THEIRS"}
    config["aws:secretKey"] = {"value": "very-secret", "secret": True}
    access = stack.aws_config("prod")
    assert key_of(access) == "THEIRS"
    assert "very-secret" not in repr(access)


def test_a_token_of_somebody_elses_is_exchanged(config: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a token")
    told = {"roleArn": ROLE, "webIdentityTokenFile": str(tmp_path / "token"), "sessionName": "ci"}
    config["aws:assumeRoleWithWebIdentity"] = {"value": json.dumps(told)}
    with mock_aws():
        assert account() == "210987654321"


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ("[{}]", "has a role without a roleArn"),
        ("{nonsense", "is no list and no section"),
        (f'[{{"roleArn": "{ROLE}", "duration": "a while"}}]', "takes such as 1h or 45m"),
    ],
)
def test_what_no_role_can_be_is_said_in_a_sentence(config: dict[str, Any], roles: str, said: str) -> None:
    config["aws:assumeRoles"] = {"value": roles}
    with pytest.raises(WorkbenchError, match=said):
        cloud.client("ec2", stack.aws_config("prod"))


def test_durations_are_those_of_go() -> None:
    assert [credentials.seconds(text) for text in ("1h", "45m", "1h30m", "900s")] == [3600, 2700, 5400, 900]
