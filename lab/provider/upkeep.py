"""What AWS does by itself: aws:scheduler ScheduleGroup and Schedule, aws:dlm LifecyclePolicy, aws:budgets Budget.

What the columns mean is said in schema.py.
"""

from __future__ import annotations

from typing import Any

from lab.provider.cloud import Cloud
from lab.provider.paths import search
from lab.provider.schema import TAGS, Call, Prop, ResourceType, Tagging
from lab.provider.values import State, same_number

_GONE = "without(olds.tags, tags)"

SCHEDULE_GROUP = ResourceType(
    type="aws:scheduler/scheduleGroup:ScheduleGroup",
    props={"name": Prop("Name", computed=True, replaces=True), "tags": TAGS},
    named="name",
    create="scheduler.create_schedule_group -> `null`",
    id="name",
    read=(
        "scheduler.get_schedule_group {Name: id} -> {Name: Name, Arn: Arn, Status: State, Made: CreationDate, "
        "Changed: LastModificationDate}",
        "scheduler.list_tags_for_resource {ResourceArn: found.Arn} -> {Tags: Tags}",
    ),
    outputs="{arn: Arn, creationDate: Made, lastModificationDate: Changed, state: Status}",
    tags=Tagging(
        create="{Tags: pairs(tags)}",
        change=(
            Call(f"scheduler.untag_resource {{ResourceArn: found.Arn, TagKeys: {_GONE}}}", when=_GONE),
            Call("scheduler.tag_resource {ResourceArn: found.Arn, Tags: pairs(tags)}", when="tags"),
        ),
    ),
    delete="scheduler.delete_schedule_group {Name: id}",
)

_RETRY = {
    "maximumEventAgeInSeconds": Prop("MaximumEventAgeInSeconds", "number", required=True),
    "maximumRetryAttempts": Prop("MaximumRetryAttempts", "number", required=True),
}
_TARGET = {
    "arn": Prop("Arn", required=True),
    "roleArn": Prop("RoleArn", required=True),
    "input": Prop("Input", required=True),
    "retryPolicy": Prop("RetryPolicy", "object", required=True, fields=_RETRY),
}
# What the real provider has defaults for has to be said here.
SCHEDULE = ResourceType(
    type="aws:scheduler/schedule:Schedule",
    props={
        "name": Prop("Name", computed=True, replaces=True),
        "groupName": Prop("GroupName", required=True, replaces=True),
        "scheduleExpression": Prop("ScheduleExpression", required=True),
        "scheduleExpressionTimezone": Prop("ScheduleExpressionTimezone", required=True),
        "flexibleTimeWindow": Prop(
            "FlexibleTimeWindow",
            "object",
            required=True,
            fields={"mode": Prop("Mode", required=True, choices=("OFF",))},
        ),
        "target": Prop("Target", "object", required=True, fields=_TARGET),
    },
    named="name",
    create="scheduler.create_schedule -> `null`",
    id="join('/', [groupName, name])",
    imports="{groupName}/{name}",
    read="""scheduler.get_schedule {GroupName: groupName, Name: name} -> {Name: Name, GroupName: GroupName, Arn: Arn,
        ScheduleExpression: ScheduleExpression, ScheduleExpressionTimezone: ScheduleExpressionTimezone,
        FlexibleTimeWindow: FlexibleTimeWindow, Target: Target}""",
    outputs="{arn: Arn}",
    settings={
        "scheduleExpression scheduleExpressionTimezone flexibleTimeWindow target": """scheduler.update_schedule
            {GroupName: groupName, Name: name, ScheduleExpression: scheduleExpression,
            ScheduleExpressionTimezone: scheduleExpressionTimezone,
            FlexibleTimeWindow: {Mode: flexibleTimeWindow.mode}, Target: {
                Arn: target.arn, RoleArn: target.roleArn, Input: target.input, RetryPolicy: {
                    MaximumEventAgeInSeconds: target.retryPolicy.maximumEventAgeInSeconds,
                    MaximumRetryAttempts: target.retryPolicy.maximumRetryAttempts}}}"""
    },
    delete="scheduler.delete_schedule {GroupName: groupName, Name: name}",
)

_CREATE_RULE = {
    "interval": Prop(kind="number", read="Interval", required=True),
    "intervalUnit": Prop(read="IntervalUnit", computed=True),
    "times": Prop(read="Times[0]", computed=True),
}
_DAILY = {
    "name": Prop(read="Name", required=True),
    "createRule": Prop(kind="object", read="CreateRule", required=True, fields=_CREATE_RULE),
    "retainRule": Prop(
        kind="object",
        read="RetainRule",
        required=True,
        fields={"count": Prop(kind="number", read="Count", required=True)},
    ),
    "copyTags": Prop(kind="flag", read="CopyTags", computed=True, replaces=True),
    "tagsToAdd": Prop(kind="map", read="tags(TagsToAdd)"),
}
_DETAILS = """PolicyDetails: {ResourceTypes: policyDetails.resourceTypes, TargetTags: pairs(policyDetails.targetTags),
    Schedules: policyDetails.schedules[].{Name: name, CopyTags: copyTags, TagsToAdd: pairs(tagsToAdd),
        CreateRule: {Interval: createRule.interval, IntervalUnit: createRule.intervalUnit || 'HOURS',
            Times: [createRule.times]}, RetainRule: {Count: retainRule.count}}}"""
LIFECYCLE_POLICY = ResourceType(
    type="aws:dlm/lifecyclePolicy:LifecyclePolicy",
    props={
        "description": Prop("Description", required=True),
        "executionRoleArn": Prop("ExecutionRoleArn", required=True),
        "state": Prop("State", required=True, choices=("ENABLED", "DISABLED")),
        "policyDetails": Prop(
            kind="object",
            read="PolicyDetails",
            required=True,
            fields={
                "resourceTypes": Prop(kind="list", read="ResourceTypes", required=True),
                "targetTags": Prop(kind="map", read="tags(TargetTags)", required=True),
                "schedules": Prop(kind="objects", read="Schedules", required=True, fields=_DAILY),
            },
        ),
        "tags": Prop(kind="map", read="Tags"),
    },
    create=f"dlm.create_lifecycle_policy {{{_DETAILS}}} -> PolicyId",
    read="dlm.get_lifecycle_policy {PolicyId: id} -> Policy",
    outputs="{arn: PolicyArn}",
    settings={
        "description executionRoleArn state policyDetails": f"""dlm.update_lifecycle_policy {{PolicyId: id,
            Description: description, ExecutionRoleArn: executionRoleArn, State: state, {_DETAILS}}}"""
    },
    tags=Tagging(
        create="{Tags: tags}",
        change=(
            Call(f"dlm.untag_resource {{ResourceArn: found.PolicyArn, TagKeys: {_GONE}}}", when=_GONE),
            Call("dlm.tag_resource {ResourceArn: found.PolicyArn, Tags: tags}", when="tags"),
        ),
    ),
    delete="dlm.delete_lifecycle_policy {PolicyId: id}",
)


# A budget is of an account, whose number the real provider puts in front of the name for the id.
_BUDGET = """{BudgetName: name, BudgetType: budgetType, BudgetLimit: {Amount: limitAmount, Unit: limitUnit},
    TimeUnit: timeUnit, CostFilters: tags(costFilters[].{Key: name, Value: values})}"""
_NOTIFICATION = """{NotificationType: notificationType, ComparisonOperator: comparisonOperator,
    Threshold: threshold, ThresholdType: thresholdType}"""
_SUBSCRIBERS = "subscriberEmailAddresses[].{SubscriptionType: 'EMAIL', Address: @}"


def _of(known: State) -> dict[str, str]:
    account, _, name = known["id"].partition(":")
    return {"AccountId": account, "BudgetName": name}


def _create_budget(cloud: Cloud, known: State) -> str:
    account = known.get("accountId") or cloud.account
    told = f"notifications[].{{Notification: {_NOTIFICATION}, Subscribers: {_SUBSCRIBERS}}}"
    cloud.ask(
        "budgets.create_budget",
        AccountId=account,
        Budget=search(_BUDGET, known),
        NotificationsWithSubscribers=search(told, known) or [],
        ResourceTags=search("pairs(tags)", known),
    )
    return f"{account}:{known['name']}"


def _read_budget(cloud: Cloud, known: State) -> dict[str, Any]:
    of = _of(known)
    listed = cloud.ask("budgets.describe_notifications_for_budget", **of).get("Notifications", [])
    for one in listed:
        asked = cloud.ask("budgets.describe_subscribers_for_notification", **of, Notification=one)
        one["Subscribers"] = [subscriber["Address"] for subscriber in asked["Subscribers"]]
    arn = f"arn:aws:budgets::{of['AccountId']}:budget/{of['BudgetName']}"
    tags = cloud.ask("budgets.list_tags_for_resource", ResourceARN=arn)["ResourceTags"]
    budget = cloud.ask("budgets.describe_budget", **of)["Budget"]
    return {**budget, "Arn": arn, "AccountId": of["AccountId"], "Tags": tags, "Notifications": listed}


def _change_notifications(cloud: Cloud, known: State) -> None:
    """All anew, as the real provider does it."""
    for one in known["found"]["Notifications"]:
        plain = {key: value for key, value in one.items() if key != "Subscribers"}
        cloud.ask("budgets.delete_notification", **_of(known), Notification=plain)
    for one in known.get("notifications") or ():
        cloud.ask(
            "budgets.create_notification",
            **_of(known),
            Notification=search(_NOTIFICATION, one),
            Subscribers=search(_SUBSCRIBERS, one),
        )


_NOTIFICATIONS = {
    "notificationType": Prop(read="NotificationType", required=True, choices=("ACTUAL", "FORECASTED")),
    "comparisonOperator": Prop(
        read="ComparisonOperator", required=True, choices=("GREATER_THAN", "LESS_THAN", "EQUAL_TO")
    ),
    "threshold": Prop(kind="number", read="Threshold", required=True),
    "thresholdType": Prop(read="ThresholdType", required=True, choices=("PERCENTAGE", "ABSOLUTE_VALUE")),
    "subscriberEmailAddresses": Prop(kind="list", read="Subscribers", required=True),
}
BUDGET = ResourceType(
    type="aws:budgets/budget:Budget",
    props={
        "accountId": Prop(read="AccountId", computed=True, replaces=True),
        "name": Prop(read="BudgetName", computed=True, replaces=True),
        "budgetType": Prop(read="BudgetType", required=True, choices=("COST",)),
        "limitAmount": Prop(read="BudgetLimit.Amount", required=True, same=same_number),
        "limitUnit": Prop(read="BudgetLimit.Unit", required=True),
        "timeUnit": Prop(read="TimeUnit", required=True, choices=("MONTHLY",)),
        "costFilters": Prop(
            kind="objects",
            read="pairs(CostFilters)",
            fields={
                "name": Prop(read="Key", required=True),
                "values": Prop(kind="list", read="Value", required=True),
            },
            computed=True,
        ),
        "notifications": Prop(kind="objects", read="Notifications", fields=_NOTIFICATIONS),
        "tags": TAGS,
    },
    named="name",
    create=_create_budget,
    read=_read_budget,
    outputs="{arn: Arn}",
    settings={
        "budgetType limitAmount limitUnit timeUnit costFilters": lambda cloud, known: cloud.ask(
            "budgets.update_budget", AccountId=_of(known)["AccountId"], NewBudget=search(_BUDGET, known)
        ),
        "notifications": _change_notifications,
    },
    tags=Tagging(
        create="",
        change=(
            Call(f"budgets.untag_resource {{ResourceARN: found.Arn, ResourceTagKeys: {_GONE}}}", when=_GONE),
            Call("budgets.tag_resource {ResourceARN: found.Arn, ResourceTags: pairs(tags)}", when="tags"),
        ),
    ),
    delete=lambda cloud, known: cloud.ask("budgets.delete_budget", **_of(known)),
)

TYPES = (SCHEDULE_GROUP, SCHEDULE, LIFECYCLE_POLICY, BUDGET)
