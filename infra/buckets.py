"""The buckets of services.data, looked at in the preview: each exists, and is this account's own.

Asked through boto3: the provider's own function does not say whose a bucket is.
"""

from typing import Any

import pulumi

from infra import unlisted
from workbench import stackfile
from workbench.faults import Fault, KeyPath
from workbench.settings import Settings


def judge(settings: Settings) -> dict[str, str]:
    """The region of each bucket. Raises RunError for one that does not exist, or is not this account's."""
    entries = settings.services.data.s3
    account = unlisted.account() if entries else ""
    regions: dict[str, str] = {}
    for index, one in enumerate(entries):
        if one.bucket not in regions:
            key = ("services", "data", "s3", index, "bucket")
            regions[one.bucket] = _region(one.bucket, account, key)
    return regions


def _region(bucket: str, account: str, key: KeyPath) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return unlisted.bucket_region(bucket, account)
    except ClientError as error:
        why = _refusal(error, account)
    except BotoCoreError as error:
        why = f"of which AWS did not say whose it is: {error}"
    fault = Fault(key, f"is {bucket!r}, {why}")
    raise pulumi.RunError(stackfile.placed_of(pulumi.get_stack(), fault))


def _refusal(error: Any, account: str) -> str:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if status == 404:
        return "and there is no such bucket; make it first, correct the name, or take the entry out"
    if status == 403:
        return (
            f"which belongs to another AWS account than this one ({account}), or which you may not look at "
            "(s3:ListBucket); takes a bucket of this account"
        )
    return f"of which AWS did not say whose it is: {error}"
