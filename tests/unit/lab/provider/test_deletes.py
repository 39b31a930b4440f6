"""Detaching and deleting, as the account sees it afterwards."""

import grpc
import pytest

from tests.unit.lab.provider.client import Client
from tests.unit.lab.provider.oracle import news
from tests.unit.lab.provider.world import World


def test_detaching_stops_the_instance_first_where_that_is_asked_for(client: Client, own_world: World) -> None:
    client.delete(own_world.attachment)
    assert own_world.instance_state() == "stopped"


def test_detaching_leaves_the_instance_running_where_no_stop_is_asked_for(
    client: Client, own_world: World
) -> None:
    made = client.update(
        own_world.attachment, news(own_world.attachment, {"stopInstanceBeforeDetaching": False})
    )
    client.delete(made)
    assert own_world.instance_state() == "running"
    assert client.read(made) is None


def test_a_zone_with_records_does_not_go(client: Client, own_world: World) -> None:
    own_world.record  # noqa: B018
    with pytest.raises(grpc.RpcError, match="HostedZoneNotEmpty"):
        client.delete(own_world.zone)


def test_a_role_with_policies_goes_only_where_that_is_asked_for(client: Client, own_world: World) -> None:
    own_world.role_policy, own_world.role_attachment  # noqa: B018
    with pytest.raises(grpc.RpcError, match="DeleteConflict"):
        client.delete(own_world.role)
    made = client.update(own_world.role, news(own_world.role, {"forceDetachPolicies": True}))
    client.delete(made)
    assert client.read(made) is None
