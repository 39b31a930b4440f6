"""Whether a service of AWS could take on a role, and may then do something: as much of IAM as the lab needs.

A stand-in: of conditions it knows the two against the confused deputy, and a grant with others counts for nothing.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from lab.rules.common import Refusal
from lab.seed import ACCOUNT


@dataclass(frozen=True)
class Deed:
    """What is to be done: by which service and on whose behalf (its ARN), what (ec2:StopInstances), and to what."""

    service: str
    source: str
    action: str
    resource: str


def require(iam: Any, role_arn: str, deed: Deed) -> None:
    """Raises Refusal where the role lets the service do no such thing. `iam` is moto's backend."""
    role = next((role for role in iam.roles.values() if role.arn == role_arn), None)
    if role is None or not any(_trusts(one, deed) for one in _statements(role.assume_role_policy_document)):
        raise Refusal(
            "AccessDeniedException", f"{deed.service} cannot take on the role {role_arn} for {deed.source}"
        )
    versions = (version for policy in role.managed_policies.values() for version in policy.versions)
    documents = [*role.policies.values(), *(version.document for version in versions if version.is_default)]
    granted = (one for document in documents for one in _statements(document))
    if not any(_grants(one, deed) for one in granted):
        raise Refusal(
            "UnauthorizedOperation",
            f"{role_arn} is not authorized to perform {deed.action} on {deed.resource}",
            403,
        )


def may_take_on(iam: Any, caller: str, role: Any) -> bool:
    """Whether the role `caller` (its ARN) is named by a role's trust policy, and is granted to take it on."""
    trusted = any(
        one["Effect"] == "Allow" and caller in _list((one.get("Principal") or {}).get("AWS"))
        for one in _statements(role.assume_role_policy_document)
    )
    own = next((one for one in iam.roles.values() if one.arn == caller), None)
    deed = Deed("", "", "sts:AssumeRole", role.arn)
    granted = (one for document in own.policies.values() for one in _statements(document)) if own else ()
    return trusted and any(_grants(one, deed) for one in granted)


def _statements(document: Any) -> Iterator[dict[str, Any]]:
    read = json.loads(document) if isinstance(document, str) else document
    found = read["Statement"]
    yield from found if isinstance(found, list) else [found]


def _trusts(statement: dict[str, Any], deed: Deed) -> bool:
    given = {
        key: value
        for operator, pairs in (statement.get("Condition") or {}).items()
        if operator in {"StringEquals", "ArnLike", "ArnEquals"}
        for key, value in pairs.items()
    }
    wanted = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": deed.source}
    return (
        statement["Effect"] == "Allow"
        and deed.service in _list((statement.get("Principal") or {}).get("Service"))
        and all(key in wanted and _fits(wanted[key], value) for key, value in given.items())
        and len(given) == sum(len(pairs) for pairs in (statement.get("Condition") or {}).values())
    )


def _grants(statement: dict[str, Any], deed: Deed) -> bool:
    actions = [action.lower() for action in _list(statement.get("Action"))]
    return (
        statement["Effect"] == "Allow"
        and not statement.get("Condition")
        and _fits(deed.action.lower(), actions)
        and _fits(deed.resource, statement.get("Resource"))
    )


def _fits(value: str, patterns: Any) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in _list(patterns))


def _list(value: Any) -> list[str]:
    return [] if value is None else list(value) if isinstance(value, list) else [value]
