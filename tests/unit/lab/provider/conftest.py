"""An AWS look-alike and a provider on it, both in this process."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto.ec2.responses import instances as instance_responses

from lab.provider import serve
from tests.unit.lab.provider.backend import serving
from tests.unit.lab.provider.client import Client
from tests.unit.lab.provider.world import World

ACCOUNT, REGION = "123456789012", "eu-west-1"


@pytest.fixture(scope="package", autouse=True)
def moto_takes_changed_user_data() -> Iterator[None]:
    """ModifyInstanceAttribute's user data arrives decoded, and moto wants to decode it once more."""
    real = instance_responses.parse_user_data

    def parse(value: Any) -> Any:
        return real(base64.b64encode(value)) if isinstance(value, bytes) else real(value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instance_responses, "parse_user_data", parse)
        yield


@pytest.fixture(scope="package")
def endpoint() -> Iterator[str]:
    """The URL of an AWS look-alike."""
    with serving() as url:
        yield url


@pytest.fixture(scope="package")
def served(endpoint: str) -> Iterator[int]:
    """The port of the provider on it."""
    server, port = serve(endpoint=endpoint)
    yield port
    server.stop(None)


@pytest.fixture(scope="package")
def client(served: int, endpoint: str) -> Iterator[Client]:
    """A configured provider."""
    client = Client(served)
    client.configure()
    yield client
    client.channel.close()


@pytest.fixture(scope="package")
def aws(endpoint: str) -> Callable[[str], Any]:
    """`aws("ec2")` is boto3's client of the account: what happens outside of the engine."""
    session = boto3.Session(aws_access_key_id="lab", aws_secret_access_key="lab", region_name=REGION)
    return lambda service: session.client(service, endpoint_url=endpoint)


@pytest.fixture(scope="package")
def world(client: Client, aws: Callable[[str], Any]) -> World:
    """One resource of every type, for tests that only look."""
    return World(client, aws)


@pytest.fixture
def own_world(client: Client, aws: Callable[[str], Any]) -> World:
    """The same, for a test that changes what it makes."""
    return World(client, aws)
