"""A stand-in for Amazon Data Lifecycle Manager, which moto lacks: its API, as far as daily snapshots need it.

What a policy does at its time, lab/upkeep.py does.
Source: AWS, Amazon Data Lifecycle Manager API Reference.
"""

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lab.rules.common import Refusal
from lab.seed import ACCOUNT, REGION

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_DESCRIPTION = re.compile(r"[0-9A-Za-z _-]{1,500}")
_INTERVALS = (1, 2, 3, 4, 6, 8, 12, 24)
_DEFAULTS = {
    "PolicyType": "EBS_SNAPSHOT_MANAGEMENT",
    "ResourceLocations": ["CLOUD"],
    "PolicyLanguage": "STANDARD",
}
_MOST_KEPT = 1000

Policy = dict[str, Any]


class Lifecycle:
    """The policies by id, and the snapshots that each has made, the oldest first."""

    def __init__(self) -> None:
        self.policies: dict[str, Policy] = {}
        self.made: dict[str, list[str]] = {}

    def answer(
        self, action: str, body: Mapping[str, Any], query: Mapping[str, list[str]]
    ) -> Mapping[str, Any]:
        """What the service answers. `action` is method and path. Raises Refusal."""
        method, _, path = action.partition(" ")
        _, kind, rest = (*path.split("/", 2), "")[:3]
        if kind == "tags":
            return self._tags(method, self._policy(rest.rpartition("/")[2]), body, query)
        if not rest:
            return self._create(body) if method == "POST" else {"Policies": self._summaries()}
        policy = self._policy(rest)
        if method == "PATCH":
            self._update(policy, body)
        if method == "DELETE":  # the snapshots stay, and nobody deletes them any more
            del self.policies[rest], self.made[rest]
        return {"Policy": policy} if method == "GET" else {}

    def _policy(self, policy_id: str) -> Policy:
        if policy_id not in self.policies:
            raise Refusal("ResourceNotFoundException", f"Policy not found: {policy_id}", 404)
        return self.policies[policy_id]

    def _create(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        missing = {"ExecutionRoleArn", "Description", "State", "PolicyDetails"} - body.keys()
        if missing:
            raise _invalid(f"The following required parameter(s) are missing: {', '.join(sorted(missing))}")
        policy_id = f"policy-0{secrets.token_hex(8)}"
        policy = {
            "PolicyId": policy_id,
            "PolicyArn": f"arn:aws:dlm:{REGION}:{ACCOUNT}:policy/{policy_id}",
            "DateCreated": _now(),
            "Tags": dict(body.get("Tags") or {}),
        }
        self._update(policy, body)
        self.policies[policy_id], self.made[policy_id] = policy, []
        return {"PolicyId": policy_id}

    def _update(self, policy: Policy, body: Mapping[str, Any]) -> None:
        told = {key: body[key] for key in ("ExecutionRoleArn", "Description", "State") if key in body}
        if not _DESCRIPTION.fullmatch(told.get("Description", "x")):
            raise _invalid(f"Invalid description: {told['Description']}")
        if "PolicyDetails" in body:
            _judge(body["PolicyDetails"])
            told["PolicyDetails"] = {**_DEFAULTS, **body["PolicyDetails"]}
        policy.update(told, DateModified=_now())
        policy["StatusMessage"] = policy["State"]

    def _summaries(self) -> list[Policy]:
        told = ("PolicyId", "Description", "State", "Tags")
        return [
            {**{key: policy[key] for key in told}, "PolicyType": policy["PolicyDetails"]["PolicyType"]}
            for policy in self.policies.values()
        ]

    @staticmethod
    def _tags(
        method: str, policy: Policy, body: Mapping[str, Any], query: Mapping[str, list[str]]
    ) -> Mapping[str, Any]:
        if method == "POST":
            policy["Tags"] |= body["Tags"]
        if method == "DELETE":
            for key in query.get("tagKeys", ()):
                policy["Tags"].pop(key, None)
        return {"Tags": policy["Tags"]} if method == "GET" else {}


def _judge(details: Mapping[str, Any]) -> None:
    """Raises Refusal for what AWS would not take, or the lab does not do."""
    if details.get("ResourceTypes") != ["VOLUME"] or not details.get("TargetTags"):
        raise _invalid(
            "The lab makes snapshots of volumes by their tags: ResourceTypes is [VOLUME], and TargetTags"
        )
    if not details.get("Schedules"):
        raise _invalid("The following required parameter(s) are missing: Schedules")
    for schedule in details["Schedules"]:
        rule, kept = schedule.get("CreateRule", {}), schedule.get("RetainRule", {}).get("Count", 0)
        if rule.get("IntervalUnit") != "HOURS" or rule.get("Interval") not in _INTERVALS:
            raise _invalid(f"Interval must be one of {_INTERVALS} HOURS")
        if len(rule.get("Times", ())) != 1 or not _TIME.fullmatch(rule["Times"][0]):
            raise _invalid("Times must be one time of the form HH:MM")
        if not 1 <= kept <= _MOST_KEPT:
            raise _invalid(f"Count must be between 1 and {_MOST_KEPT}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _invalid(message: str) -> Refusal:
    return Refusal("InvalidRequestException", message)
