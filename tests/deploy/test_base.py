"""The host itself, looked at from inside, as an administrator would."""

import re
import time

import pytest

from deploy import tools
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab


def test_the_hosts_name_resolves_at_once(workbench: Workbench) -> None:
    name = workbench.ssh("hostname").stdout.strip()
    assert name == "workbench-test"
    assert workbench.ssh(f"timeout 2 getent hosts {name}").returncode == 0


def test_clock_and_language_are_those_of_the_settings(workbench: Workbench) -> None:
    assert workbench.ssh("readlink -f /etc/localtime").stdout.strip() == "/usr/share/zoneinfo/Etc/UTC"
    said = workbench.ssh(". /etc/default/locale && LC_ALL=$LANG locale -k charmap && echo $LANG").stdout
    assert 'charmap="UTF-8"' in said
    assert "en_US.UTF-8" in said


def test_another_time_zone_is_one_setting_by_an_old_name_as_well(workbench: Workbench) -> None:
    with workbench.settings(services={"base": {"timezone": "US/Samoa"}}) as applied:
        assert applied.status == 0, applied.output
        assert applied.changed == ["base | Set the time zone"]
        assert workbench.ssh("date +%z").stdout.strip() == "-1100"


def test_a_time_zone_that_does_not_exist_is_refused_in_a_sentence(workbench: Workbench) -> None:
    with workbench.settings(services={"base": {"timezone": "Mars/Olympus"}}) as applied:
        assert applied.refused
        assert 'workbench:services.base.timezone is "Mars/Olympus", which is no time zone' in applied.output
        assert "Traceback" not in applied.output
        assert workbench.ssh("date +%z").stdout.strip() == "+0000"


def test_upgrades_are_for_security_only_and_never_restart_the_host(workbench: Workbench) -> None:
    said = workbench.ssh("apt-config dump").stdout
    patterns = re.findall(r'Unattended-Upgrade::Origins-Pattern:: "(.+)";', said)
    assert patterns
    assert all("Debian-Security" in pattern for pattern in patterns)
    assert 'Unattended-Upgrade::Automatic-Reboot "false";' in said
    assert workbench.ssh("systemctl is-enabled apt-daily-upgrade.timer").stdout.strip() == "enabled"


def test_what_only_services_need_is_installed_beside_the_rest_and_waited_for(workbench: Workbench) -> None:
    workbench.ssh("apt-get -q -y remove git")
    applied = workbench.apply()
    assert applied.status == 0, applied.output
    begun, *waited = [name.partition(" (")[0] for name in applied.changed]
    assert begun == "apt | Begin with Debian packages"
    assert waited in ([], ["apt | Debian packages"]), "it counts as a change where it was still at work"
    assert workbench.ssh("git --version").stdout.startswith("git version")
    assert workbench.apply().changed == []


def test_what_an_earlier_run_began_with_is_waited_for_and_done_again_where_it_failed(
    workbench: Workbench,
) -> None:
    workbench.ssh("apt-get -q -y remove git")
    workbench.ssh("systemd-run --quiet --collect --unit=workbench-packages sh -c 'sleep 15; exit 1'")
    began = time.monotonic()
    applied = workbench.apply()
    assert applied.status == 0, applied.output
    assert time.monotonic() - began > 5
    assert workbench.ssh("systemctl is-active workbench-packages || git --version").stdout.split()[:2] == [
        "inactive",
        "git",
    ]


def test_the_journal_has_its_limit(workbench: Workbench) -> None:
    said = workbench.ssh("systemd-analyze cat-config systemd/journald.conf").stdout
    assert "SystemMaxUse=500M" in said


def test_the_firewall_is_up_and_drops_what_it_does_not_know(workbench: Workbench) -> None:
    rules = workbench.ssh("nft list table inet workbench").stdout
    assert "hook input priority filter; policy drop;" in rules
    assert "tcp dport { 22, 80, 443 } accept" in rules


def test_a_port_that_no_setting_opens_is_closed_although_somebody_listens(workbench: Workbench) -> None:
    """Tried from another network namespace of the host, so that neither loopback nor the lab's forwarder takes part."""
    script = """
        set -e
        ip netns add outside
        ip link add inner type veth peer name outer netns outside
        trap 'ip netns delete outside; kill $server' EXIT
        ip address add 192.0.2.1/30 dev inner; ip link set inner up
        ip -n outside address add 192.0.2.2/30 dev outer; ip -n outside link set outer up
        python3 -m http.server 4567 --bind 192.0.2.1 > /dev/null 2>&1 & server=$!
        sleep 1
        reach() { ip netns exec outside timeout 3 python3 -c \
            "import socket; socket.create_connection(('192.0.2.1', $1), 2)" 2> /dev/null; }
        reach 22 && echo ssh open
        reach 4567 || echo other closed
    """
    assert workbench.ssh(script).stdout.split("\n")[:2] == ["ssh open", "other closed"]


def test_swap_of_the_machine_below_is_left_alone(workbench: Workbench) -> None:
    said = workbench.ssh(
        "systemctl show -p ActiveState,ConditionResult swapfile.swap workbench-swapfile.service"
    ).stdout
    assert said.count("ConditionResult=no") == 2
    assert "ActiveState=active" not in said


def test_the_tools_of_a_server_are_there_for_everybody_without_a_step_of_their_own(
    workbench: Workbench,
) -> None:
    """A file that git lfs keeps apart comes with a plain `git clone`, and a page of the manual can be read."""
    commands = " ".join(sorted(set(tools.PACKAGES) - {"man-db"} | {"man"}))
    missing = f"for name in {commands}; do command -v $name > /dev/null || echo $name; done"
    assert workbench.ssh(f"runuser -l grace -c '{missing}'").stdout == ""
    assert "RSYNC" in workbench.ssh("runuser -l grace -c 'man rsync' | head -n 5").stdout.upper()
    steps = (
        "cd $(mktemp -d)",
        "git init -q one && cd one && git config user.email g@example.org && git config user.name grace",
        'git lfs track "*.bin" > /dev/null && echo large > a.bin && git add . && git commit -qm one && cd ..',
        "git -C one show HEAD:a.bin | grep -q git-lfs && git clone -q one two && cat two/a.bin",
    )
    workbench.ssh(f"cat > /tmp/steps <<'END'\n{' && '.join(steps)}\nEND\nchmod 644 /tmp/steps")
    assert workbench.ssh("runuser -l grace -c 'sh /tmp/steps'").stdout == "large\n"
