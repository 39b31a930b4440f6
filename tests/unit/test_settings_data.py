"""services.data: what is taken, what it comes to in IAM's words, and the one sentence for what is refused."""

import json
from typing import Any

import pytest

from tests.unit.test_settings import complaint
from workbench import grants
from workbench.config import parse
from workbench.grants import Grant
from workbench.settings.data import of_groups

USERS = [
    {"name": "ada", "groups": ["lab", "writers"]},
    {"name": "grace", "groups": ["lab"]},
    {"name": "old", "groups": ["gone"], "removed": True},
]


def with_data(config: dict[str, Any], *entries: dict[str, Any], users: Any = USERS) -> dict[str, Any]:
    services = {**config.get("workbench:services", {}), "data": {"s3": list(entries)}}
    return {**config, "workbench:users": users, "workbench:services": services}


def entry(**values: Any) -> dict[str, Any]:
    return {"bucket": "acme-raw", "groups": ["lab"], **values}


def statements(*granted: Grant) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(grants.policy(granted))["Statement"]
    return found


def test_without_it_nothing_is_granted(config: dict[str, Any]) -> None:
    assert parse(config).services.data.s3 == []
    assert grants.policy([]) == ""


def test_members_get_the_places_of_their_groups_and_no_others(config: dict[str, Any]) -> None:
    settings = parse(
        with_data(config, entry(prefix="a/"), entry(bucket="acme-out", write=True, groups=["writers"]))
    )
    found = settings.services.data.s3
    assert settings.services.data.grants == [Grant("acme-raw", "a/", False), Grant("acme-out", "", True)]
    assert of_groups(found, ["lab"]) == [Grant("acme-raw", "a/", False)]
    assert of_groups(found, ["writers", "lab"]) == settings.services.data.grants
    assert of_groups(found, []) == []


def test_to_read_is_neither_to_write_nor_to_list_the_rest_of_the_bucket() -> None:
    objects, where, listing, keys = statements(Grant("acme-raw", "a/", False))
    assert (objects["Action"], objects["Resource"]) == ("s3:GetObject", "arn:aws:s3:::acme-raw/a/*")
    assert (where["Action"], where["Resource"]) == ("s3:GetBucketLocation", "arn:aws:s3:::acme-raw")
    assert (listing["Action"], listing["Resource"]) == ("s3:ListBucket", "arn:aws:s3:::acme-raw")
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["a/*"]}}
    assert (keys["Action"], keys["Resource"]) == ("kms:Decrypt", "*")


def test_a_key_that_encrypts_a_bucket_is_used_by_way_of_s3_alone() -> None:
    keys = statements(Grant("acme-raw", "a/", False), Grant("acme-out", "", True))[-1]
    assert keys["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert keys["Condition"] == {"StringLike": {"kms:ViaService": "s3.*"}}


def test_what_several_places_come_to_is_no_more_than_each_of_them() -> None:
    """A condition holds for all that is in its statement, and so do the actions."""
    found = statements(
        Grant("acme-raw", "", False), Grant("acme-out", "a/", True), Grant("acme-out", "b/", False)
    )
    by = {(str(one["Action"]), str(one["Resource"])): one for one in found}
    assert set(by) == {
        ("s3:GetObject", "['arn:aws:s3:::acme-out/b/*', 'arn:aws:s3:::acme-raw/*']"),
        (str(["s3:GetObject", *grants._WRITE]), "arn:aws:s3:::acme-out/a/*"),
        ("s3:GetBucketLocation", "['arn:aws:s3:::acme-out', 'arn:aws:s3:::acme-raw']"),
        ("s3:ListBucket", "arn:aws:s3:::acme-raw"),
        ("s3:ListBucket", "arn:aws:s3:::acme-out"),
        ("['kms:Decrypt', 'kms:GenerateDataKey']", "*"),
    }
    assert "Condition" not in by["s3:ListBucket", "arn:aws:s3:::acme-raw"]
    assert by["s3:ListBucket", "arn:aws:s3:::acme-out"]["Condition"] == {
        "StringLike": {"s3:prefix": ["a/*", "b/*"]}
    }


def test_china_is_another_partition() -> None:
    assert "arn:aws-cn:s3:::acme-raw/*" in grants.policy([Grant("acme-raw", "", False)], "aws-cn")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"bucket": "s3://acme-raw"}, "is an address; takes the bucket's name alone"),
        ({"bucket": "Acme"}, "is no name of a bucket; takes 3 to 63 of a-z, 0-9"),
        ({"bucket": "ab"}, "is no name of a bucket"),
        ({"bucket": "a..b"}, "is no name of a bucket"),
        ({"bucket": "192.168.5.4"}, "is no name of a bucket"),
        ({"bucket": "acme*"}, "is no name of a bucket"),
        ({"bucket": "acme/raw"}, "is no name of a bucket"),
        ({"bucket": "xn--acme"}, "begins or ends as no bucket may"),
        ({"bucket": "acme-s3alias"}, "begins or ends as no bucket may"),
        ({"prefix": "/raw/"}, "begins with a slash"),
        ({"prefix": "raw/*"}, "is no beginning of keys that is taken"),
        ({"prefix": "home/${aws:username}/"}, "is no beginning of keys that is taken"),
        ({"prefix": "ra?/"}, "is no beginning of keys that is taken"),
        ({"prefix": 'raw","x":"/'}, "is no beginning of keys that is taken"),
        ({"prefix": "raw\n/"}, "is no beginning of keys that is taken"),
        ({"prefix": "é/"}, "is no beginning of keys that is taken"),
        ({"prefix": "a" * 512 + "/"}, "is no beginning of keys that is taken; takes at most 512"),
        ({"prefix": "raw"}, "is raw, which does not end with a slash, so that raw-private/ would be in it as well"),
        ({"groups": []}, "is empty"),
        ({"groups": ["lab", "lab"]}, "is lab a second time"),
        ({"groups": ["gone"]}, "is gone, which no user has among their groups (there are lab, writers)"),
        ({"groups": ["labb"]}, "is labb, which no user has among their groups"),
        ({"region": "eu-west-1"}, "is not a setting"),
    ],
)  # fmt: skip
def test_bad_values_are_refused_with_their_key(
    config: dict[str, Any], values: dict[str, Any], sentence: str
) -> None:
    said = complaint(with_data(config, entry(**values)))
    assert said.startswith(f"workbench:services.data.s3[0].{next(iter(values))}")
    assert sentence in said


def test_the_same_place_twice_is_one_too_many(config: dict[str, Any]) -> None:
    said = complaint(with_data(config, entry(), entry(groups=["writers"])))
    assert said == (
        "workbench:services.data.s3[1] is the same place as services.data.s3[0]; put the groups of both into one."
    )
    parse(with_data(config, entry(), entry(write=True, groups=["writers"])))


def test_what_does_not_fit_into_a_session_is_refused_before_aws_refuses_it(config: dict[str, Any]) -> None:
    many = [entry(bucket=f"acme-measurements-of-the-year-{2000 + year}", prefix="a/") for year in range(8)]
    said = complaint(with_data(config, *many, users=USERS[:1]))
    assert said.startswith("workbench:users[0].groups give ada so many places of services.data.s3 that")
    assert "AWS takes 2048 for a session" in said
    parse(with_data(config, *many[:5]))


def test_what_does_not_fit_into_the_role_is_refused_too(config: dict[str, Any]) -> None:
    users = [{"name": f"u{number}", "groups": [f"g{number}"]} for number in range(60)]
    many = [entry(bucket=f"acme-{number}" + "x" * 40, groups=[f"g{number}"]) for number in range(60)]
    assert "AWS takes 10240 characters" in complaint(with_data(config, *many, users=users))
