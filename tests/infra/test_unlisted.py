"""What is asked beside the provider: by boto3, of the lab's API, with the stack's own region."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import set_all_config

from infra import unlisted
from lab.seed import ACCOUNT, REGION
from tests.unit.cli.test_account import NAME, make_all, tags
from tests.unit.lab.cloud import Cloud, serve


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with serve(tmp_path) as served:
        for name, value in (
            ("ENDPOINT_URL", served.endpoint),
            ("ACCESS_KEY_ID", "x"),
            ("SECRET_ACCESS_KEY", "x"),
        ):
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
        set_all_config({"aws:region": REGION})
        real = unlisted._client
        real.cache_clear()
        yield served
        real.cache_clear()


def test_what_is_there_is_told_by_the_id_that_it_is_imported_by(cloud: Cloud) -> None:
    make_all(cloud)
    (policy,) = cloud.client("dlm").get_lifecycle_policies()["Policies"]
    assert unlisted.group(NAME) == [NAME]
    assert unlisted.schedule(NAME, "stop") == [f"{NAME}/stop"]
    assert unlisted.budget(NAME) == [f"{ACCOUNT}:{NAME}"]
    assert unlisted.lifecycle_policies(tags("backups")) == [policy["PolicyId"]]


def test_what_is_not_there_is_nothing(cloud: Cloud) -> None:
    make_all(cloud)
    assert unlisted.group("workbench-none") == []
    assert unlisted.schedule(NAME, "start") == []
    assert unlisted.schedule("workbench-none", "start") == []
    assert unlisted.budget("workbench-none") == []
    assert unlisted.lifecycle_policies({**tags("backups"), "StackId": "another"}) == []


def test_where_aws_does_not_say_nothing_is_made(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        from botocore.exceptions import ClientError

        raise ClientError(
            {"Error": {"Code": "AccessDeniedException", "Message": "not you"}}, "GetScheduleGroup"
        )

    monkeypatch.setattr(unlisted, "_client", refuse)
    with pytest.raises(pulumi.RunError, match=r"AWS did not say what it has of an earlier run .*not you"):
        unlisted.group(NAME)
