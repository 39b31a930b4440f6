"""AssumeRole and buckets: what AWS refuses there and moto does not.

A stand-in: moto hands out keys for whatever role, and lets whoever has some do anything. Here a role is taken on by
whom its trust policy names, if that one may (lab/roles.py), and the policy of a session is looked at as text. **No call
of S3 is judged by a policy**: whoever has keys reads every bucket of the lab.
"""

import json
from typing import Any

from lab import roles
from lab.calls import Call
from lab.rules.common import Refusal
from lab.seed import ACCOUNT

POLICY_CHARACTERS = 2048  # Source: AWS STS, AssumeRole, `Policy`
LONGEST_SECONDS = 3600  # of who has a role already ("role chaining")


def check(call: Call, iam: Any, sts: Any) -> None:
    """Raises Refusal where AWS would refuse the call. `iam` and `sts` are moto's backends."""
    if call.service == "s3" and call.get("ExpectedBucketOwner") not in ("", ACCOUNT):
        raise Refusal("AccessDenied", "Access Denied", 403)
    if (call.service, call.action) == ("sts", "AssumeRole"):
        _assume(call, iam, sts)


def _assume(call: Call, iam: Any, sts: Any) -> None:
    arn, session = call.get("RoleArn"), sts.get_assumed_role_from_access_key(call.key)
    if session is None:
        return  # somebody with keys of their own, who is not the workbench's host
    role = next((role for role in iam.roles.values() if role.arn == arn), None)
    if role is None or not roles.may_take_on(iam, session.role_arn, role):
        raise Refusal(
            "AccessDenied",
            f"User: {session.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            403,
        )
    if int(call.get("DurationSeconds") or LONGEST_SECONDS) > LONGEST_SECONDS:
        raise Refusal(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        )
    policy = call.get("Policy")
    if len(policy) > POLICY_CHARACTERS:
        raise Refusal(
            "ValidationError", f"'policy' failed to satisfy constraint: at most {POLICY_CHARACTERS}"
        )
    try:
        json.loads(policy or "{}")
    except ValueError:
        raise Refusal("MalformedPolicyDocument", "Syntax errors in policy.") from None
