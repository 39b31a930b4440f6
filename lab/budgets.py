"""A stand-in for AWS Budgets, of which moto has no tags, subscribers and changes: it keeps what it is told.

Nothing is ever counted, and nobody gets a mail: the lab costs nothing.
Source: AWS, Billing and Cost Management API Reference, Budgets.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from lab.rules.common import Refusal

_END = 3706473600  # 2087-06-15, where AWS puts the end of a budget that has none
_MOST_MAILS = 10

Body = Mapping[str, Any]
Answer = Mapping[str, Any]


class Budgets:
    """The budgets by name: {budget, notifications: [[notification, subscribers], ...], tags}."""

    def __init__(self) -> None:
        self.budgets: dict[str, dict[str, Any]] = {}

    def answer(self, action: str, body: Body, _query: Mapping[str, list[str]]) -> Answer:
        """What the service answers. Raises Refusal."""
        actions: dict[str, Callable[[Body], Answer]] = {
            "CreateBudget": self._create,
            "UpdateBudget": self._update,
            "DeleteBudget": self._delete,
            "DescribeBudget": lambda body: {"Budget": self._kept(body["BudgetName"])["budget"]},
            "DescribeBudgets": lambda _: {"Budgets": [kept["budget"] for kept in self.budgets.values()]},
            "CreateNotification": self._notify,
            "DeleteNotification": self._do_not_notify,
            "DescribeNotificationsForBudget": lambda body: {
                "Notifications": [one for one, _ in self._kept(body["BudgetName"])["notifications"]]
            },
            "DescribeSubscribersForNotification": lambda body: {"Subscribers": self._subscribers(body)},
            "ListTagsForResource": lambda body: {"ResourceTags": self._tagged(body)["tags"]},
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }
        if action not in actions:
            raise Refusal("UnsupportedOperation", f"The lab's budgets have no {action}.")
        return actions[action](body)

    def _kept(self, name: str) -> dict[str, Any]:
        if name not in self.budgets:
            raise Refusal("NotFoundException", f"Unable to get budget: {name} - the budget doesn't exist.")
        return self.budgets[name]

    def _create(self, body: Body) -> Answer:
        name = body["Budget"]["BudgetName"]
        if name in self.budgets:
            raise Refusal(
                "DuplicateRecordException", f"Error creating budget: {name} - the budget already exists."
            )
        told = body.get("NotificationsWithSubscribers") or []
        listed = [[one["Notification"], one["Subscribers"]] for one in told]
        for _, subscribers in listed:
            _judge(subscribers)
        kept = {"notifications": listed, "tags": list(body.get("ResourceTags") or ())}
        self.budgets[name] = {"budget": _described(body["Budget"]), **kept}
        return {}

    def _update(self, body: Body) -> Answer:
        kept = self._kept(body["NewBudget"]["BudgetName"])
        kept["budget"] = _described(body["NewBudget"])
        return {}

    def _delete(self, body: Body) -> Answer:
        self._kept(body["BudgetName"])
        del self.budgets[body["BudgetName"]]
        return {}

    def _notify(self, body: Body) -> Answer:
        _judge(body["Subscribers"])
        self._kept(body["BudgetName"])["notifications"].append([body["Notification"], body["Subscribers"]])
        return {}

    def _do_not_notify(self, body: Body) -> Answer:
        kept = self._kept(body["BudgetName"])
        kept["notifications"] = [
            one for one in kept["notifications"] if _key(one[0]) != _key(body["Notification"])
        ]
        return {}

    def _subscribers(self, body: Body) -> list[dict[str, str]]:
        for notification, subscribers in self._kept(body["BudgetName"])["notifications"]:
            if _key(notification) == _key(body["Notification"]):
                return list(subscribers)
        raise Refusal("NotFoundException", "Unable to get subscribers - the notification doesn't exist.")

    def _tagged(self, body: Body) -> dict[str, Any]:
        return self._kept(body["ResourceARN"].rpartition("/")[2])

    def _tag(self, body: Body) -> Answer:
        self._untag({**body, "ResourceTagKeys": [tag["Key"] for tag in body["ResourceTags"]]})
        self._tagged(body)["tags"] += body["ResourceTags"]
        return {}

    def _untag(self, body: Body) -> Answer:
        kept = self._tagged(body)
        kept["tags"] = [tag for tag in kept["tags"] if tag["Key"] not in body["ResourceTagKeys"]]
        return {}


def _key(notification: Mapping[str, Any]) -> tuple[Any, ...]:
    named = ("NotificationType", "ComparisonOperator", "ThresholdType")
    return (*(notification.get(name) for name in named), float(notification["Threshold"]))


def _judge(subscribers: list[dict[str, str]]) -> None:
    if not 1 <= len(subscribers) <= _MOST_MAILS + 1:
        raise Refusal("InvalidParameterException", f"A notification takes 1 to {_MOST_MAILS} addresses.")


def _described(budget: Mapping[str, Any]) -> dict[str, Any]:
    """The budget as AWS gives it back: amounts as decimals, with a period and what it has spent."""
    limit = {**budget["BudgetLimit"], "Amount": str(float(budget["BudgetLimit"]["Amount"]))}
    period = {"Start": time.time(), "End": _END, **(budget.get("TimePeriod") or {})}
    spent = {"ActualSpend": {"Amount": "0.0", "Unit": limit["Unit"]}}
    return {**budget, "BudgetLimit": limit, "TimePeriod": period, "CalculatedSpend": spent}
