"""What a stack costs, as AWS has it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import common, holdings, statefile
from cli.main import app
from tests.unit.cli import paid
from workbench import prices, servers
from workbench.errors import WorkbenchError

runner = CliRunner()


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(common, "enter", lambda stack: "prod")
    with paid.account(monkeypatch) as client:
        yield client


@pytest.fixture
def exported(ec2: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    _, state = paid.make(ec2)
    monkeypatch.setattr(statefile, "exported", lambda stack: state)
    return state


def test_every_part_is_listed_with_its_price_and_no_other_stacks(ec2: Any, exported: dict[str, Any]) -> None:
    volume = ec2.create_volume(
        AvailabilityZone=f"{paid.REGION}a", Size=7, TagSpecifications=paid.tagged("volume", "data", "another")
    )["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=volume, TagSpecifications=paid.tagged("snapshot", "snapshot"))[
        "SnapshotId"
    ]
    exported["deployment"]["resources"].append(
        {"urn": "z", "type": "aws:route53/zone:Zone", "id": "Z1", "inputs": {"name": "bench.example.org"}}
    )
    told = json.loads(runner.invoke(app, ["cost", "--json"]).stdout)
    parts = {part["name"]: part for part in told["parts"]}
    assert {name: part["usd"] for name, part in parts.items()} == {
        "server": pytest.approx(0.0416 * 730),
        "data volume": pytest.approx(4.0),
        "address": 3.65,
        "snapshots": pytest.approx(0.35),
        "zone": 0.5,
    }
    assert parts["snapshots"]["id"] == snapshot
    assert told["usd"] == pytest.approx(30.37 + 4 + 3.65 + 0.35 + 0.5, abs=0.01)
    assert told["saved_by_nights"] == pytest.approx(0.0416 * 260, abs=0.01)


def test_people_are_told_the_sum_and_what_nights_would_save(exported: dict[str, Any]) -> None:
    said = " ".join(runner.invoke(app, ["cost"]).stdout.split())
    assert "together" in said
    assert "38.02" in said
    assert "Stopped for 12 hours of each night from Monday to Friday, a running t3.medium would save" in said


def test_an_unknown_price_is_said_and_not_counted_as_nothing(
    ec2: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, state = paid.make(ec2, "x1.32xlarge")
    monkeypatch.setattr(statefile, "exported", lambda stack: state)
    told = json.loads(runner.invoke(app, ["cost", "--json"]).stdout)
    assert told["unknown"] == ["server"]
    assert told["saved_by_nights"] is None
    assert "not known here" in runner.invoke(app, ["cost"]).stdout


def test_a_stack_that_has_nothing_costs_nothing_and_says_so(
    ec2: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statefile, "exported", lambda stack: {})
    done = runner.invoke(app, ["cost"])
    assert isinstance(done.exception, WorkbenchError)
    assert "has nothing in AWS that costs" in str(done.exception)


def test_what_is_paid_after_a_stop_and_a_destroy(ec2: Any) -> None:
    found = holdings.of("prod", paid.make(ec2)[1])
    now = prices.total(holdings.parts(found)).usd
    server = 0.0416 * 730
    assert prices.total(holdings.stopped(found)).usd == pytest.approx(now - server)
    assert prices.total(holdings.destroyed(found, keeps_address=False)).usd == pytest.approx(4.0)
    assert prices.total(holdings.destroyed(found, keeps_address=True)).usd == pytest.approx(7.65)


def test_the_server_from_before_a_rebuild_is_a_part_of_its_own_that_a_destroy_ends(ec2: Any) -> None:
    state = paid.make(ec2)[1]
    before = prices.total(holdings.destroyed(holdings.of("prod", state), keeps_address=False)).usd
    ec2.run_instances(
        ImageId=paid.IMAGE,
        InstanceType="t3.medium",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=paid.tagged("instance", servers.FORMER),
    )
    found = holdings.of("prod", state)
    assert [one.part.name for one in found if one.role == holdings.FORMER] == [servers.FORMER_NAME]
    assert len([one for one in found if one.role == holdings.SERVER]) == 1
    assert prices.total(holdings.destroyed(found, keeps_address=False)).usd == pytest.approx(before)
