"""The Pulumi program under mocks: what it asks AWS for."""

import re
from typing import Any

import pytest
from pulumi.runtime import rpc

from connector import configure
from tests.infra.conftest import SERVER, VOLUME
from workbench import servers
from workbench.outputs import Outputs

TAGGABLE_NOT = {
    "aws:ec2/route:Route",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:ec2/eipAssociation:EipAssociation",
    "aws:ec2/volumeAttachment:VolumeAttachment",
    "aws:route53/record:Record",
    "aws:scheduler/schedule:Schedule",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
}
UPKEEP = {
    "schedule": {"start": "08:00", "stop": "20:00"},
    "snapshots": {"daily": "03:00"},
    "budget": {"usdPerMonth": 80, "emails": ["ada@example.org"]},
}


def test_every_taggable_resource_carries_project_stack_and_its_id(declare: Any, cloud: Any) -> None:
    declare(domain="bench.example.org", **UPKEEP)
    real = [r for r in cloud.resources if r.typ.startswith("aws:") and r.typ not in TAGGABLE_NOT]
    assert len(real) >= 18
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


@pytest.mark.parametrize("keep", [False, True])
def test_the_address_is_protected_where_it_is_to_be_kept_and_never_retained(
    declare: Any, cloud: Any, keep: bool
) -> None:
    declare(keepAddress=keep)
    (request,) = [r for r in cloud.requests if r.type == "aws:ec2/eip:Eip"]
    assert request.protect is keep
    assert not request.retainOnDelete, "it would be paid for with nobody to know of it"


def test_keeping_the_address_changes_nothing_else(declare: Any, cloud: Any) -> None:
    asked = []
    for keep in (False, True):
        declare(keepAddress=keep)
        asked.append({(r.type, r.name, r.protect) for r in cloud.requests if r.type != "aws:ec2/eip:Eip"})
        cloud.requests.clear()
    assert asked[0] == asked[1]


def test_an_address_that_was_kept_is_taken_back_where_the_state_lost_it(declare: Any, cloud: Any) -> None:
    declare(keepAddress=True)
    cloud.killed(("address",))
    declare(keepAddress=True)
    assert cloud.imported()["Eip address"] == "address-id"


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


def test_an_arm_type_gets_an_arm_image(declare: Any, cloud: Any) -> None:
    declare(size="t4g.large", services={"rstudio": {"enabled": False}})
    assert cloud.of("Instance")[0].inputs["ami"] == "ami-arm64"


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
    assert list(request.additionalSecretOutputs) == [configure.CONTEXT_DIGEST]
    waits_for = {urn.rsplit("::", 2)[1].rsplit("$", 1)[-1] for urn in request.dependencies}
    assert {"aws:ec2/volumeAttachment:VolumeAttachment", "aws:ec2/eipAssociation:EipAssociation"} <= waits_for


def test_beside_the_server_from_before_a_rebuild_the_new_one_is_made_without_what_that_has_still(
    declare: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.begun()
    cloud.add(VOLUME, "vol-1", "data", availabilityZone="eu-west-1a", size=50)
    cloud.add(SERVER, "i-former", servers.FORMER, instanceType="t3.large", rootBlockDevice={"volumeSize": 8})
    monkeypatch.setenv(servers.REBUILD_VARIABLE, "i-former")
    cloud.held_by = "i-former"
    assert declare(schedule=UPKEEP["schedule"])["instanceId"] == "i-former", "it answers at the address"
    hanging = ("EipAssociation", "VolumeAttachment", "Schedule", "Configuration")
    assert [kind for kind in hanging if cloud.of(kind)] == []
    (server,) = cloud.of("Instance")
    assert server.inputs["ami"] == "ami-amd64"
    assert "Instance server" not in cloud.imported()
    assert len(cloud.of("ScheduleGroup")) == 1, "what the state has still is not given back meanwhile"
    cloud.resources.clear()
    cloud.held_by = ""
    assert declare(schedule=UPKEEP["schedule"])["instanceId"] == "server-id"
    assert [kind for kind in hanging if not cloud.of(kind)] == []
