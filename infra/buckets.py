"""The buckets of services.data, looked at in the preview: each exists, and is this account's own.

Asked through boto3: the provider's own function does not say whose a bucket is.
"""

from typing import Any

import pulumi

from infra import unlisted
from workbench.faults import key_of
from workbench.settings import Settings


def judge(settings: Settings) -> dict[str, str]:
    """The region of each bucket. Raises RunError for one that does not exist, or is not this account's."""
    entries = settings.services.data.s3
    account = unlisted.account() if entries else ""
    regions: dict[str, str] = {}
    for index, one in enumerate(entries):
        if one.bucket not in regions:
            key = key_of(("services", "data", "s3", index, "bucket"))
            regions[one.bucket] = _region(one.bucket, account, key)
    return regions


def _region(bucket: str, account: str, key: str) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return unlisted.bucket_region(bucket, account)
    except ClientError as error:
        raise pulumi.RunError(f"{key} is {bucket!r}, {_refusal(error, account)}") from None
    except BotoCoreError as error:
        raise pulumi.RunError(f"{key} is {bucket!r}, of which AWS did not say whose it is: {error}") from None


def _refusal(error: Any, account: str) -> str:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if status == 404:
        return "and there is no such bucket; make it first, or correct the name."
    if status == 403:
        return (
            f"which belongs to another AWS account than this one ({account}), or which you may not look at "
            "(s3:ListBucket); takes a bucket of this account."
        )
    return f"of which AWS did not say whose it is: {error}"
