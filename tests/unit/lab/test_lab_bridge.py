"""Two labs on one machine's network get bridges that do not clash."""

from ipaddress import IPv4Network

import pytest

from lab import bridge, runtime
from workbench.errors import WorkbenchError

ROUTES = """Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t0000600A\t00000000\t0001\t0\t0\t0\t0000F0FF\t0\t0\t0
"""


def test_routes_are_read_as_the_kernel_writes_them() -> None:
    assert bridge.routes(ROUTES) == [IPv4Network("192.0.2.0/24"), IPv4Network("10.96.0.0/12")]


def test_a_lab_has_the_same_subnet_every_time_and_another_lab_another() -> None:
    first = bridge.free_subnet("0a1b2c3d", [])
    assert first == bridge.free_subnet("0a1b2c3d", [])
    assert first != bridge.free_subnet("0a1b2c3e", [])
    assert first.subnet_of(bridge.POOL)


def test_a_subnet_that_a_route_overlaps_is_passed_over() -> None:
    first = bridge.free_subnet("0a1b2c3d", [])
    second = bridge.free_subnet("0a1b2c3d", [first])
    assert not second.overlaps(first)
    busy = bridge.routes(ROUTES)
    assert not any(bridge.free_subnet(f"{n:08x}", busy).overlaps(busy[1]) for n in range(50))


def test_the_bridges_name_fits_the_kernel() -> None:
    assert len(bridge.interface("0a1b2c3d")) <= 15


def test_a_podman_that_is_too_old_is_refused_with_its_version() -> None:
    with pytest.raises(WorkbenchError, match=r"4\.3 or newer .* has 3\.4"):
        runtime.check_version("podman version 3.4.4, Linux 5.15")
    runtime.check_version("podman version 4.3.1, Linux 6.1")
    runtime.check_version("podman version 5.4.2, Linux 6.12")


def test_each_client_of_this_machine_is_another_one_for_the_machines() -> None:
    assert bridge.seen_as("127.0.0.1") == "240.0.0.1"
    assert bridge.seen_as("127.255.3.9") == "240.255.3.9"
