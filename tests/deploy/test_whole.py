"""The deploy as a whole: the second run changes nothing, and only the proxy listens to the world."""

import pytest

from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab


def test_a_second_run_changes_nothing(workbench: Workbench) -> None:
    applied = workbench.apply()
    assert applied.status == 0, applied.output
    assert applied.changed == []


def test_only_ssh_and_the_proxy_listen_to_the_world(workbench: Workbench) -> None:
    lines = workbench.ssh("ss -Hltun").stdout.splitlines()
    local = [line.split()[4] for line in lines]
    open_to_the_world = {
        address.rsplit(":", 1)[1]
        for address in local
        if not address.startswith(("127.", "[::1]")) and "%lo" not in address
    }
    assert open_to_the_world == {"22", "80", "443"}


def test_no_unit_has_failed(workbench: Workbench) -> None:
    failed = workbench.ssh("systemctl list-units --failed --plain --no-legend").stdout
    assert failed.strip() == ""


def test_secrets_are_readable_for_root_only(workbench: Workbench) -> None:
    found = workbench.ssh(
        "find /etc/workbench /srv/workbench -xdev -path /srv/workbench/home -prune -o -type f "
        "\\( -name '*secret*' -o -name '*.key' -o -name '*token*' -o -name 'users.json' -o -name '*.sqlite' "
        "-o -name 'registry.json' -o -name 'ssh_host_*_key' \\) -printf '%m %p\\n'"
    ).stdout.splitlines()
    assert len(found) >= 5, found
    assert [line for line in found if not line.startswith(("600 ", "640 ", "400 "))] == []
