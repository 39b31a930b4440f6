"""What the firewall does on loopback, tried in the kernel: by processes of several users in a network of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import files
from tests.needs import needs

PEERS = Path(__file__).with_name("firewall_peers.py")
ADA, GRACE, NOBODY_DECLARED = 2000, 2001, 200_000
ROOT, SERVICE, DYNAMIC = 0, 33, 62_000
REFUSED, HEARD, SILENCE = "ConnectionRefusedError", "hello", "TimeoutError"

pytestmark = [
    needs("nft", "unshare", "ip", "sysctl"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes networks, and processes of other users"),
]


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("firewall") / "firewall.nft"
    path.write_text(files.render("base/firewall.nft.j2", ports={22: 8}, counted={22: 8}, guarded=[]))
    return path


def meet(rules: Path, *arguments: object) -> str:
    """What the opener says, in a network with these rules; both of the host's own addresses are there."""
    command = " ".join(map(str, [sys.executable, PEERS, *arguments]))
    script = (
        "ip link set lo up && ip address add 10.9.8.7/32 dev lo && "
        f"sysctl -q net.ipv4.tcp_syncookies={2 if 'cookies' in arguments else 1} && nft -f {rules} && exec {command}"
    )
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("family", "address", "spelt"),
    [
        (4, "127.0.0.1", "127.0.0.1"),
        (4, "0.0.0.0", "10.9.8.7"),
        (4, "127.0.0.1", "::ffff:127.0.0.1"),
        (6, "::1", "::1"),
        (6, "::", "127.0.0.1"),
        (6, "::", "10.9.8.7"),
    ],
)
def test_a_listener_is_reached_by_its_owner_and_by_nobody_else_at_any_address(
    rules: Path, family: int, address: str, spelt: str
) -> None:
    assert meet(rules, family, "tcp", ADA, ADA, address, spelt) == HEARD
    assert meet(rules, family, "tcp", ADA, GRACE, address, spelt) == REFUSED


@pytest.mark.parametrize("kind", ["tcp", "mptcp"])
@pytest.mark.parametrize(
    ("listener", "opener", "said"),
    [
        (ADA, NOBODY_DECLARED, REFUSED),
        (NOBODY_DECLARED, ADA, REFUSED),
        (NOBODY_DECLARED, NOBODY_DECLARED, HEARD),
        (ADA, ROOT, HEARD),
        (ADA, SERVICE, HEARD),
        (ADA, DYNAMIC, HEARD),
        (DYNAMIC, GRACE, HEARD),
        (SERVICE, GRACE, HEARD),
        (ROOT, GRACE, HEARD),
        (ADA, GRACE, REFUSED),
    ],
)
def test_services_reach_users_and_users_services_and_who_was_never_declared_is_a_user_too(
    rules: Path, kind: str, listener: int, opener: int, said: str
) -> None:
    assert meet(rules, 4, kind, listener, opener, "127.0.0.1") == said


def test_a_datagram_of_another_user_is_not_answered(rules: Path) -> None:
    assert meet(rules, 4, "udp", ADA, ADA, "127.0.0.1") == HEARD
    assert meet(rules, 4, "udp", ADA, GRACE, "127.0.0.1") == SILENCE
    assert meet(rules, 6, "udp", SERVICE, GRACE, "::1") == HEARD


def test_a_listener_whose_queue_is_full_is_not_reached_either(rules: Path) -> None:
    """Its answers then belong to no socket (SYN cookies), so that no rule knows whose they are."""
    assert meet(rules, 4, "cookies", ADA, ROOT, "127.0.0.1") == HEARD
    assert meet(rules, 4, "cookies", ADA, GRACE, "127.0.0.1") == REFUSED


def test_a_guarded_port_is_reached_by_those_alone_whom_the_rules_name(tmp_path: Path) -> None:
    guarded = tmp_path / "firewall.nft"
    text = files.render(
        "base/firewall.nft.j2", ports={22: 8}, counted={22: 8}, guarded=[5001], proxies=SERVICE
    )
    guarded.write_text(text)
    answers = {
        opener: meet(guarded, 4, "tcp", ROOT, opener, "127.0.0.1") for opener in (ROOT, SERVICE, 34, GRACE)
    }
    assert answers == {ROOT: HEARD, SERVICE: HEARD, 34: REFUSED, GRACE: REFUSED}


def test_the_firewall_loaded_anew_cuts_nothing_and_goes_on_as_before(rules: Path) -> None:
    again = rules.with_name("again.nft")
    again.write_text(f'include "{rules}"\n' * 2)
    assert meet(again, 4, "tcp", ADA, ADA, "127.0.0.1") == HEARD
    assert meet(again, 4, "tcp", ADA, GRACE, "127.0.0.1") == REFUSED


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rules where the listener's port is one of the host's own services."""
    path = tmp_path_factory.mktemp("firewall") / "firewall.nft"
    path.write_text(
        files.render("base/firewall.nft.j2", ports={22: 8, 5001: 5}, counted={22: 8, 5001: 5}, guarded=[])
    )
    return path


@pytest.mark.parametrize(
    ("family", "opener", "to", "source", "said"),
    [
        (4, GRACE, "127.0.0.1", "127.9.8.7", REFUSED),
        (4, GRACE, "127.9.8.7", "127.9.8.7", REFUSED),
        (4, GRACE, "10.9.8.7", "127.9.8.7", REFUSED),
        (6, GRACE, "127.0.0.1", "127.9.8.7", REFUSED),
        (4, GRACE, "127.0.0.1", "127.0.0.1", HEARD),
        (4, GRACE, "10.9.8.7", "10.9.8.7", HEARD),
        (6, GRACE, "::1", "::1", HEARD),
        (4, SERVICE, "127.0.0.1", "127.9.8.7", HEARD),
    ],
)
def test_users_come_to_the_hosts_services_from_one_address_of_loopback(
    own: Path, family: int, opener: int, to: str, source: str, said: str
) -> None:
    at = "::" if family == 6 else "0.0.0.0"
    assert meet(own, family, "tcp", ROOT, opener, at, to, source) == said


@pytest.mark.parametrize("opener", [GRACE, NOBODY_DECLARED])
@pytest.mark.parametrize(("family", "address"), [(4, "127.0.0.1"), (6, "::1")])
def test_a_user_has_a_few_connections_to_the_hosts_services_at_a_time(
    own: Path, opener: int, family: int, address: str
) -> None:
    assert meet(own, family, "many", ROOT, opener, address) == "5"


def test_services_have_as_many_connections_as_they_need_and_users_to_what_is_not_the_hosts(
    own: Path, rules: Path
) -> None:
    assert meet(own, 4, "many", ROOT, SERVICE, "127.0.0.1") == "40"
    assert meet(rules, 4, "many", GRACE, GRACE, "127.0.0.1") == "40"
