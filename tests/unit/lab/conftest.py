"""A forwarder of each test's own, and a machine behind it; an API of each module's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import forwarder as module
from lab.forwarder import Forwarder
from tests.unit.lab.cloud import Cloud, Network, serve
from tests.unit.lab.forwarding import FakeRedirects, Machine, echo


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with serve(Path(tmp_path_factory.mktemp("cloud"))) as served:
        yield served


@pytest.fixture(scope="module")
def net(cloud: Cloud) -> Network:
    return Network(cloud)


@pytest.fixture
def redirects() -> FakeRedirects:
    return FakeRedirects()


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The ports that the machine listens on, in place of what /proc says of its network."""
    ports: set[int] = set()
    monkeypatch.setattr(module, "listening", lambda _pid: set(ports))
    return ports


@pytest.fixture
def forwarder(redirects: FakeRedirects, inside: set[int]) -> Iterator[Forwarder]:
    made = Forwarder(redirects)  # type: ignore[arg-type]
    made.start()
    yield made
    made.stop()


@pytest.fixture
def machine(inside: set[int]) -> Iterator[Machine]:
    made = Machine(echo)
    inside.add(made.port)
    yield made
    made.server.close()
