"""The Pulumi program under mocks: what it asks AWS for, and what it refuses before asking."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import rpc

from tests.infra.conftest import SERVER, VOLUME, Cloud
from workbench.outputs import Outputs

TAGGABLE_NOT = {
    "aws:ec2/route:Route",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:ec2/eipAssociation:EipAssociation",
    "aws:ec2/volumeAttachment:VolumeAttachment",
    "aws:route53/record:Record",
}


def volume(cloud: Cloud, volume_id: str = "vol-1", held_by: str = "") -> None:
    cloud.begun()
    cloud.add(VOLUME, volume_id, "data", availabilityZone="eu-west-1a", size=50)
    cloud.held_by = held_by


def server(cloud: Cloud, server_id: str = "i-0", root_gib: int = 8) -> None:
    cloud.begun()
    disk = {"volumeSize": root_gib}
    cloud.add(SERVER, server_id, "server", instanceType="t3.large", rootBlockDevice=disk)


def test_every_taggable_resource_carries_project_stack_and_its_id(declare: Any, cloud: Any) -> None:
    declare(domain="bench.example.org")
    real = [r for r in cloud.resources if r.typ.startswith("aws:") and r.typ not in TAGGABLE_NOT]
    assert len(real) >= 13
    for resource in real:
        assert resource.inputs["tags"]["Project"] == "workbench", resource.typ
        assert resource.inputs["tags"]["Stack"] == "dev", resource.typ
    (stack_id,) = {resource.inputs["tags"]["StackId"] for resource in real}
    assert re.fullmatch("[0-9a-f]{12}", stack_id)
    roles = [resource.inputs["tags"]["Role"] for resource in real]
    assert len(set(roles)) == len(roles), "a leftover is known again by its role"


def test_only_the_web_ports_are_open_to_the_world(declare: Any, cloud: Any) -> None:
    declare()
    rules = cloud.of("SecurityGroupIngressRule")
    world = {rule.inputs["fromPort"] for rule in rules if rule.inputs["cidrIpv4"] == "0.0.0.0/0"}
    assert world == {80, 443}
    assert all(rule.inputs["fromPort"] == rule.inputs["toPort"] for rule in rules)


def test_each_range_gets_a_rule_of_its_own(declare: Any, cloud: Any) -> None:
    declare(sshFrom=["203.0.113.0/24", "198.51.100.1/32"], webFrom=["10.0.0.0/8"])
    names = {rule.name for rule in cloud.of("SecurityGroupIngressRule")}
    assert names == {
        "ssh-203.0.113.0/24",
        "ssh-198.51.100.1/32",
        "http-10.0.0.0/8",
        "https-10.0.0.0/8",
    }


def test_disks_are_encrypted_and_the_metadata_service_wants_tokens(declare: Any, cloud: Any) -> None:
    declare(dataVolumeGib=70, rootVolumeGib=40)
    (volume,) = cloud.of("Volume")
    (server,) = cloud.of("Instance")
    assert volume.inputs["encrypted"] is True
    assert volume.inputs["size"] == 70
    assert server.inputs["rootBlockDevice"]["encrypted"] is True
    assert server.inputs["rootBlockDevice"]["volumeSize"] == 40
    assert server.inputs["metadataOptions"]["httpTokens"] == "required"


def test_the_data_volume_is_protected_and_retained(declare: Any, cloud: Any) -> None:
    declare()
    (request,) = [r for r in cloud.requests if r.type == "aws:ebs/volume:Volume"]
    assert request.protect
    assert request.retainOnDelete


def test_what_seeds_the_first_boot_never_replaces_the_server(declare: Any, cloud: Any) -> None:
    declare()
    (server,) = [r for r in cloud.requests if r.type == "aws:ec2/instance:Instance"]
    assert {"ami", "userData", "keyName"} <= set(server.ignoreChanges)
    (key,) = [r for r in cloud.requests if r.type == "aws:ec2/keyPair:KeyPair"]
    assert "publicKey" in key.ignoreChanges


def test_the_role_is_granted_nothing(declare: Any, cloud: Any) -> None:
    declare()
    assert not [r for r in cloud.resources if "olicy" in r.typ.rsplit(":", 1)[1]]


def test_a_volume_is_detached_only_from_a_stopped_server(declare: Any, cloud: Any) -> None:
    declare()
    (attachment,) = cloud.of("VolumeAttachment")
    assert attachment.inputs["stopInstanceBeforeDetaching"] is True


def test_the_outputs_are_the_typed_facts(declare: Any) -> None:
    facts = Outputs.model_validate(declare())
    assert facts.address == "198.51.100.7"
    assert facts.url == "https://198.51.100.7/"
    assert facts.ssh == "ssh admin@198.51.100.7"
    assert facts.memory_mib == 8192
    assert facts.volume_device() == "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_dataid"


@pytest.mark.parametrize(
    ("volumes", "changes", "sentence"),
    [
        (["vol-1"], {"dataVolumeGib": 20}, "can only grow; set workbench:dataVolumeGib to at least 50"),
        (["vol-1"], {"zone": "eu-west-1b"}, "set workbench:zone to eu-west-1a"),
        (["vol-1", "vol-2"], {}, r"2 volumes claim .* \(vol-1, vol-2\)"),
    ],
)
def test_settings_that_do_not_fit_the_data_volume_are_refused(
    declare: Any, cloud: Any, volumes: Any, changes: Any, sentence: str
) -> None:
    for volume_id in volumes:
        volume(cloud, volume_id)
    with pytest.raises(pulumi.RunError, match=sentence):
        declare(**changes)
    assert not cloud.resources


def test_a_type_of_another_architecture_than_the_servers_is_refused(declare: Any, cloud: Any) -> None:
    server(cloud)
    with pytest.raises(pulumi.RunError, match=r"'t4g.large', which is arm64, but the server runs x86_64"):
        declare(size="t4g.large", services={"rstudio": {"enabled": False}})
    assert not cloud.resources


def test_a_root_disk_that_would_have_to_shrink_is_refused(declare: Any, cloud: Any) -> None:
    server(cloud, root_gib=40)
    with pytest.raises(
        pulumi.RunError, match=r"i-0 has 40 GiB .* set workbench:rootVolumeGib to at least 40"
    ):
        declare(rootVolumeGib=30)
    assert not cloud.resources
    declare(rootVolumeGib=40)


def test_two_servers_with_the_stacks_tags_are_refused(declare: Any, cloud: Any) -> None:
    server(cloud)
    server(cloud, "i-1")
    with pytest.raises(pulumi.RunError, match=r"2 servers claim to be that of stack dev .* \(i-0, i-1\)"):
        declare()
    assert not cloud.resources


def test_a_data_volume_that_another_server_holds_is_refused(declare: Any, cloud: Any) -> None:
    volume(cloud, held_by="i-7")
    for own in (False, True):
        if own:
            server(cloud)
        with pytest.raises(pulumi.RunError, match=r"vol-1 is attached to a server that is not this stack's"):
            declare()
    assert not cloud.resources
    cloud.held_by = "i-0"
    declare()


def test_a_type_that_the_zone_lacks_is_refused_with_the_zones_that_have_it(declare: Any, cloud: Any) -> None:
    cloud.offered = ("eu-west-1b", "eu-west-1c")
    with pytest.raises(
        pulumi.RunError, match=r"'t3.large', which eu-west-1a .*\(but eu-west-1b, eu-west-1c\)"
    ):
        declare()
    assert not cloud.resources


def test_an_arm_type_gets_an_arm_image(declare: Any, cloud: Any) -> None:
    declare(size="t4g.large", services={"rstudio": {"enabled": False}})
    assert cloud.of("Instance")[0].inputs["ami"] == "ami-arm64"


def test_a_type_that_only_the_api_knows_is_asked_there(declare: Any, cloud: Any) -> None:
    declare(size="x9.huge")
    assert cloud.of("Instance")[0].inputs["instanceType"] == "x9.huge"
    cloud.resources.clear()
    with pytest.raises(pulumi.RunError, match=r"'t3.gigantic', which AWS does not offer"):
        declare(size="t3.gigantic")
    with pytest.raises(pulumi.RunError, match="need 2304 MiB"):
        declare(size="x9.nano")
    assert not cloud.resources


def test_a_zone_of_another_region_is_refused(declare: Any, cloud: Any) -> None:
    cloud.region = "us-east-1"
    with pytest.raises(pulumi.RunError, match="pulumi config set aws:region eu-west-1"):
        declare()


def test_a_key_that_nobody_could_be_asked_for_is_refused_before_a_server_is_made(
    declare: Any, cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(key)], check=True)
    monkeypatch.setenv("WORKBENCH_SSH_KEY", str(key))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(pulumi.RunError, match=r"has a passphrase, and no ssh-agent has it: run `ssh-add "):
        declare()
    assert not cloud.resources
    declare(configure=False)
    assert cloud.resources


def test_a_named_key_that_is_none_of_the_settings_is_refused_before_a_server_is_made(
    declare: Any, cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that there is may know more keys than the settings."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    monkeypatch.setenv("WORKBENCH_SSH_KEY", str(tmp_path / "key"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(
        pulumi.RunError, match=r"WORKBENCH_SSH_KEY names .* is none of workbench:adminSshKeys"
    ):
        declare()
    assert not cloud.resources
    declare(configure=False)
    cloud.killed(())
    declare()
    assert cloud.resources


def test_settings_that_are_wrong_are_refused_in_a_sentence(declare: Any, cloud: Any) -> None:
    with pytest.raises(pulumi.RunError, match="workbench:sizze is not a setting"):
        declare(sizze="x")
    assert not cloud.resources


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


def test_nothing_is_configured_when_the_settings_say_so(declare: Any, cloud: Any) -> None:
    declare(configure=False)
    assert not cloud.of("Configuration")


def test_the_configuration_comes_last_and_hands_over_settings_and_facts(declare: Any, cloud: Any) -> None:
    declare()
    (resource,) = cloud.of("Configuration")
    context = resource.inputs["context"]
    assert context[rpc._special_sig_key] == rpc._special_secret_sig, (
        "the context holds password hashes and has to be secret"
    )
    assert '"address": "198.51.100.7"' in context["value"]
    (request,) = [r for r in cloud.requests if r.type.endswith(":Configuration")]
    waits_for = {urn.rsplit("::", 2)[1].rsplit("$", 1)[-1] for urn in request.dependencies}
    assert {"aws:ec2/volumeAttachment:VolumeAttachment", "aws:ec2/eipAssociation:EipAssociation"} <= waits_for
