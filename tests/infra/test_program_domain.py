"""The Pulumi program under mocks: the records of a domain, and the zone that they go to."""

from typing import Any

import pulumi
import pytest


def test_a_domain_gets_its_records_in_the_zone_that_holds_it(declare: Any, cloud: Any) -> None:
    outputs = declare(domain="bench.example.org")
    records = {record.inputs["type"]: record.inputs for record in cloud.of("Record")}
    assert records["A"]["zoneId"] == "Z1"
    assert records["A"]["records"] == ["198.51.100.7"]
    assert records["CAA"]["records"] == ['0 issue "letsencrypt.org"']
    assert outputs["url"] == "https://bench.example.org/"


def test_only_the_zones_that_could_hold_the_domain_are_asked_for(declare: Any, cloud: Any) -> None:
    cloud.zones |= {f"Y{n}": {"name": f"{n}.net", "privateZone": False, "tags": {}} for n in range(50)}
    cloud.zones["Z8"] = {"name": "bench.example.org", "privateZone": True, "tags": {}}
    declare(domain="bench.example.org")
    assert cloud.of("Record")[0].inputs["zoneId"] == "Z1", "a private zone holds nobody's public name"
    assert cloud.asked.count("getZone") == 2


def test_another_ca_is_not_shut_out_by_a_record_that_names_lets_encrypt(declare: Any, cloud: Any) -> None:
    proxy = {"acmeServer": "https://ca.example.org/acme/directory"}
    declare(domain="bench.example.org", services={"proxy": proxy})
    assert [record.inputs["type"] for record in cloud.of("Record")] == ["A"]


def test_a_domain_without_a_zone_is_refused(declare: Any) -> None:
    with pytest.raises(
        pulumi.RunError, match=r"no Route 53 zone for it exists \(looked for bench.nowhere.net"
    ):
        declare(domain="bench.nowhere.net")


def test_two_zones_of_the_same_name_are_refused(declare: Any, cloud: Any) -> None:
    cloud.zones["Z3"] = dict(cloud.zones["Z1"])
    with pytest.raises(pulumi.RunError, match=r"2 Route 53 zones are named example.org \(Z1, Z3\)"):
        declare(domain="bench.example.org")


def test_a_zone_is_made_only_when_asked_for_and_survives(declare: Any, cloud: Any) -> None:
    outputs = declare(domain="bench.new.net", createZone=True)
    (request,) = [r for r in cloud.requests if r.type == "aws:route53/zone:Zone"]
    assert request.protect
    assert outputs["nameServers"] == ["ns-1.example"]


def test_a_zone_of_somebody_else_is_not_made_a_second_time(declare: Any) -> None:
    with pytest.raises(pulumi.RunError, match="exists already"):
        declare(domain="example.org", createZone=True)
