"""What is granted of S3, and in which words of IAM: the policy of the role for data, and that of one user's session.

Both are made here, by the deploy for the host and by infra/ for the role, so that they cannot differ. A session gets
what both allow.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

# Characters without white space of all policies in a role. Source: AWS, "IAM and AWS STS quotas".
ROLE_CHARACTERS = 10240
# Of the policy that is given with a request for a session. Source: AWS STS, AssumeRole, `Policy`.
SESSION_CHARACTERS = 2048
LONGEST_PREFIX = 512  # of the 1024 bytes of a key
_READ = ("s3:GetObject",)
# What uploads in parts need beside PutObject. Source: AWS, "Amazon S3 multipart upload API and permissions".
_WRITE = ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
# For buckets encrypted with a key of one's own: by way of S3 alone, so for no more than what may be read there.
# A session's policy limits what a key's policy grants the role, too. Source: AWS, IAM User Guide, "Session policies".
_DECRYPT, _ENCRYPT = "kms:Decrypt", "kms:GenerateDataKey"
_BY_S3 = {"StringLike": {"kms:ViaService": "s3.*"}}


class Grant(NamedTuple):
    """A place in S3: a bucket, how keys begin ("" for all), and whether it may be written to."""

    bucket: str
    prefix: str
    write: bool


def policy(grants: Sequence[Grant], partition: str = "aws") -> str:
    """The policy document with exactly these grants, as short as it can be; "" for none."""
    if not grants:
        return ""
    return json.dumps(
        {"Version": "2012-10-17", "Statement": statements(grants, partition)}, separators=(",", ":")
    )


def statements(grants: Sequence[Grant], partition: str = "aws") -> list[dict[str, Any]]:
    """What may be done with objects, by their keys; what may be listed, by buckets; where buckets are.

    Listing is told by a condition, which holds for all resources of a statement: so each bucket has its own.
    """
    prefixes: dict[str, set[str]] = defaultdict(set)
    objects: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for one in grants:
        prefixes[one.bucket].add(one.prefix)
        objects[_READ + _WRITE if one.write else _READ].add(
            f"arn:{partition}:s3:::{one.bucket}/{one.prefix}*"
        )
    whole = sorted(bucket for bucket, found in prefixes.items() if "" in found)
    arns = {bucket: f"arn:{partition}:s3:::{bucket}" for bucket in prefixes}
    said = [_allow(actions, sorted(found)) for actions, found in sorted(objects.items())]
    said.append(_allow(["s3:GetBucketLocation"], sorted(arns.values())))
    if whole:
        said.append(_allow(["s3:ListBucket"], [arns[bucket] for bucket in whole]))
    for bucket in sorted(prefixes.keys() - set(whole)):
        condition = {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in sorted(prefixes[bucket])]}}
        said.append({**_allow(["s3:ListBucket"], [arns[bucket]]), "Condition": condition})
    keys = [_DECRYPT, _ENCRYPT] if any(one.write for one in grants) else [_DECRYPT]
    return [*said, {**_allow(keys, ["*"]), "Condition": _BY_S3}]


def _allow(actions: Sequence[str], resources: Sequence[str]) -> dict[str, Any]:
    def shortest(many: Sequence[str]) -> Any:
        return many[0] if len(many) == 1 else list(many)

    return {"Effect": "Allow", "Action": shortest(actions), "Resource": shortest(resources)}
