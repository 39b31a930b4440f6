"""What a run that died or gave up left half made is taken and finished by the next."""

from dataclasses import replace
from typing import Any

import grpc
import pytest

from lab.provider.catalogue import TYPES
from tests.unit.lab.provider.client import Client, Made, half_made
from tests.unit.lab.provider.world import World


def test_an_attachment_that_is_there_already_is_taken(client: Client, own_world: World) -> None:
    made = own_world.attachment
    again = client.create("VolumeAttachment", "data", **made.inputs)
    assert (again.id, again.outputs) == (made.id, made.outputs)


def test_an_address_is_given_again_to_the_instance_that_has_it(client: Client, own_world: World) -> None:
    made = own_world.address_association
    again = client.create("EipAssociation", "address", **made.inputs)
    assert client.read(again) is not None


def test_what_is_made_but_does_not_get_ready_is_kept_and_finished_by_the_next_update(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = TYPES["aws:ebs/volume:Volume"]
    monkeypatch.setitem(TYPES, slow.type, replace(slow, ready="State == 'never'"))
    with pytest.raises(grpc.RpcError) as caught:
        client.create("Volume", "slow", timeout=0.3, availabilityZone="eu-west-1a", size=1)
    monkeypatch.undo()
    detail = half_made(caught.value)
    assert detail.id.startswith("vol-")
    assert detail.reasons == [caught.value.details()]
    assert f"'slow' was made ({detail.id}) but did not get ready: gave up waiting" in detail.reasons[0]
    assert "0.3 s" in detail.reasons[0]
    made = Made(
        "Volume", "slow", detail.id, {"availabilityZone": "eu-west-1a", "size": 1}, dict(detail.properties)
    )
    assert client.update(made, made.inputs).outputs["size"] == 1


def test_a_security_group_that_was_left_half_made_is_closed_by_the_next_update(
    client: Client, own_world: World, aws: Any
) -> None:
    made = own_world.group
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    aws("ec2").authorize_security_group_egress(GroupId=made.id, IpPermissions=everything)
    assert client.update(made, made.inputs).outputs["egress"] == []
