"""What AWS has of kinds that the provider has no function to ask for, asked through boto3.

By infra/adoption.py, for what the settings want and the state lacks, and for the buckets of services.data: a run of
every day of a stack without those asks nothing here.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import pulumi
from pulumi.runtime import config as runtime_config

from infra import credentials, naming
from workbench import stack as stacks

_ABSENT = {"ResourceNotFoundException", "NotFoundException"}


def group(name: str) -> list[str]:
    """The schedule group of that name, as it is imported; nothing where there is none."""
    return [name] if _found(lambda: _client("scheduler").get_schedule_group(Name=name)) else []


def schedule(group_name: str, name: str) -> list[str]:
    """The schedule of that name in a group."""
    found = _found(lambda: _client("scheduler").get_schedule(GroupName=group_name, Name=name))
    return [f"{group_name}/{name}"] if found else []


def lifecycle_policies(tags: dict[str, str]) -> list[str]:
    """The ids of the policies of Data Lifecycle Manager with these tags."""
    told = _found(lambda: _client("dlm").get_lifecycle_policies()) or {"Policies": []}
    return [one["PolicyId"] for one in told["Policies"] if tags.items() <= (one.get("Tags") or {}).items()]


def budget(name: str) -> list[str]:
    """The budget of that name in the account."""

    def ask() -> str:
        owner: str = _client("sts").get_caller_identity()["Account"]
        _client("budgets").describe_budget(AccountId=owner, BudgetName=name)
        return owner

    owner = _found(ask)
    return [f"{owner}:{name}"] if owner else []


def account() -> str:
    """The number of the account. Raises RunError where AWS does not say."""
    told: str = _found(lambda: _client("sts").get_caller_identity())["Account"]
    return told


def bucket_region(bucket: str, owner: str) -> str:
    """The region of a bucket of the account `owner`. Raises botocore's errors, 404 and 403 among them."""
    told = _client("s3").head_bucket(Bucket=bucket, ExpectedBucketOwner=owner)
    region: str = told.get("BucketRegion") or told["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"]
    return region


def _found(ask: Callable[[], Any]) -> Any:
    """What `ask` finds; None where AWS says that there is no such thing. Raises RunError where AWS does not say."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return None
        raise pulumi.RunError(_unknown(error)) from None
    except BotoCoreError as error:
        raise pulumi.RunError(_unknown(error)) from None


def _unknown(error: Exception) -> str:
    return f"AWS did not say what it has of an earlier run of this {naming.PROJECT}: {error}"


@cache
def _client(service: str) -> Any:
    """A client that is to AWS whom the provider is, by the stack's config and the environment."""
    config = {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}
    region = config.get("aws:region") or os.environ.get("AWS_REGION")  # which boto3 itself does not read
    access = stacks.access(lambda key: config.get(f"aws:{key}"))
    return credentials.session(access, region).client(service)
