"""A stop by the schedule that spares who computes, on a host that runs: the timer, the waiting, and the stop itself."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import boto3
import pytest

from deploy.schedule import CONFIG, UNIT
from tests.workbench_in_lab import Applied, Workbench

pytestmark = pytest.mark.lab

ZONE = "Europe/Madrid"
# As a program of grace's in an SSH session or a notebook is: in her slice.
COMPUTE = (
    "systemd-run --quiet --uid grace --slice user-$(id -u grace).slice --unit computing "
    "sh -c 'while :; do :; done'"
)


@pytest.fixture(scope="module")
def scheduled(workbench: Workbench) -> Iterator[Applied]:
    values = {"stop": "23:45", "timeZone": ZONE, "spareBusy": True}
    with workbench.settings(schedule=values) as applied:
        applied.require()
        yield applied
    left = workbench.ssh(f"systemctl is-active {UNIT}.timer {UNIT}.service", check=False).stdout.split()
    assert left == ["inactive", "inactive"], "taken out of the settings it is gone"


def until(workbench: Workbench, command: str, seconds: float) -> bool:
    """Whether a command on the host succeeds in that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if workbench.ssh(command, check=False).returncode == 0:
            return True
        time.sleep(1)
    return False


def test_the_timer_is_due_at_the_schedules_time_in_its_zone(workbench: Workbench, scheduled: Applied) -> None:
    assert workbench.ssh(f"systemctl is-active {UNIT}.timer").stdout.strip() == "active"
    shown = workbench.ssh(f'date -u -d "$(systemctl show -P NextElapseUSecRealtime {UNIT}.timer)" +%s').stdout
    due = datetime.fromtimestamp(int(shown), ZoneInfo(ZONE))
    assert (due.hour, due.minute) == (23, 45)
    assert due.weekday() < 5
    assert due - datetime.now(ZoneInfo(ZONE)) < timedelta(days=4)
    assert workbench.ssh(f"stat -c '%U %a' {CONFIG}").stdout.split()[0] == "root"


def test_a_second_deploy_changes_nothing(workbench: Workbench, scheduled: Applied) -> None:
    assert workbench.apply().changed == []


def test_who_computes_is_waited_for(workbench: Workbench, scheduled: Applied) -> None:
    workbench.ssh(COMPUTE)
    try:
        workbench.ssh(f"systemctl start {UNIT}.service")
        said = f"journalctl -b -q -u {UNIT}.service | grep 'does not stop yet: .*grace'"
        assert until(workbench, said, 20), workbench.ssh(f"journalctl -b -u {UNIT}.service").stdout
        assert workbench.ssh(f"systemctl is-active {UNIT}.service").stdout.strip() == "active"
    finally:
        workbench.ssh(f"systemctl stop {UNIT}.service computing.service", check=False)


@pytest.mark.long
def test_a_host_on_which_nobody_computes_stops_itself_and_is_a_stopped_server(
    workbench: Workbench, scheduled: Applied
) -> None:
    facts = workbench.outputs
    ec2 = boto3.client("ec2", region_name=facts.region)
    workbench.ssh(f"systemctl start {UNIT}.service")
    ids = [facts.instance_id]
    try:
        ec2.get_waiter("instance_stopped").wait(InstanceIds=ids, WaiterConfig={"Delay": 5, "MaxAttempts": 60})
    finally:
        workbench.command("up", "--yes")
    assert workbench.command("status", check=False).returncode == 0
