"""What the engine would do, in people's words."""

import re
from typing import Any

import pytest

from cli import words
from cli.progress import Progress, Step
from workbench import stack as stacks

SERVER, VOLUME, EIP = words.SERVER, words.VOLUME, words.ADDRESS
DISK = {"volumeSize": 30.0}


def step(op: str, kind: str, name: str = "thing", **more: Any) -> Step:
    told: dict[str, Any] = {"id": "", "old": {}, "new": {}, "changed": (), "kept": False, **more}
    return Step(op=op, urn=f"urn:pulumi:dev::workbench::{kind}::{name}", kind=kind, **told)


def told(*steps: Step, retained: tuple[str, ...] = ()) -> words.Sentences:
    return words.sentences(words.changes(steps, retained))


def test_another_size_stops_the_server_and_says_what_it_becomes() -> None:
    found = told(
        step(
            "update",
            SERVER,
            old={"instanceType": "t3.medium", "rootBlockDevice": DISK},
            new={"instanceType": "m6i.large", "rootBlockDevice": DISK},
            changed=("instanceType",),
        )
    )
    assert found.said == [
        "The server is stopped, becomes m6i.large (2 CPUs, 8 GiB of memory) instead of t3.medium, and is started "
        "again."
    ]
    assert (found.stops, found.replaces, found.size) == (True, False, "m6i.large")


def test_what_is_changed_in_place_stops_nobody() -> None:
    found = told(
        step(
            "update",
            SERVER,
            old={"rootBlockDevice": DISK},
            new={"rootBlockDevice": {"volumeSize": 40.0}},
            changed=("rootBlockDevice.volumeSize", "tags.Name", "tags.Stack"),
        )
    )
    assert found.said == ["Its root disk grows from 30 to 40 GiB.", "Of the server changes, in place: tags."]
    assert not found.stops


def test_a_replacement_is_one_thing_whatever_its_steps() -> None:
    old, new = {"instanceType": "t3.medium"}, {"instanceType": "t3.large"}
    found = told(
        step("delete-replaced", SERVER, id="i-1", old=old),
        step("replace", SERVER, id="i-1", old=old, new=new),
        step("create-replacement", SERVER, id="i-1", old=old, new=new),
    )
    assert found.said == [
        "The server i-1 (t3.medium) is ended, its root disk with it, and another is made: t3.large (2 CPUs, 8 GiB of "
        "memory)."
    ]
    assert found.stops
    assert found.replaces


def test_the_data_volume_is_called_deleted_only_where_it_is() -> None:
    gone = step("delete", VOLUME, "data", id="vol-1")
    assert told(gone, retained=(gone.urn,)).said == [
        "The data volume vol-1 stays in AWS with all that is on it; the stack's state lets go of it."
    ]
    assert told(gone).said == ["THE DATA VOLUME vol-1 IS DELETED, WITH ALL THAT IS ON IT."]


def test_a_volume_that_grows_is_named_for_what_aws_has_to_say_of_it() -> None:
    found = told(step("update", VOLUME, id="vol-1", old={"size": 4.0}, new={"size": 6.0}, changed=("size",)))
    assert found.said == ["The data volume grows from 4 to 6 GiB, while it is in use."]
    assert found.grows == ["vol-1"]


def test_a_whole_stack_is_a_handful_of_sentences() -> None:
    rules = [
        step("create", words.RULE, f"r{port}", new={"fromPort": float(port), "cidrIpv4": "0.0.0.0/0"})
        for port in (80, 443)
    ]
    rest = [
        step("create", "aws:ec2/vpc:Vpc"),
        step("create", "aws:ec2/subnet:Subnet"),
        step("create", "aws:iam/role:Role"),
    ]
    found = told(
        step("create", SERVER, new={"instanceType": "x9.huge", "rootBlockDevice": DISK}),
        step("create", VOLUME, new={"size": 50}),
        step("create", EIP),
        step("create", words.RECORD, new={"name": "bench.example.org", "type": "A"}),
        *rules,
        *rest,
        step("create", words.CONFIGURATION),
        step("create", "pulumi:providers:aws", "default"),
        step("same", "aws:ec2/keyPair:KeyPair"),
    )
    assert found.said == [
        "A server is made: x9.huge, with a root disk of 30 GiB.",
        "A data volume of 50 GiB is made, encrypted.",
        "A public IPv4 address is rented.",
        "The name bench.example.org is led to the server's address.",
        "The firewall opens port 443 to 0.0.0.0/0; port 80 to 0.0.0.0/0.",
        "The host is configured; of its services those restart whose configuration changes.",
        "Made: network, role (3 resources).",
    ]
    assert not found.stops


@pytest.mark.parametrize("kind", ["aws:sns/topic:Topic", "aws:sqs/queue:Queue"])
def test_what_has_no_sentence_of_its_own_is_named_all_the_same(kind: str) -> None:
    assert told(step("delete", kind, "night")).said == [
        f"Removed: {kind.rpartition(':')[2]} night (1 resource)."
    ]


def test_a_step_of_the_engines_is_read_from_its_event() -> None:
    progress = Progress(quiet=True)
    metadata = {
        "op": "update",
        "urn": "urn:pulumi:dev::workbench::aws:ec2/instance:Instance::server",
        "type": SERVER,
        "old": {"id": "i-1", "inputs": {"instanceType": "t3.medium"}},
        "new": {"inputs": {"instanceType": "t3.large"}},
        "diffs": ["instanceType"],
    }
    progress.take({"resourcePreEvent": {"metadata": metadata}})
    (found,) = progress.steps
    assert (found.name, found.id, found.changed) == ("server", "i-1", ("instanceType",))
    assert told(found).size == "t3.large"


SCHEDULE, BUDGET = "aws:scheduler/schedule:Schedule", "aws:budgets/budget:Budget"
POLICY = "aws:dlm/lifecyclePolicy:LifecyclePolicy"


def test_what_aws_does_by_itself_is_said_in_peoples_words() -> None:
    made = told(
        step("create", "aws:scheduler/scheduleGroup:ScheduleGroup", "schedule"),
        step("create", "aws:iam/role:Role", "schedule-role"),
        step("create", "aws:iam/rolePolicy:RolePolicy", "schedule-policy"),
        step("create", "aws:iam/rolePolicyAttachment:RolePolicyAttachment", "backups-rights"),
        *(step("create", SCHEDULE, name) for name in ("start", "stop")),
        step("create", POLICY, "backups"),
        step("create", BUDGET, "budget"),
    )
    assert made.said == [
        "AWS starts the server by itself, at the times of workbench:schedule.",
        "AWS stops the server by itself, at the times of workbench:schedule.",
        "AWS makes a snapshot of the data volume each day.",
        "AWS sends mails before a month costs more than workbench:budget says.",
        "Made: schedule, role (4 resources).",
    ]
    gone = told(*(step("delete", kind, "stop") for kind in (SCHEDULE, POLICY, BUDGET)))
    assert [sentence.split(".")[0] for sentence in gone.said] == [
        "AWS does not stop the server by itself any more",
        "No daily snapshots are made any more; those that are there stay, until somebody deletes them",
        "AWS watches no budget any more",
    ]
    assert told(step("update", SCHEDULE, "start")).said == [
        "AWS starts the server by itself at another time."
    ]


def test_all_that_the_program_makes_of_aws_has_a_word() -> None:
    """By what infra names of the provider, a kind each; data sources and arguments are none."""
    kinds = set()
    for file in (stacks.ROOT / "infra").glob("*.py"):
        for service, kind in re.findall(r"\baws\.(\w+)\.([A-Z]\w+)\(", file.read_text()):
            if not kind.startswith("Get"):
                kinds.add(f"aws:{service}/{kind[0].lower()}{kind[1:]}:{kind}")
    assert len(kinds) > 20
    assert kinds - words.KNOWN == set()
