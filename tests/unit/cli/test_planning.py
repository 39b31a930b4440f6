"""From what the engine would do, and what AWS has, to the plan. AWS is moto in this process."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli import address, baking, cloud, engine, planning, words
from cli.progress import Progress, Step
from tests.unit.cli import paid
from workbench import prices, servers
from workbench.outputs import Outputs


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with paid.account(monkeypatch) as client:
        yield client


@pytest.fixture
def made(ec2: Any) -> tuple[Outputs, dict[str, Any]]:
    return paid.make(ec2)


def grows(facts: Outputs) -> Progress:
    sizes = [{"size": gib, "type": "gp3"} for gib in (50.0, 60.0)]
    return Progress(steps=[Step("update", "v", words.VOLUME, facts.volume_id, *sizes, ("size",), False)])


def test_a_volume_that_grows_costs_more_and_stops_nobody(made: tuple[Outputs, dict[str, Any]]) -> None:
    facts, exported = made
    plan = planning.of_steps("prod", exported, grows(facts))
    assert plan.happens == ["The data volume grows from 50 to 60 GiB, while it is in use."]
    assert plan.server is None
    assert prices.total(plan.after).usd - prices.total(plan.before).usd == pytest.approx(0.8)


def test_a_server_that_becomes_larger_costs_its_new_type_and_the_same_disks(
    made: tuple[Outputs, dict[str, Any]],
) -> None:
    facts, exported = made
    sizes = [{"instanceType": size} for size in ("t3.medium", "m6i.large")]
    step = Step("update", "s", words.SERVER, facts.instance_id, *sizes, ("instanceType",), False)
    plan = planning.of_steps("prod", exported, Progress(steps=[step]))
    more = (0.096 - 0.0416) * 730
    assert prices.total(plan.after).usd - prices.total(plan.before).usd == pytest.approx(more)


@pytest.mark.parametrize("hours", [1, 5, 7])
def test_a_second_change_within_six_hours_says_when_it_will_be_possible(
    ec2: Any, made: tuple[Outputs, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    facts, exported = made
    last = datetime.now(UTC) - timedelta(hours=hours)

    class Aws:
        def describe_volumes_modifications(self, VolumeIds: list[str]) -> dict[str, Any]:
            assert VolumeIds == [facts.volume_id]
            earlier = {"StartTime": last - timedelta(days=1), "ModificationState": "completed"}
            return {"VolumesModifications": [earlier, {"StartTime": last, "ModificationState": "optimizing"}]}

    asked = cloud.client
    monkeypatch.setattr(
        cloud, "next_change", lambda name, volume: _next(asked, monkeypatch, Aws(), name, volume)
    )
    said = " ".join(planning.of_steps("prod", exported, grows(facts)).happens)
    when = f"{last + timedelta(hours=6):%Y-%m-%d %H:%M} UTC"
    assert (f"not before {when}" in said) == (hours < 6)


NEXT_CHANGE = cloud.next_change


def _next(asked: Any, monkeypatch: pytest.MonkeyPatch, aws: Any, name: str, volume: str) -> datetime | None:
    """The real function, with another AWS for that one question."""
    with monkeypatch.context() as patch:
        patch.setattr(cloud, "client", lambda service, access, region=None: aws)
        return NEXT_CHANGE(name, volume)


def test_a_volume_that_was_never_changed_can_be_changed(
    ec2: Any, made: tuple[Outputs, dict[str, Any]]
) -> None:
    assert cloud.next_change("prod", made[0].volume_id) is None


def test_a_new_stack_costs_what_is_made(ec2: Any) -> None:
    disk = {"instanceType": "t3.large", "rootBlockDevice": {"volumeSize": 30}}
    steps = [
        Step("create", "s", words.SERVER, "", {}, disk, (), False),
        Step("create", "v", words.VOLUME, "", {}, {"size": 50}, (), False),
        Step("create", "a", words.ADDRESS, "", {}, {}, (), False),
    ]
    plan = planning.of_steps("prod", {}, Progress(steps=steps))
    assert prices.total(plan.before).usd == 0
    assert prices.total(plan.after).usd == pytest.approx(60.736 + 2.4 + 4 + 3.65)
    assert (plan.server, plan.down, plan.kept) == (None, "", "")


def test_what_was_warned_of_is_told_first_and_nothing_is_nothing(
    made: tuple[Outputs, dict[str, Any]],
) -> None:
    same = Step("same", "s", words.SERVER, "i-1", {}, {}, (), False)
    assert planning.of_steps("prod", made[1], Progress(steps=[same])).happens == []
    warned = Progress(steps=[same], warnings=["AWS has 2 things."])
    assert planning.of_steps("prod", made[1], warned).happens == ["Warning: AWS has 2 things."]


def test_a_server_that_is_stopped_is_said_to_be_started(
    ec2: Any, made: tuple[Outputs, dict[str, Any]]
) -> None:
    facts, exported = made
    ec2.stop_instances(InstanceIds=[facts.instance_id])
    assert planning.of_steps("prod", exported, Progress()).happens == [
        f"The server {facts.instance_id}, which is stopped, is started."
    ]


@pytest.mark.parametrize("keeps", [False, True])
def test_a_destroy_names_what_goes_and_what_stays_and_never_the_data(
    made: tuple[Outputs, dict[str, Any]], keeps: bool
) -> None:
    facts, exported = made
    plan = planning.of_destroy("prod", exported, keeps)
    said = " ".join(plan.happens)
    assert f"The server {facts.instance_id} (t3.medium) is ended" in said
    assert ("is given back" in said) == (not keeps)
    assert facts.volume_id not in said
    assert f"data volume {facts.volume_id}" in plan.kept
    assert ("the address" in plan.kept) == keeps
    assert prices.total(plan.after).usd == pytest.approx(7.65 if keeps else 4.0)
    assert plan.server == facts


def test_a_destroy_ends_the_server_from_before_a_rebuild_too_and_says_so(
    ec2: Any, made: tuple[Outputs, dict[str, Any]]
) -> None:
    ran = ec2.run_instances(
        ImageId=paid.IMAGE, InstanceType="t3.medium", MinCount=1, MaxCount=1,
        TagSpecifications=paid.tagged("instance", servers.FORMER),
    )  # fmt: skip
    former = ran["Instances"][0]["InstanceId"]
    said = planning.of_destroy("prod", made[1], False).happens
    assert f"The {servers.FORMER_NAME}, {former}, is ended too." in said


def test_a_destroy_says_what_aws_does_no_more(made: tuple[Outputs, dict[str, Any]]) -> None:
    kinds = {
        "stop": "aws:scheduler/schedule:Schedule",
        "backups": "aws:dlm/lifecyclePolicy:LifecyclePolicy",
        "budget": "aws:budgets/budget:Budget",
    }
    before = planning.of_destroy("prod", made[1], False).happens
    made[1]["deployment"]["resources"] += [
        {"urn": f"urn:pulumi:prod::workbench::{kind}::{name}", "type": kind, "id": name}
        for name, kind in kinds.items()
    ]
    told = [one for one in planning.of_destroy("prod", made[1], False).happens if one not in before]
    assert [sentence[:30] for sentence in told] == [
        "AWS does not stop the server b",
        "No daily snapshots are made an",
        "AWS watches no budget any more",
    ]


@pytest.mark.parametrize(("ttl", "long"), [(60, False), (86400, True)])
def test_a_name_is_said_to_lead_nowhere_and_a_long_memory_is_warned_of(
    made: tuple[Outputs, dict[str, Any]], ttl: int, long: bool
) -> None:
    record = {"name": "bench.example.org", "type": "A", "ttl": ttl}
    made[1]["deployment"]["resources"].append(
        {"urn": "r", "type": words.RECORD, "id": "r", "outputs": record}
    )
    said = " ".join(planning.of_destroy("prod", made[1], False).happens)
    assert (
        "The name bench.example.org leads nowhere until the next `workbench up`; what others remember" in said
    )
    assert f"forget within {ttl} s" in said
    assert ("set it to 60 in Route 53" in said) == long


def test_a_bake_is_in_the_plan_of_up_and_not_among_the_programs_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A rebuild shows these alone, and bakes nothing."""
    monkeypatch.setattr(address, "change_of_keeping", lambda *_: "")
    monkeypatch.setattr(engine, "run", lambda *_, **__: Progress(told=["The firewall changes."]))
    monkeypatch.setattr(baking, "announced", lambda name: ["Then an image is baked."])
    assert planning.previewed("prod", {}).happens == ["The firewall changes."]
    assert planning.of_up("prod", {}).happens == ["The firewall changes.", "Then an image is baked."]
