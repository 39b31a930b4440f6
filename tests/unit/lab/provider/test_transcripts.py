"""The real engine's own requests, in its own order, against this provider: transcripts 01 to 17 as one story.

The recorder that answered the engine made up its ids; they are translated to ours, and where the engine repeats what
the recorder had answered (olds, properties), it gets back what we answered. Its own verdicts hold for us too, but
for one: it took another instance for an Elastic IP's association as a change in place, which AWS does not.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab import seed
from lab.provider.catalogue import TYPES
from tests.unit.lab.provider.client import UNKNOWN, Client, Made
from tests.unit.lab.provider.world import PUBLIC_KEY

TRANSCRIPTS = Path(__file__).parents[2] / "transcripts"
STEPS = sorted(path.stem for path in TRANSCRIPTS.glob("*.jsonl"))

REPLACED_BY_AWS = "EipAssociation"


@dataclass
class Story:
    """The engine's state, and how the recorder's made-up values are called with us."""

    client: Client
    aws: Callable[[str], Any]
    names: dict[str, str]
    made: dict[str, Made] = field(default_factory=dict)
    checked: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)

    def ours(self, value: Any) -> Any:
        """A recorded value with our ids."""
        if isinstance(value, dict):
            return {key: self.ours(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.ours(item) for item in value]
        return self.names.get(value, value) if isinstance(value, str) else value

    def learn(self, recorded: dict[str, Any], made: Made) -> None:
        """Remember how what the recorder answered is called with us."""
        self.names[recorded["id"]] = made.id
        for key, value in recorded["properties"].items():
            if isinstance(value, str) and key in ("publicIp", "allocationId"):
                self.names[value] = made.outputs[key]

    def replay(self, step: str) -> None:
        """Every request of a step; what was asked about which resource is in `seen`."""
        self.seen, self.checked = [], {}
        for line in (TRANSCRIPTS / f"{step}.jsonl").read_text().splitlines():
            call = json.loads(line)
            if call["request"].get("olds"):
                # Unknown to the engine only because the recorder gave the key pair no name; we did.
                call["request"].get("news", {}).pop("keyName", None)
            handler = getattr(self, "on_" + call["method"].lower(), None)
            if handler:
                handler(call["request"], call["response"])
            name = call["request"].get("urn", call["request"].get("tok", "")).rpartition("::")[2]
            self.seen.append((call["method"], name))

    @staticmethod
    def who(request: dict[str, Any]) -> tuple[str, str, str]:
        """URN, kind and name."""
        urn = request["urn"]
        kind, _, name = (
            urn.rpartition(":")[0].rpartition(":")[0].rpartition(":")[2],
            "",
            urn.rpartition("::")[2],
        )
        return urn, kind, name

    # ---- the calls

    def on_invoke(self, request: dict[str, Any], response: dict[str, Any]) -> None:
        answer = self.client.invoke(request["tok"], **request["args"])
        for key, value in response["return"].items():
            if key != "id":
                assert answer[key] == self.ours(value)

    def on_check(self, request: dict[str, Any], response: dict[str, Any]) -> None:
        urn, kind, name = self.who(request)
        if not kind or kind == "providers":
            return
        olds = self.made[urn].inputs if request["olds"] and urn in self.made else {}
        news = self.ours(request["news"])
        inputs = self.client.check(kind, name, news, olds)
        assert {key: inputs[key] for key in news} == news
        self.checked[urn] = inputs

    def on_create(self, request: dict[str, Any], response: dict[str, Any]) -> None:
        urn, kind, name = self.who(request)
        inputs = self.ours(request["properties"])
        if request.get("preview"):
            planned = self.client.preview(kind, name, inputs)
            assert {key: planned[key] for key in inputs} == inputs or kind == "Instance"
            outputs = next(known.told for token, known in TYPES.items() if token.endswith(f":{kind}"))
            assert {planned[key] for key in outputs} <= {UNKNOWN}
            return
        made = self.client.create(kind, name, **self.checked[urn])
        assert made.id
        assert set(response["properties"]) <= set(made.outputs)
        self.made[urn] = made
        self.learn(response, made)

    def on_diff(self, request: dict[str, Any], response: dict[str, Any]) -> None:
        urn, kind, _ = self.who(request)
        if urn not in self.made:  # what we found gone, and the recorder did not
            return
        made = self.made[urn]
        if kind == "Record" and made.outputs["records"] != self.ours(request["news"]["records"]):
            # The recorder's second address was the same as its first: ours is not, and the record follows.
            assert self.client.diff_checked(made, self.checked[urn]).diffs == ["records"]
            self.made[urn] = self.client.update(made, self.checked[urn])
            return
        wanted = {**made.inputs, **self.checked.get(urn, {}), **self.ours(request["news"])}
        verdict = self.client.diff_checked(made, wanted, tuple(request.get("ignoreChanges", ())))
        recorded = [key for key in response.get("diffs", []) if key != "keyName"]
        assert verdict.diffs == recorded, urn
        assert verdict.replaces == (recorded if kind == REPLACED_BY_AWS else response.get("replaces", [])), (
            urn
        )

    def on_update(self, request: dict[str, Any], response: dict[str, Any]) -> None:
        urn, kind, name = self.who(request)
        if request.get("preview"):
            planned = self.client.update(self.made[urn], self.checked[urn], preview=True)
            assert self.ours(request["news"]).items() <= {**planned.outputs, **planned.inputs}.items()
        elif kind == REPLACED_BY_AWS:
            if urn in self.made:
                self.client.delete(self.made[urn])
            self.made[urn] = self.client.create(kind, name, **self.checked[urn])
            self.names[request["id"]] = self.made[urn].id
        else:
            made = self.client.update(self.made[urn], self.checked[urn])
            for key, value in self.ours(request["news"]).items():
                assert made.outputs[key] == value or isinstance(value, dict)
            self.made[urn] = made

    def on_read(self, request: dict[str, Any], response: dict[str, Any]) -> None:
        urn, kind, name = self.who(request)
        if "properties" not in request:
            found = self.client.import_(kind, name, self.ours(request["id"]))
            assert found is not None
            assert response["inputs"].items() <= found.inputs.items()
            self.made[urn] = found
            return
        found = self.client.read(self.made[urn])
        if found is None:
            del self.made[urn]
            return
        assert found.inputs == {**self.made[urn].inputs, **self._recorded_inputs(urn, response)}
        self.made[urn] = found

    def _recorded_inputs(self, urn: str, response: dict[str, Any]) -> dict[str, Any]:
        """What the recorder said, where it differs from what it was asked with: the drift that it played."""
        recorded = self.ours(response["inputs"])
        return {key: value for key, value in recorded.items() if key in self.made[urn].inputs}

    def on_delete(self, request: dict[str, Any], response: dict[str, Any]) -> None:
        urn, _, _ = self.who(request)
        made = self.made.pop(urn)
        self.client.delete(made)
        assert self.client.read(made) is None

    def resource(self, name: str, kind: str) -> Made:
        return next(made for urn, made in self.made.items() if urn.endswith(f":{kind}::{name}"))


# ---- what happened outside of the engine before a step


def drift(story: Story) -> None:
    ec2, instance = story.aws("ec2"), story.resource("server", "Instance").id
    ec2.stop_instances(InstanceIds=[instance])
    ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": "t3.nano"})
    ec2.start_instances(InstanceIds=[instance])


def address_goes(story: Story) -> None:
    ec2 = story.aws("ec2")
    ec2.disassociate_address(AssociationId=story.resource("address", "EipAssociation").id)
    ec2.release_address(AllocationId=story.resource("address", "Eip").id)


def volume_is_there(story: Story) -> None:
    story.names["vol-0042"] = story.aws("ec2").create_volume(
        AvailabilityZone="eu-west-1a", Size=50, VolumeType="gp3", Encrypted=True
    )["VolumeId"]


BEFORE = {"09-refresh-drift": drift, "11-refresh-gone": address_goes, "17-up-adopt": volume_is_there}


@pytest.fixture(scope="module")
def told(client: Client, aws: Callable[[str], Any]) -> Iterator[dict[str, Story]]:
    """The whole story told once: by step, the story as it was after it."""
    zone = client.create("Zone", "zone", name="example.org", comment="c")
    image = seed.image_id("amd64")
    story = Story(client, aws, {"ssh-ed25519 AAAA test": PUBLIC_KEY, "Z123": zone.id, "ami-0abc": image})
    after = {}
    for step in STEPS:
        BEFORE.get(step, lambda story: None)(story)
        story.replay(step)
        after[step] = Story(client, aws, dict(story.names), dict(story.made), {}, list(story.seen))
    yield after
    client.delete(story.resource("a", "Record"))
    client.delete(zone)


def kinds(story: Story) -> list[str]:
    return sorted(made.kind for made in story.made.values())


EVERYTHING = [
    "Eip", "EipAssociation", "Instance", "KeyPair", "Record", "SecurityGroup", "SecurityGroupIngressRule", "Subnet",
    "Volume", "VolumeAttachment", "Vpc",
]  # fmt: skip


def test_all_seventeen_transcripts_are_replayed_with_the_engines_verdicts(told: dict[str, Story]) -> None:
    assert len(told) == 17
    assert sum(len(story.seen) for story in told.values()) == 503


def test_up_makes_all_eleven_resources(told: dict[str, Story]) -> None:
    assert kinds(told["02-up"]) == EVERYTHING


def test_the_address_of_the_record_is_the_one_that_was_given_out(told: dict[str, Story]) -> None:
    story = told["02-up"]
    assert story.resource("a", "Record").outputs["records"] == [
        story.resource("address", "Eip").outputs["publicIp"]
    ]


def test_a_bigger_type_is_the_same_instance(told: dict[str, Story]) -> None:
    before, after = (
        told["02-up"].resource("server", "Instance"),
        told["05-up-resize"].resource("server", "Instance"),
    )
    assert (before.id, before.outputs["instanceType"]) == (after.id, "t3.small")
    assert after.outputs["instanceType"] == "m6i.xlarge"


def test_a_bigger_volume_is_the_same_volume(told: dict[str, Story]) -> None:
    before, after = told["02-up"].resource("data", "Volume"), told["06-up-grow"].resource("data", "Volume")
    assert (before.id, before.outputs["size"], after.outputs["size"]) == (after.id, 50, 80)


def test_another_subnet_makes_another_server_with_the_same_volume(told: dict[str, Story]) -> None:
    before, after = told["06-up-grow"], told["08-up-replace"]
    assert before.resource("server", "Instance").id != after.resource("server", "Instance").id
    assert before.resource("data", "Volume").id == after.resource("data", "Volume").id
    attached = after.resource("data", "VolumeAttachment").outputs
    assert attached["instanceId"] == after.resource("server", "Instance").id


def test_a_refresh_finds_the_type_that_was_changed_outside_and_up_puts_it_right(
    told: dict[str, Story],
) -> None:
    assert told["09-refresh-drift"].resource("server", "Instance").inputs["instanceType"] == "t3.nano"
    assert told["10-up-after-drift"].resource("server", "Instance").outputs["instanceType"] == "m6i.xlarge"


def test_a_refresh_finds_the_address_gone_and_up_makes_another(told: dict[str, Story]) -> None:
    assert set(EVERYTHING) - set(kinds(told["11-refresh-gone"])) == {"Eip", "EipAssociation"}
    assert kinds(told["12-up-after-gone"]) == EVERYTHING


def test_destroy_refused_half_way_leaves_what_was_protected_and_what_is_retained(
    told: dict[str, Story],
) -> None:
    assert kinds(told["14-destroy-refused"]) == ["Eip", "Volume"]


def test_an_import_takes_the_volume_that_is_there(told: dict[str, Story]) -> None:
    story = told["17-up-adopt"]
    assert story.resource("data", "Volume").id == story.names["vol-0042"]
    assert kinds(story) == EVERYTHING
