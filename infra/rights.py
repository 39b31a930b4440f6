"""Policies of IAM as plain data: who may take on a role, and what it may do."""

import json
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Arn:
    """The parts of an Amazon Resource Name that others are made of."""

    partition: str
    region: str
    account: str

    @classmethod
    def of(cls, arn: str) -> Self:
        """Those of `arn:PARTITION:SERVICE:REGION:ACCOUNT:...`."""
        _, partition, _, region, account, _ = arn.split(":", 5)
        return cls(partition, region, account)


def document(*statements: dict[str, Any]) -> str:
    """A policy document with these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service: str, like: str, source: str) -> str:
    """The trust policy of a role that a service takes on, in the account of the ARN `like` and for `source` alone.

    Without the conditions the service could be made to use the role by somebody in another account ("confused deputy").
    """
    conditions = {
        "StringEquals": {"aws:SourceAccount": Arn.of(like).account},
        "ArnLike": {"aws:SourceArn": source},
    }
    return document(
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": service},
            "Condition": conditions,
        }
    )


def use_of_keys(like: str) -> dict[str, Any]:
    """A statement that lets EC2 use keys of the account of ARN `like` for encrypted disks.

    Where disks are encrypted with a key of the account's own (as by its default) the start of a server fails without a
    word to who asked for it ("Client.InternalError"). EC2 alone can use what is granted.
    Source: AWS, EBS User Guide, "Requirements for EBS encryption", and Knowledge Center, "kms-iam-ec2-permission".
    """
    arn = Arn.of(like)
    return {
        "Effect": "Allow",
        "Action": ["kms:CreateGrant"],
        "Resource": [f"arn:{arn.partition}:kms:{arn.region}:{arn.account}:key/*"],
        "Condition": {
            "Bool": {"kms:GrantIsForAWSResource": "true"},
            "StringEquals": {"kms:ViaService": f"ec2.{arn.region}.amazonaws.com"},
        },
    }
