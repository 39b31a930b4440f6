"""services.data: the role that AWS is asked for, who may take it on, and the buckets that are refused before."""

import json
from pathlib import Path
from typing import Any

import boto3
import pulumi
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from infra import buckets, unlisted
from tests.infra.test_upkeep import only, statements
from workbench import stackfile
from workbench.config import parse

DATA = {
    "users": [{"name": "ada", "groups": ["lab"]}],
    "services": {"data": {"s3": [{"bucket": "acme-raw", "prefix": "a/", "groups": ["lab"]}]}},
}
ROLE_ARN = "arn:aws:ec2:eu-west-1:1:thing/data-role-id"


@pytest.fixture(autouse=True)
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket is there, and in another region than the stack."""
    monkeypatch.setattr(unlisted, "account", lambda: "123456789012")
    monkeypatch.setattr(unlisted, "bucket_region", lambda bucket, owner: "eu-central-1")


def test_without_the_setting_nothing_of_it_is_made_or_asked(
    declare: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unlisted, "account", lambda: pytest.fail("AWS was asked"))
    facts = declare()
    assert [role.name for role in cloud.of("Role")] == ["role"]
    assert not {"dataRole", "dataPlaces"} & facts.keys()


def test_the_role_may_do_just_what_is_granted_and_the_servers_alone_takes_it_on(
    declare: Any, cloud: Any
) -> None:
    declare(**DATA)
    role = only(cloud, "Role", "data-role")
    assert role["name"] == only(cloud, "Role", "role")["name"] + "-data"
    assert role["tags"]["Role"] == "data-role"
    assert statements(role["assumeRolePolicy"]) == [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"AWS": "arn:aws:ec2:eu-west-1:1:thing/role-id"},
        }
    ]
    may = statements(only(cloud, "RolePolicy", "data-policy")["policy"])
    assert {json.dumps(one["Action"]) for one in may} == {
        '"s3:GetObject"',
        '"s3:GetBucketLocation"',
        '"s3:ListBucket"',
        '"kms:Decrypt"',
    }
    use = only(cloud, "RolePolicy", "data-use")
    assert statements(use["policy"]) == [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE_ARN}
    ]
    assert use["role"] == only(cloud, "Role", "role")["name"]


def test_the_host_is_told_the_role_and_where_the_buckets_are(declare: Any) -> None:
    facts = declare(**DATA)
    assert facts["dataRole"] == ROLE_ARN
    assert facts["dataPlaces"] == [
        {"bucket": "acme-raw", "prefix": "a/", "write": False, "region": "eu-central-1"}
    ]


def test_a_role_that_a_killed_run_left_is_taken_back(declare: Any, cloud: Any) -> None:
    declare(**DATA)
    cloud.killed({"data-role", "data-policy", "data-use"})
    declare(**DATA)
    assert set(cloud.imported()) == {"Role data-role"}


def refused(status: int) -> Any:
    def ask(bucket: str, owner: str) -> str:
        metadata = {"HTTPStatusCode": status}
        raise ClientError({"Error": {"Code": str(status)}, "ResponseMetadata": metadata}, "HeadBucket")

    return ask


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (404, "is 'acme-raw', and there is no such bucket; make it first, correct the name, or take "),
        (403, "is 'acme-raw', which belongs to another AWS account than this one (123456789012), or which you may not"),
        (500, "is 'acme-raw', of which AWS did not say whose it is"),
    ],
)  # fmt: skip
def test_a_bucket_that_cannot_be_used_is_refused_before_anything_is_made(
    declare: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch, status: int, sentence: str
) -> None:
    monkeypatch.setattr(unlisted, "bucket_region", refused(status))
    with pytest.raises(pulumi.RunError) as caught:
        declare(**DATA)
    assert f"workbench:services.data.s3[0].bucket {sentence}" in str(caught.value)
    assert not [one for one in cloud.resources if one.typ.startswith("aws:")]


def test_it_is_said_with_the_file_and_the_line(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(
        "config:\n  workbench:services:\n    data:\n      s3:\n        - groups: [lab]\n          bucket: acme-raw\n"
    )
    monkeypatch.setattr(stackfile, "path_of", lambda _: path)
    monkeypatch.setattr(unlisted, "bucket_region", refused(404))
    settings = parse({**config, **{f"workbench:{key}": value for key, value in DATA.items()}})
    with pytest.raises(
        pulumi.RunError, match=r"^Pulumi.dev.yaml, line 6: workbench:services.data.s3\[0\].bucket is"
    ):
        buckets.judge(settings)


@mock_aws
def test_boto3_finds_a_buckets_region_and_that_one_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """moto does not look at ExpectedBucketOwner, so that another account's bucket is a stand-in above."""
    monkeypatch.undo()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    s3 = boto3.client("s3", region_name="ap-south-1")
    s3.create_bucket(Bucket="acme-far", CreateBucketConfiguration={"LocationConstraint": "ap-south-1"})
    monkeypatch.setattr(unlisted, "_client", lambda service: boto3.client(service, region_name="eu-west-1"))
    assert unlisted.bucket_region("acme-far", unlisted.account()) == "ap-south-1"
    with pytest.raises(pulumi.RunError, match="there is no such bucket"):
        buckets._region("acme-none", "123456789012", ("services", "data", "s3", 0, "bucket"))
