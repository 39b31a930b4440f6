"""The provider as a server: what the engine asks before and around resources, and how errors arrive."""

import subprocess
import sys
from typing import Any

import grpc
import pulumi_aws
import pytest
from botocore.exceptions import ParamValidationError
from google.protobuf import empty_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from pulumi.runtime.proto import plugin_pb2, provider_pb2

from lab.provider import serve
from lab.provider.diffing import parse_path, write_path
from lab.provider.failures import explain
from lab.provider.values import decode, encode, same_policy
from tests.unit.lab.provider.client import SOME, Client
from tests.unit.lab.provider.world import PUBLIC_KEY, World
from workbench.errors import WorkbenchError


def test_it_takes_no_secrets_so_that_the_engine_sends_them_plain_and_keeps_them_itself(
    client: Client,
) -> None:
    request = provider_pb2.ConfigureRequest(args=encode({"region": "eu-west-1"}), acceptSecrets=True)
    answer = client.stub.Configure(request)
    assert (answer.acceptSecrets, answer.acceptResources, answer.acceptOutputs) == (False, False, False)
    assert answer.supportsPreview
    assert not client.stub.Handshake(provider_pb2.ProviderHandshakeRequest()).accept_secrets


def test_it_has_the_version_of_the_sdk_beside_it(client: Client) -> None:
    version = client.stub.GetPluginInfo(empty_pb2.Empty()).version
    assert version == pulumi_aws._utilities.get_version()
    assert f'"version": "{version}"' in client.stub.GetSchema(provider_pb2.GetSchemaRequest()).schema


def test_it_lets_the_engine_attach_and_cancel(client: Client) -> None:
    client.stub.Attach(plugin_pb2.PluginAttach(address="127.0.0.1:1"))
    client.stub.Cancel(empty_pb2.Empty())
    assert client.check("Vpc", "vpc", {"cidrBlock": "10.0.0.0/16"})


def test_another_region_is_another_provider(client: Client) -> None:
    def verdict(old: str, new: str) -> Any:
        return client.stub.DiffConfig(
            provider_pb2.DiffRequest(olds=encode({"region": old}), news=encode({"region": new}))
        )

    assert verdict("eu-west-1", "us-east-1").replaces == ["region"]
    assert verdict("eu-west-1", "eu-west-1").changes != SOME


def test_the_region_may_come_as_a_variable_too(served: int) -> None:
    client = Client(served)
    client.stub.Configure(provider_pb2.ConfigureRequest(variables={"aws:config:region": "eu-west-1"}))
    assert client.invoke("aws:index/getRegion:getRegion")["region"] == "eu-west-1"


@pytest.fixture
def bare() -> Any:
    """A provider that knows no endpoint."""
    server, port = serve()
    client = Client(port)
    yield client
    client.channel.close()
    server.stop(None)


def test_without_an_endpoint_it_refuses_rather_than_talk_to_aws(
    bare: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with pytest.raises(grpc.RpcError) as caught:
        bare.configure()
    assert "AWS_ENDPOINT_URL must say where that is" in caught.value.details()


def test_without_a_region_it_says_where_to_set_one(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    with pytest.raises(grpc.RpcError) as caught:
        client.stub.Configure(provider_pb2.ConfigureRequest())
    assert "set aws:region" in caught.value.details()


def test_a_lab_that_does_not_answer_is_named(bare: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    bare.configure()
    with pytest.raises(grpc.RpcError) as caught:
        bare.create("Vpc", "vpc", cidrBlock="10.0.0.0/16")
    assert caught.value.code() == grpc.StatusCode.UNKNOWN
    assert caught.value.details().startswith("aws:ec2:Vpc 'vpc' cannot be made: the lab does not answer")
    assert "\n" not in caught.value.details()


def test_an_error_of_aws_arrives_with_type_name_and_code_in_one_sentence(
    client: Client, world: World
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        client.create("KeyPair", "twin", publicKey=PUBLIC_KEY, keyName=world.key.id)
    assert caught.value.code() == grpc.StatusCode.UNKNOWN
    assert caught.value.details() == (
        f"aws:ec2:KeyPair 'twin' cannot be made: InvalidKeyPair.Duplicate: "
        f"The keypair '{world.key.id}' already exists"
    )


def test_an_image_that_does_not_exist_is_refused(client: Client) -> None:
    root = {"volumeSize": 20}
    with pytest.raises(grpc.RpcError) as caught:
        client.create("Instance", "it", ami="ami-0123", instanceType="t3.small", rootBlockDevice=root)
    assert (
        "InvalidAMIID.NotFound" in caught.value.details()
        or "ami-0123 does not exist" in caught.value.details()
    )


@pytest.mark.parametrize(
    ("kind", "id_", "form"),
    [
        ("Route", "rtb-1", "ROUTETABLEID_DESTINATIONCIDRBLOCK"),
        ("RouteTableAssociation", "rtbassoc-1", "SUBNETID/ROUTETABLEID"),
        ("VolumeAttachment", "vai-1", "DEVICENAME:VOLUMEID:INSTANCEID"),
        ("Record", "Z1", "ZONEID_NAME_TYPE"),
    ],
)
def test_an_import_id_of_the_wrong_form_is_answered_with_the_right_one(
    client: Client, kind: str, id_: str, form: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        client.import_(kind, "it", id_)
    assert "cannot be read: to import" in caught.value.details()
    assert f"give {form}, not {id_!r}" in caught.value.details()


@pytest.mark.parametrize(
    ("kind", "id_"),
    [
        ("Volume", "vol-0123456789abcdef0"),
        ("Instance", "i-0123456789abcdef0"),
        ("Vpc", "vpc-0123456789abcdef0"),
        ("Role", "nobody"),
        ("VolumeAttachment", "/dev/sdf:vol-0123456789abcdef0:i-0123456789abcdef0"),
        ("Zone", "Z0123456789ABCDEF"),
        ("Record", "Z0123456789ABCDEF_a.example_A"),
    ],
)
def test_an_import_of_what_does_not_exist_finds_nothing(client: Client, kind: str, id_: str) -> None:
    assert client.import_(kind, "it", id_) is None


def test_an_unknown_type_or_function_is_refused_with_those_that_there_are(client: Client) -> None:
    request = provider_pb2.CheckRequest(urn="urn:pulumi:dev::probe::aws:s3/bucket:Bucket::b")
    with pytest.raises(
        grpc.RpcError, match=r"knows no resource type 'aws:s3/bucket:Bucket'; it knows aws:e?b"
    ):
        client.stub.Check(request)
    with pytest.raises(
        grpc.RpcError, match=r"knows no function 'aws:s3/getBucket:getBucket'; it knows aws:e?b"
    ):
        client.invoke("aws:s3/getBucket:getBucket")


def test_a_port_that_is_taken_is_named(served: int) -> None:
    with pytest.raises(WorkbenchError, match=f"port {served} of 127.0.0.1 is taken"):
        serve(served)


def test_the_command_serves_on_its_port_and_says_when_it_is_ready(endpoint: str) -> None:
    server, port = serve()
    server.stop(None).wait()
    command = [sys.executable, "-m", "lab.provider", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert Client(port).stub.GetPluginInfo(empty_pb2.Empty()).version
        process.terminate()


@pytest.mark.parametrize("arguments", [[], ["x"], ["1", "2"]])
def test_the_command_says_how_it_is_called(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "lab.provider", *arguments], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "usage: python -m lab.provider PORT\n"


def test_an_error_about_a_parameter_does_not_repeat_its_value() -> None:
    report = "Invalid type for parameter UserData, value: {'pw': 'hunter2'}, type: <class 'dict'>, valid types: str"
    said = explain(ParamValidationError(report=report))
    assert "hunter2" not in said
    assert "parameter UserData, type: <class 'dict'>" in said


# ---- small things with many cases


@settings(deadline=None)
@given(st.lists(st.text(min_size=1).filter(lambda name: name != "*" and "\\" not in name), min_size=1))
def test_a_path_is_read_back_as_it_was_written(names: list[str]) -> None:
    path = ("tags", *names)
    assert parse_path(write_path(path)) == path


PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(max_size=9), PLAIN, max_size=4))
def test_values_survive_the_wire(values: dict[str, Any]) -> None:
    assert decode(encode(values)) == values


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a": ["b"], "c": "d"}', '{"c": "d", "a": "b"}', True),
        ('{"a": ["b", "c"]}', '{"a": ["c", "b"]}', True),
        ('{"a": "b"}', '{"a": "c"}', False),
        ('{"a": "b"}', "{", False),
    ],
)
def test_policies_are_the_same_by_what_they_say(one: str, other: str, same: bool) -> None:
    assert same_policy(one, other) is same
