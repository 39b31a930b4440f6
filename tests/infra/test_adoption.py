"""What the program takes back of what a killed run or a lost state left, and what it leaves alone."""

from typing import Any

import pulumi
import pytest

from tests.infra.conftest import ADDRESS, ROLE, SERVER, VOLUME, Cloud, tags

NETWORK = {"vpc", "gateway", "subnet", "routes", "internet", "subnet-routes"}
# Made again, which AWS takes twice; or of no cost, and not to be imported.
LEFT_OUT = {"EipAssociation address", "VolumeAttachment data", "KeyPair key"}


def everything(cloud: Cloud) -> set[str]:
    """What the last run asked AWS for."""
    made = [resource for resource in cloud.resources if resource.typ.startswith("aws:")]
    return {f"{resource.typ.rpartition(':')[2]} {resource.name}" for resource in made}


def test_of_a_state_that_knows_everything_nothing_is_asked(declare: Any, cloud: Any) -> None:
    declare(domain="bench.example.org")
    cloud.killed(())
    declare(domain="bench.example.org")
    assert cloud.imported() == {}
    assert set(cloud.asked) == {
        *("readStackResourceOutputs", "getRegion", "getParameter", "getZone"),
        *("getEbsVolumes", "getVolume", "getInstances", "getInstance", "getInstanceType"),
    }


def test_the_id_is_drawn_once(declare: Any, cloud: Any) -> None:
    declare()
    drawn = cloud.of("Instance")[0].inputs["tags"]["StackId"]
    order = [request.type for request in cloud.requests]
    first = min(index for index, kind in enumerate(order) if kind.startswith("aws:"))
    assert "workbench:infra:Workbench" in order[:first], "what AWS has, has an id that the state knows"
    cloud.killed(())
    declare()
    assert cloud.of("Instance")[0].inputs["tags"]["StackId"] == drawn


@pytest.mark.parametrize(
    "unknown",
    [
        {"vpc"},
        {"address", "data", "role"},
        NETWORK,
        {"group", "out", "ssh-203.0.113.0/24", "http-0.0.0.0/0"},
        {"server", "profile"},
        {"a", "caa"},
    ],
    ids=lambda names: min(names),
)
def test_what_a_killed_run_left_is_taken_back(declare: Any, cloud: Any, unknown: set[str]) -> None:
    declare(domain="bench.example.org")
    wanted = {item for item in everything(cloud) - LEFT_OUT if item.split(" ", 1)[1] in unknown}
    cloud.killed(unknown)
    declare(domain="bench.example.org")
    assert set(cloud.imported()) == wanted


def test_what_has_no_tags_is_known_by_where_it_is(declare: Any, cloud: Any) -> None:
    declare(domain="bench.example.org")
    cloud.killed({"internet", "subnet-routes", "a", "caa"})
    declare(domain="bench.example.org")
    assert cloud.imported() == {
        "Route internet": "routes-id_0.0.0.0/0",
        "RouteTableAssociation subnet-routes": "subnet-id/routes-id",
        "Record a": "Z1_bench.example.org_A",
        "Record caa": "Z1_bench.example.org_CAA",
    }


def test_of_two_that_fit_none_is_taken(declare: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi, "warn", said.append)
    declare()
    cloud.killed({"address", "subnet"})
    (address,) = cloud.of_kind("aws:ec2/eip:Eip")
    cloud.things.append({**address, "id": "eipalloc-2"})
    declare()
    assert set(cloud.imported()) == {"Subnet subnet"}
    assert len(said) == 1
    assert "2 things that could be address of stack dev (address-id, eipalloc-2)" in said[0]


def test_what_lives_in_another_network_is_not_taken(declare: Any, cloud: Any) -> None:
    declare()
    cloud.killed({"subnet"})
    cloud.of_kind("aws:ec2/subnet:Subnet")[0]["vpcId"] = "another"
    declare()
    assert cloud.imported() == {}


def test_a_colleagues_stack_of_the_same_name_is_not_touched(
    declare: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(domain="bench.example.org")
    theirs = cloud.lost()
    cloud.records.clear()  # their name is another
    monkeypatch.setenv("WORKBENCH_ADOPT", "none")
    declare(domain="bench.example.org")
    assert cloud.imported() == {}
    assert cloud.of("Volume")[0].inputs["tags"]["StackId"] != theirs
    cloud.things = [thing for thing in cloud.things if thing["kind"] != ROLE]
    ours = cloud.of("Volume")[0].inputs["tags"]["StackId"]
    cloud.begun(ours)
    cloud.resources.clear()
    monkeypatch.delenv("WORKBENCH_ADOPT")
    declare(domain="bench.example.org")
    assert cloud.imported() == {}, "nor by a later run, whose state lacks all of it"


def test_a_lost_state_is_asked_about_with_what_there_is_and_what_it_costs(declare: Any, cloud: Any) -> None:
    declare(dataVolumeGib=100)
    stack_id = cloud.lost()
    with pytest.raises(pulumi.RunError) as refused:
        declare()
    assert not cloud.resources
    said = str(refused.value)
    assert (
        f"  {stack_id}: address address-id ({ADDRESS}), about 3.65 USD a month; data volume data-id (100 GiB), "
        in said
    )
    assert "about 8.00 USD a month; network vpc-id; role workbench-dev-" in said
    assert "server server-id (t3.large, running), about 63." in said
    assert "WORKBENCH_ADOPT=ID" in said
    assert "WORKBENCH_ADOPT=none" in said


def test_a_lost_state_is_taken_back_whole_when_it_is_named(
    declare: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(domain="bench.new.net", createZone=True)
    made = everything(cloud)
    stack_id = cloud.lost()
    cloud.zones["Znew"] = {
        "name": "bench.new.net",
        "privateZone": False,
        "tags": tags("zone", stack_id),
        "comment": "",
    }
    monkeypatch.setenv("WORKBENCH_ADOPT", stack_id)
    declare(domain="bench.new.net", createZone=True)
    assert made - set(cloud.imported()) == LEFT_OUT
    assert cloud.imported()["Zone zone"] == "Znew"


@pytest.mark.parametrize(
    "zone", [{"tags": {}, "comment": "workbench 0123456789ab"}, {"tags": tags("zone"), "comment": ""}]
)
def test_a_zone_of_ours_is_known_also_before_it_is_tagged(declare: Any, cloud: Any, zone: Any) -> None:
    cloud.begun()
    cloud.zones["Z9"] = {"name": "bench.new.net", "privateZone": False, **zone}
    declare(domain="bench.new.net", createZone=True)
    assert cloud.imported() == {"Zone zone": "Z9"}


def test_an_id_that_nothing_has_is_refused(declare: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_ADOPT", "abc")
    with pytest.raises(
        pulumi.RunError, match=r"'abc', but nothing .* has that id; there is nothing of a stack of"
    ):
        declare()
    cloud.add(VOLUME, "vol-1", "data", size=50)
    with pytest.raises(pulumi.RunError, match="has that id; there is 0123456789ab"):
        declare()


def test_another_id_than_that_of_the_state_is_refused(
    declare: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.begun()
    monkeypatch.setenv("WORKBENCH_ADOPT", "abc")
    with pytest.raises(
        pulumi.RunError, match=r"'abc', but the state of stack dev .* has the id 0123456789ab"
    ):
        declare()
    for fine in ("0123456789ab", "none"):
        monkeypatch.setenv("WORKBENCH_ADOPT", fine)
        declare()


def test_a_renamed_stack_finds_what_is_its_own_and_replaces_no_group(declare: Any, cloud: Any) -> None:
    declare(dataVolumeGib=100)
    fixed = [(resource.name, resource.inputs["name"]) for resource in cloud.of("SecurityGroup")]
    cloud.killed({"data", "server"})
    declare("production", dataVolumeGib=100)
    assert {"Volume data", "Instance server"} == set(cloud.imported())
    (group,) = cloud.of("SecurityGroup")
    assert (group.name, group.inputs["name"]) == fixed[0]
    assert "dev" not in group.inputs["description"]
    assert group.inputs["tags"]["Stack"] == "production"


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"type": "A", "resourceRecords": [{"value": "192.0.2.1"}]}, r"type A already \(192.0.2.1, in"),
        ({"type": "CNAME", "resourceRecords": [{"value": "x.net"}]}, r"type CNAME already \(x.net, in"),
        ({"type": "CAA", "resourceRecords": [{"value": '0 issue "letsencrypt.org"'}]}, "type CAA already"),
        ({"type": "A", "aliasTarget": {"dnsName": "lb.aws."}}, r"\(an alias, in"),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_a_record_of_the_name_that_is_not_ours_is_refused(
    declare: Any, cloud: Any, record: Any, said: str
) -> None:
    cloud.records = [record]
    with pytest.raises(pulumi.RunError, match=said):
        declare(domain="bench.example.org")
    assert not cloud.resources
    cloud.records = [{"type": "TXT", "resourceRecords": [{"value": "x"}]}]
    declare(domain="bench.example.org")


def test_a_record_is_ours_only_while_it_points_to_our_address(declare: Any, cloud: Any) -> None:
    declare(domain="bench.example.org")
    cloud.killed({"a", "caa"})
    cloud.records[0]["resourceRecords"] = [{"value": "192.0.2.1"}]
    with pytest.raises(pulumi.RunError, match=r"type A already \(192.0.2.1, in"):
        declare(domain="bench.example.org")


def test_a_server_that_the_state_has_forgotten_is_taken_back(declare: Any, cloud: Any) -> None:
    declare()
    cloud.killed({"server"})
    cloud.held_by = "server-id"
    declare()
    assert cloud.imported() == {"Instance server": "server-id"}
    assert len(cloud.of_kind(SERVER)) == 1
