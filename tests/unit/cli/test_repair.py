"""What is settled of runs that died; AWS is moto in this process, and the engine a list of what it is asked."""

import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from cli import account, engine, locks, repair, statefile
from workbench import stack as stacks
from workbench.errors import WorkbenchError

STACK, ID, REGION = "prod", "0123456789ab", "eu-central-1"
VPC, VOLUME, KEY = "aws:ec2/vpc:Vpc", "aws:ebs/volume:Volume", "aws:ec2/keyPair:KeyPair"


@pytest.fixture
def ec2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setattr(stacks, "ROOT", tmp_path)
    monkeypatch.setattr(stacks, "aws_config", lambda stack: stacks.AwsConfig(REGION, None))
    monkeypatch.setattr(locks, "of", lambda stack: [])
    others = {
        "dlm",
        "budgets",
    }  # of which moto has nothing, or not enough: tests/unit/cli/test_account.py has the lab's
    monkeypatch.setattr(account, "KINDS", [kind for kind in account.KINDS if kind.service not in others])
    with mock_aws():
        yield boto3.client("ec2", region_name=REGION)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[str, ...], Any]]:
    """What the engine is asked, and what then stands in the file that it is to import."""
    calls: list[tuple[tuple[str, ...], Any]] = []

    def run(stack: str, *operation: str, program: bool) -> None:
        file = Path(operation[2]) if operation[0] == "import" else None
        calls.append((operation, json.loads(file.read_text()) if file else None))

    monkeypatch.setattr(engine, "run", run)
    return calls


def tags(role: str) -> dict[str, str]:
    return {"Project": "workbench", "Stack": STACK, "StackId": ID, "Role": role}


def tagged(kind: str, role: str) -> list[dict[str, Any]]:
    return [
        {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags(role).items()]}
    ]


def record(kind: str, name: str, role: str, **inputs: str) -> dict[str, Any]:
    """Of a resource that a run was about to create, as a pending operation has it."""
    parent = f"urn:pulumi:{STACK}::workbench::workbench:infra:Workbench::workbench"
    urn = f"urn:pulumi:{STACK}::workbench::workbench:infra:Workbench${kind}::{name}"
    return {"urn": urn, "type": kind, "parent": parent, "inputs": {**inputs, "tags": tags(role)}}


def state(monkeypatch: pytest.MonkeyPatch, *, known: list[str], creating: list[dict[str, Any]]) -> None:
    """A stack whose state knows things by their ids, and what a run was at that died."""
    deployment = {
        "resources": [{"type": "some", "id": id_} for id_ in known],
        "pending_operations": [{"type": "creating", "resource": one} for one in creating],
    }
    monkeypatch.setattr(statefile, "exported", lambda stack: {"deployment": deployment})


def make_volume(ec2: Any) -> str:
    made = ec2.create_volume(
        AvailabilityZone=f"{REGION}a", Size=50, TagSpecifications=tagged("volume", "data")
    )
    return str(made["VolumeId"])


def make_key(ec2: Any) -> None:
    ec2.create_key_pair(KeyName="key-1", TagSpecifications=tagged("key-pair", "key"))


def test_a_data_volume_is_taken_into_the_state_protected_so_that_a_destroy_leaves_it(
    ec2: Any, asked: list[tuple[tuple[str, ...], Any]]
) -> None:
    network = ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=tagged("vpc", "network"))["Vpc"][
        "VpcId"
    ]
    volume = make_volume(ec2)
    records = [record(VOLUME, "data", "data"), record(VPC, "vpc", "network")]
    repair.take_into_state(STACK, repair.Repaired({}, records))
    taken = {
        one["id"]: option for operation, file in asked for one in file["resources"] for option in operation
        if option.startswith("--protect")
    }  # fmt: skip
    assert taken == {network: "--protect=false", volume: "--protect=true"}
    assert not (stacks.state_folder(STACK) / "import.json").exists()


def test_what_the_state_has_by_now_is_not_taken_again(
    ec2: Any, asked: list[tuple[tuple[str, ...], Any]]
) -> None:
    exported = {"deployment": {"resources": [{"type": VOLUME, "id": make_volume(ec2)}]}}
    repair.take_into_state(STACK, repair.Repaired(exported, [record(VOLUME, "data", "data")]))
    assert asked == []


def test_what_was_noted_and_is_pending_still_is_one_thing(
    ec2: Any, asked: list[tuple[tuple[str, ...], Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a run that was killed between its note and the end of the refresh: twice, it could not be imported."""
    state(monkeypatch, known=[], creating=[record(VPC, "vpc", "network")])
    first = repair.repaired(STACK)
    assert repair.repaired(STACK).creating == first.creating == [record(VPC, "vpc", "network")]
    assert [operation[0] for operation, _ in asked] == ["refresh", "refresh"]


@pytest.mark.parametrize(("known", "left"), [([], []), (["key-1"], ["key-1"])])
def test_the_key_pair_of_a_dead_run_is_removed_unless_the_state_has_it_by_now(
    ec2: Any,
    asked: list[tuple[tuple[str, ...], Any]],
    known: list[str],
    left: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The note may be of a run that lived: it was another machine's, and what it was at has ended well."""
    make_key(ec2)
    state(monkeypatch, known=known, creating=[record(KEY, "key", "key", keyName="key-1")])
    repair.repaired(STACK)
    assert [pair["KeyName"] for pair in ec2.describe_key_pairs()["KeyPairs"]] == left


def test_what_a_living_run_is_at_is_not_taken_for_a_dead_ones(
    ec2: Any, asked: list[tuple[tuple[str, ...], Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    state(monkeypatch, known=[], creating=[record(KEY, "key", "key", keyName="key-1a2b3c4")])
    living = locks.Holder("ada", socket.gethostname(), os.getpid(), datetime.now(UTC))
    monkeypatch.setattr(locks, "of", lambda stack: [living])
    with pytest.raises(WorkbenchError, match=f"locked by another run .*process {os.getpid()}"):
        repair.repaired(STACK)
    assert asked == []
    assert not (stacks.state_folder(STACK) / "creating.json").exists()
