"""What AWS does by itself at its time, by the lab's clock: schedules fire, lifecycle policies make snapshots.

A stand-in for what is behind EventBridge Scheduler and Data Lifecycle Manager. It calls the lab's own API, as their
roles allow. What fails is noted, and not tried again. While the lab is stopped nothing is due.
"""

import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from lab import expressions, roles
from lab.lifecycle import Policy
from lab.memory import Memory
from lab.roles import Deed
from lab.rules.common import Refusal
from lab.seed import ACCOUNT, REGION

SCHEDULER, LIFECYCLE = "scheduler.amazonaws.com", "dlm.amazonaws.com"
_REMEMBERED = 100
_AHEAD = timedelta(days=8)  # how far to look for what comes next
_CALLS = {"startInstances": "StartInstances", "stopInstances": "StopInstances"}

log = logging.getLogger(__name__)

Ask = Callable[[str, Mapping[str, str]], None]
"""Makes a call of EC2 by its action and parameters. Raises Refusal."""


@dataclass(frozen=True)
class Event:
    """Something that is due: when, what it is called, and what is done then, which gives a sentence."""

    when: datetime
    what: str
    do: Callable[[], str]


@dataclass(frozen=True)
class Done:
    """What was done, or why it was not."""

    when: str
    what: str
    outcome: str
    failed: bool


class Upkeep:
    """Looks at the clock, and does what is due."""

    def __init__(self, memory: Memory, ask: Ask, lock: threading.RLock) -> None:
        """`lock` is the API's: each event sees and leaves a whole world, as a call does."""
        self._memory = memory
        self._ask = ask
        self._lock = lock
        self._seen = memory.clock.now()
        self._done: deque[Done] = deque(maxlen=_REMEMBERED)

    def tick(self) -> list[Done]:
        """Does what came due since the last time."""
        with self._lock:
            return self._catch_up(self._memory.clock.now())

    def move(self, to: datetime) -> list[Done]:
        """Moves the clock; what is between then and now is done in its order. Backwards nothing is."""
        with self._lock:
            done = self._catch_up(to)
            self._memory.clock.move(to)
            self._memory.save()
            self._seen = to
            return done

    def describe(self) -> dict[str, Any]:
        """The time, what comes next, and what was done."""
        with self._lock:
            now = self._memory.clock.now()
            coming = sorted(self._events(now, now + _AHEAD), key=lambda event: event.when)
            return {
                "now": now.isoformat(timespec="seconds"),
                "next": [{"when": event.when.isoformat(), "what": event.what} for event in coming[:5]],
                "done": [asdict(one) for one in self._done],
            }

    def _catch_up(self, now: datetime) -> list[Done]:
        events = sorted(self._events(self._seen, now), key=lambda event: event.when)
        self._seen = max(self._seen, now)
        done = [self._fire(event) for event in events]
        self._done.extend(done)
        return done

    def _fire(self, event: Event) -> Done:
        try:
            outcome, failed = event.do(), False
        except Refusal as refusal:
            outcome, failed = str(refusal), True
        log.info("%s, due at %s: %s", event.what, event.when.isoformat(), outcome)
        return Done(event.when.isoformat(), event.what, outcome, failed)

    def _events(self, after: datetime, until: datetime) -> Iterator[Event]:
        for group in self._memory.scheduler.schedule_groups.values():
            for one in group.schedules.values():
                if one.state == "ENABLED":
                    call = partial(self._call, one, group.arn)
                    for when in _due(one.schedule_expression, one.schedule_expression_timezone, after, until):
                        yield Event(when, f"schedule {group.name}/{one.name}", call)
        for policy in self._memory.lifecycle.policies.values():
            if policy["State"] == "ENABLED":
                for schedule in policy["PolicyDetails"]["Schedules"]:
                    for when in _due(_hourly(schedule["CreateRule"]), "UTC", after, until):
                        make = partial(self._snapshots, policy["PolicyId"], schedule, when)
                        yield Event(when, f"lifecycle policy {policy['PolicyId']}", make)

    # Schedules

    def _call(self, schedule: Any, group_arn: str) -> str:
        target = schedule.target
        action = _CALLS.get(target["Arn"].removeprefix("arn:aws:scheduler:::aws-sdk:ec2:"))
        if action is None:
            raise Refusal("ValidationException", f"The lab's schedules cannot call {target['Arn']}.")
        instances = json.loads(target["Input"])["InstanceIds"]
        for instance in instances:
            resource = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{instance}"
            deed = Deed(SCHEDULER, group_arn, f"ec2:{action}", resource)
            roles.require(self._memory.iam, target["RoleArn"], deed)
        self._ask(action, {f"InstanceId.{index}": one for index, one in enumerate(instances, 1)})
        return f"{action} {', '.join(instances)}"

    # Lifecycle policies

    def _snapshots(self, policy_id: str, schedule: Mapping[str, Any], when: datetime) -> str:
        """A snapshot of each volume with the tags; then those that are too many go, the oldest first."""
        policy = self._memory.lifecycle.policies.get(policy_id)
        if policy is None:
            raise Refusal("ResourceNotFoundException", "the policy was deleted meanwhile")
        try:
            made = [self._snapshot(policy, schedule, volume, when) for volume in self._volumes(policy)]
            gone = self._thin_out(policy, schedule["RetainRule"]["Count"])
        except Refusal as refusal:
            # by its id: a call that fails has the memory go back to what it was
            self._memory.lifecycle.policies[policy_id].update(State="ERROR", StatusMessage=refusal.message)
            self._memory.save()
            raise
        self._memory.save()
        return f"made {', '.join(made) or 'nothing'}, deleted {', '.join(gone) or 'nothing'}"

    def _volumes(self, policy: Policy) -> list[str]:
        wanted = {tag["Key"]: tag["Value"] for tag in policy["PolicyDetails"]["TargetTags"]}
        return [
            volume.id
            for volume in self._memory.ec2.volumes.values()
            if wanted.items() <= {tag["key"]: tag["value"] for tag in volume.get_tags()}.items()
        ]

    def _snapshot(self, policy: Policy, schedule: Mapping[str, Any], volume: str, when: datetime) -> str:
        self._require(policy, "ec2:CreateSnapshot", f"arn:aws:ec2:{REGION}:{ACCOUNT}:volume/{volume}")
        self._require(policy, "ec2:CreateTags", f"arn:aws:ec2:{REGION}::snapshot/*")
        tags = [*schedule.get("TagsToAdd", ()), {"Key": "dlm:managed", "Value": "true"}]
        asked = {
            "VolumeId": volume,
            "Description": f"Created for policy: {policy['PolicyId']} schedule: daily",
        }
        asked["TagSpecification.1.ResourceType"] = "snapshot"
        for index, tag in enumerate(tags, 1):
            asked |= {f"TagSpecification.1.Tag.{index}.{key}": value for key, value in tag.items()}
        before = set(self._memory.ec2.snapshots)
        self._ask("CreateSnapshot", asked)
        (made,) = set(self._memory.ec2.snapshots) - before
        # moto wrote this machine's time; it keeps times without their zone
        self._memory.ec2.snapshots[made].start_time = when.astimezone(UTC).replace(tzinfo=None)
        self._memory.lifecycle.made[policy["PolicyId"]].append(made)
        return str(made)

    def _thin_out(self, policy: Policy, keep: int) -> list[str]:
        made = self._memory.lifecycle.made[policy["PolicyId"]]
        there = [snapshot for snapshot in made if snapshot in self._memory.ec2.snapshots]
        gone = there[:-keep]
        for snapshot in gone:
            self._require(policy, "ec2:DeleteSnapshot", f"arn:aws:ec2:{REGION}::snapshot/{snapshot}")
            self._ask("DeleteSnapshot", {"SnapshotId": snapshot})
        self._memory.lifecycle.made[policy["PolicyId"]] = [one for one in there if one not in gone]
        return gone

    def _require(self, policy: Policy, action: str, resource: str) -> None:
        roles.require(
            self._memory.iam,
            policy["ExecutionRoleArn"],
            Deed(LIFECYCLE, policy["PolicyArn"], action, resource),
        )


def _hourly(rule: Mapping[str, Any]) -> str:
    """A create rule as an expression: each so many hours from its time on, the first of each day at that time."""
    hour, _, minute = rule["Times"][0].partition(":")
    every = int(rule["Interval"])
    hours = sorted((int(hour) + step) % 24 for step in range(0, 24, every))
    return f"cron({int(minute)} {','.join(map(str, hours))} * * ? *)"


def _due(expression: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    try:
        return expressions.due(expression, zone, after, until)
    except ValueError as problem:
        log.warning("%s", problem)
        return []
