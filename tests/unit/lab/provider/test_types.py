"""Every type through its life: made, read, unchanged, imported, deleted."""

import inspect
from typing import Any

import pulumi
import pulumi_aws
import pytest

from lab.provider.catalogue import TYPES
from lab.provider.schema import ResourceType
from lab.provider.values import is_empty
from tests.unit.lab.provider.client import UNKNOWN, Client, Made
from tests.unit.lab.provider.world import ALL, IMPORTS, World

# Only remembered in the state, so an import cannot know them.
REMEMBERED = {"stopInstanceBeforeDetaching"}


def holds(whole: Any, part: Any) -> bool:
    """Whether a value is all of another, and perhaps more: what the cloud chose."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(holds(whole.get(key), value) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(holds, whole, part))
    return bool(whole == part)


@pytest.mark.parametrize("name", ALL)
def test_what_was_made_reads_back_as_it_was_made_and_needs_no_change(
    client: Client, world: World, name: str
) -> None:
    made: Made = getattr(world, name)
    read = client.read(made)
    assert read is not None
    assert read.id == made.id
    assert read.inputs == made.inputs
    assert {k: read.outputs.get(k) for k in made.inputs} == {k: made.outputs.get(k) for k in made.inputs}
    assert not client.diff(read, made.inputs).some


@pytest.mark.parametrize("name", [name for name in ALL if name != "key"])
def test_an_import_by_id_gives_inputs_that_the_program_finds_unchanged(
    client: Client, world: World, name: str
) -> None:
    made: Made = getattr(world, name)
    imported = client.import_(made.kind, made.name, IMPORTS.get(name, lambda made: made.id)(made))
    assert imported is not None
    assert imported.id == made.id
    wanted = {key: value for key, value in made.inputs.items() if key not in REMEMBERED}
    for key, value in wanted.items():
        given = imported.inputs.get(key)
        assert holds(given, value) or key in ("assumeRolePolicy", "policy")
    assert not client.diff(imported, wanted).some


def test_an_imported_key_pair_lacks_its_key_as_the_real_provider_reads_none(
    client: Client, world: World
) -> None:
    imported = client.import_("KeyPair", "key", world.key.id)
    assert imported is not None
    assert imported.inputs == {"keyName": world.key.id}
    assert "publicKey" not in imported.outputs


def test_each_type_is_gone_once_deleted_and_deleting_it_again_is_no_error(
    client: Client, own_world: World
) -> None:
    made = [getattr(own_world, name) for name in ALL]
    for resource in reversed(made):
        client.delete(resource)
        assert client.read(resource) is None, resource.kind
        client.delete(resource)


@pytest.mark.parametrize("name", ALL)
def test_a_preview_knows_the_inputs_and_nothing_that_only_the_cloud_knows(
    client: Client, world: World, name: str
) -> None:
    made: Made = getattr(world, name)
    planned = client.preview(made.kind, made.name, made.inputs)
    for key, value in made.inputs.items():
        assert holds(planned[key], value)
    kind = next(kind for kind in TYPES.values() if kind.type.endswith(f":{made.kind}"))
    assert {key for key in kind.told if planned[key] != UNKNOWN} == set()
    for key, value in made.outputs.items():
        assert key in planned or is_empty(value), key


def _sdk_class(kind: ResourceType) -> type[pulumi.CustomResource]:
    _, module, name = kind.type.split(":")
    found: type[pulumi.CustomResource] = getattr(getattr(pulumi_aws, module.split("/")[0]), name)
    return found


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


@pytest.mark.parametrize("kind", TYPES.values(), ids=lambda kind: kind.short)
def test_inputs_and_outputs_are_named_as_the_sdk_names_them(kind: ResourceType) -> None:
    members = inspect.getmembers(_sdk_class(kind), lambda member: isinstance(member, property))
    known = {_camel(name) for name, _ in members}
    assert {*kind.props, *kind.told} - known == set()


def test_every_type_of_the_catalogue_is_tried_here() -> None:
    tried = {
        "Vpc", "Subnet", "InternetGateway", "RouteTable", "Route", "RouteTableAssociation", "SecurityGroup",
        "SecurityGroupIngressRule", "SecurityGroupEgressRule", "KeyPair", "Role", "InstanceProfile", "Instance",
        "Eip", "EipAssociation", "Volume", "VolumeAttachment", "Snapshot", "Zone", "Record",
        "RolePolicy", "RolePolicyAttachment", "ScheduleGroup", "Schedule", "LifecyclePolicy", "Budget",
    }  # fmt: skip
    assert {kind.type.split(":")[2] for kind in TYPES.values()} == tried
    assert len(ALL) == len(tried)
