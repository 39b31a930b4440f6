"""The lab's metadata service: what it answers, and to whom. In a machine's network it is tested on a real machine."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from lab import metadata
from lab.metadata import Server, Service
from lab.records import Machine
from tests.unit.lab.cloud import Cloud, Network, serve

MACHINE = Machine(
    "i-1", "running", "t3.small", 2, 2048, "10.0.1.10", public_key="ssh-ed25519 AAAA test", zone="eu-west-1a",
    image="ami-1", role="arn:aws:iam::123456789012:role/workbench-dev", token_required=True,
)  # fmt: skip
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"


@pytest.fixture
def server() -> Iterator[Server]:
    serving = Server(socket.create_server(("127.0.0.1", 0)))
    service = Service(MACHINE, lambda role, instance: {"Token": f"{role} for {instance}"})
    serving.services["127.0.0.1"] = service
    serving.begin()
    yield serving
    serving.end()


def service_of(server: Server) -> Service:
    return server.services["127.0.0.1"]


def ask(
    server: Server, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> tuple[int, str]:
    port = server.socket.getsockname()[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, headers=dict(headers or {}))
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def token(server: Server) -> dict[str, str]:
    status, text = ask(server, metadata.TOKEN_PATH, {TTL: "60"}, "PUT")
    assert status == 200
    return {TOKEN: text}


def test_nothing_is_read_without_a_token(server: Server) -> None:
    assert ask(server, "/latest/meta-data/instance-id")[0] == 401
    assert ask(server, "/latest/meta-data/instance-id", {TOKEN: "guessed"})[0] == 401
    assert ask(server, "/latest/meta-data/instance-id", token(server)) == (200, "i-1")
    service_of(server).machine = replace(MACHINE, token_required=False)
    assert ask(server, "/latest/meta-data/instance-id") == (200, "i-1")
    assert ask(server, "/latest/meta-data/instance-id", {TOKEN: "guessed"})[0] == 401


def test_a_token_ends(server: Server) -> None:
    headers = token(server)
    service_of(server).tokens[headers[TOKEN]] -= 61
    assert ask(server, "/latest/meta-data/instance-id", headers)[0] == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 400), ({TTL: "0"}, 400), ({TTL: "21601"}, 400), ({TTL: "60", "X-Forwarded-For": "10.0.0.1"}, 403)],
)
def test_a_token_is_for_who_asks_as_aws_wants_it(
    server: Server, headers: dict[str, str], status: int
) -> None:
    assert ask(server, metadata.TOKEN_PATH, headers, "PUT")[0] == status


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("placement/availability-zone", "eu-west-1a"),
        ("placement/region", "eu-west-1"),
        ("placement/", "availability-zone\nregion"),
        ("public-keys/0/openssh-key", "ssh-ed25519 AAAA test"),
        ("iam/security-credentials/", "workbench-dev"),
        ("iam", "security-credentials/"),
    ],
)
def test_what_is_known_of_the_instance_is_read_and_listed(server: Server, path: str, text: str) -> None:
    assert ask(server, f"/latest/meta-data/{path}", token(server)) == (200, text)


def test_the_roles_credentials_are_for_this_instance(server: Server) -> None:
    path = "/latest/meta-data/iam/security-credentials/workbench-dev"
    told = json.loads(ask(server, path, token(server))[1])
    assert told == {"Token": f"{MACHINE.role} for i-1"}
    service_of(server).machine = replace(MACHINE, role="")
    assert ask(server, path, token(server))[0] == 404
    assert "iam/" not in ask(server, "/latest/meta-data/", token(server))[1]


def test_what_is_not_there_is_not_found(server: Server) -> None:
    for path in ("/latest/meta-data/nothing", "/latest/user-data", "/latest/meta-datax", "/"):
        assert ask(server, path, token(server))[0] == 404


def test_the_memory_knows_role_and_options_of_an_instance_and_sts_its_credentials(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with serve(tmp_path_factory.mktemp("lab")) as cloud:
        machine = _with_a_role(cloud, Network(cloud))
        assert (machine.zone, machine.token_required, machine.hop_limit) == ("eu-west-1a", True, 1)
        assert machine.role == "arn:aws:iam::123456789012:role/workbench"
        told = cloud.api.credentials(machine.role, machine.id)
        assert told["Code"] == "Success"
        assert told["AccessKeyId"].startswith("ASIA")


def _with_a_role(cloud: Cloud, net: Network) -> Machine:
    iam = cloud.client("iam")
    iam.create_role(RoleName="workbench", AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName="workbench")
    iam.add_role_to_instance_profile(InstanceProfileName="workbench", RoleName="workbench")
    instance = net.run(
        IamInstanceProfile={"Name": "workbench"},
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
    )
    return cloud.memory.plan().machines[instance]


class FakeRedirects:
    """What would be in the kernel's table."""

    def __init__(self) -> None:
        self.rules: set[tuple[str, str, int, str]] = set()

    def add_from_machines(self, *rule: Any) -> None:
        self.rules.add(rule)

    def remove_from_machines(self, *rule: Any) -> None:
        self.rules.remove(rule)


def test_each_machine_is_known_by_its_address_and_led_to_the_bridge_from_the_one_address() -> None:
    redirects = FakeRedirects()
    services = metadata.Metadata(lambda role, instance: {}, redirects, "wb-test")  # type: ignore[arg-type]
    services.update("", {})
    assert not redirects.rules
    services.update("127.0.0.1", {"127.0.0.1": MACHINE})
    [(bridge, address, port, to)] = redirects.rules
    assert (bridge, address, port) == ("wb-test", "169.254.169.254", 80)
    server = services._server
    assert server is not None
    assert to == f"127.0.0.1:{server.socket.getsockname()[1]}"
    headers = token(server)
    services.update("127.0.0.1", {"127.0.0.1": replace(MACHINE, type="t3.large"), "127.0.0.2": MACHINE})
    assert ask(server, "/latest/meta-data/instance-type", headers) == (200, "t3.large"), "its token goes on"
    services.update("127.0.0.1", {"127.0.0.2": MACHINE})
    assert ask(server, "/latest/meta-data/instance-type", headers)[0] == 404
    services.update("", {})
    assert not redirects.rules
