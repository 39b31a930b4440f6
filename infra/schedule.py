"""The schedule: EventBridge Scheduler starts and stops the server, with a role that may do no more.

Each schedule calls the API itself ("universal target"), so that nothing else has to run.
Source: AWS, EventBridge Scheduler User Guide, "Using universal targets" and "Cron-based schedules".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra import naming, rights
from workbench.settings import Schedule
from workbench.settings.schedule import Weekly

_CALLS = {"start": "startInstances", "stop": "stopInstances"}
# AWS's own default would try for a day: a stop that failed in the evening would come while people work
_RETRY_SECONDS = 3600
_RETRIES = 185  # AWS's own default


@dataclass(frozen=True)
class ScheduleArgs:
    """What is to happen, and to which server."""

    owner: naming.Owner
    events: Mapping[str, Weekly]  # as `events` gives them
    time_zone: str
    instance_id: pulumi.Input[str]
    instance_arn: pulumi.Output[str]


def events(schedule: Schedule | None) -> dict[str, Weekly]:
    """What AWS is to do, `start` and `stop`; a stop that spares who computes is the host's own affair."""
    if schedule is None:
        return {}
    wanted = {"start": schedule.starts(), "stop": None if schedule.spare_busy else schedule.stops()}
    return {name: weekly for name, weekly in wanted.items() if weekly is not None}


def cron(weekly: Weekly) -> str:
    """The expression of EventBridge Scheduler: minutes, hours, day of the month, month, day of the week, year."""
    days = ",".join(day.upper() for day in weekly.days)
    return f"cron({weekly.minute} {weekly.hour} ? * {days} *)"


def permissions(instance_arn: str) -> str:
    """The role's policy: start and stop that one server, and have EC2 decrypt its disks with a key of the account's."""
    allowed = {
        "Effect": "Allow",
        "Action": ["ec2:StartInstances", "ec2:StopInstances"],
        "Resource": [instance_arn],
    }
    return rights.document(allowed, rights.use_of_keys(instance_arn))


class ServerSchedule(pulumi.ComponentResource):
    """The group that holds the schedules (which themselves take no tags), the role, and a schedule for each event."""

    def __init__(self, name: str, args: ScheduleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("workbench:infra:ServerSchedule", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        named = naming.role_name(args.owner)
        group = aws.scheduler.ScheduleGroup(
            "schedule", name=named, tags=args.owner.tags("schedule"), opts=child
        )
        role = aws.iam.Role(
            "schedule-role",
            name=naming.role_name(args.owner, "schedule"),
            # the group stands for the schedules in it. Source: the same guide, "Confused deputy prevention"
            assume_role_policy=group.arn.apply(lambda arn: rights.trust("scheduler.amazonaws.com", arn, arn)),
            force_detach_policies=True,  # a run that was killed may have made one that no state knows
            tags=args.owner.tags("schedule-role"),
            opts=child,
        )
        policy = aws.iam.RolePolicy(
            "schedule-policy",
            name="schedule",
            role=role.name,
            policy=args.instance_arn.apply(permissions),
            opts=child,
        )
        for event, weekly in args.events.items():
            aws.scheduler.Schedule(
                event,
                name=event,
                group_name=named,
                schedule_expression=cron(weekly),
                schedule_expression_timezone=args.time_zone,
                flexible_time_window={"mode": "OFF"},
                target=_target(_CALLS[event], args.instance_id, role.arn),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[group, policy]),
            )
        self.register_outputs({})


def _target(call: str, instance_id: pulumi.Input[str], role_arn: pulumi.Output[str]) -> Any:
    return {
        "arn": role_arn.apply(
            lambda arn: f"arn:{rights.Arn.of(arn).partition}:scheduler:::aws-sdk:ec2:{call}"
        ),
        "role_arn": role_arn,
        "input": pulumi.Output.from_input(instance_id).apply(lambda id_: json.dumps({"InstanceIds": [id_]})),
        "retry_policy": {
            "maximum_event_age_in_seconds": _RETRY_SECONDS,
            "maximum_retry_attempts": _RETRIES,
        },
    }
