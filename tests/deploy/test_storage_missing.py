"""The data volume comes late, or vanishes: what needs it stops and says so, and goes on by itself when it is back.

A stand-in for the device that is gone: the lab takes the device's node away and has its filesystem answer with errors
(lab/guest.py); how a real NVMe disk goes, and what udev then says, no test here has seen.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import httpx
import pytest

from tests.workbench_in_lab import Workbench
from workbench import volumes

pytestmark = pytest.mark.lab

DATA_SERVICES = "caddy jupyterhub jupyterhub-proxy workbench-apps"
SECONDS = 90


@pytest.fixture
def ec2(workbench: Workbench) -> Iterator[Any]:
    """EC2; afterwards the volume is attached again."""
    client = boto3.client("ec2", region_name=workbench.outputs.region)
    yield client
    attach(client, workbench)
    wait_for(lambda: page(workbench).status_code == 200, "the landing page")
    wait_for(lambda: states(workbench) == {"active"}, "the services")


def attach(ec2: Any, workbench: Workbench) -> None:
    facts = workbench.outputs
    if not ec2.describe_volumes(VolumeIds=[facts.volume_id])["Volumes"][0]["Attachments"]:
        ec2.attach_volume(VolumeId=facts.volume_id, InstanceId=facts.instance_id, Device=volumes.DEVICE)


def page(workbench: Workbench, accept: str = "text/html") -> httpx.Response:
    """The front page. Whom to trust is not the question: without the volume there is another CA."""
    try:
        return httpx.get(workbench.url, verify=False, headers={"Accept": accept}, timeout=10)
    except httpx.TransportError:
        return httpx.Response(0)


def states(workbench: Workbench) -> set[str]:
    return set(workbench.ssh(f"systemctl is-active {DATA_SERVICES}", check=False).stdout.split())


def wait_for(there: Callable[[], bool], what: str) -> float:
    """Seconds until it is so."""
    begin = time.monotonic()
    while not there():
        assert time.monotonic() - begin < SECONDS, what
        time.sleep(0.5)
    return time.monotonic() - begin


def says_that_it_is_missing(workbench: Workbench) -> bool:
    answer = page(workbench)
    return answer.status_code == 503 and "The disk with the homes is missing" in answer.text


def test_a_volume_that_vanishes_stops_what_needs_it_and_what_is_back_goes_on(
    workbench: Workbench, ec2: Any
) -> None:
    facts = workbench.outputs
    workbench.ssh(
        "echo precious > /home/ada/kept && sync && systemd-run --quiet --unit=at-work "
        "--slice=user-$(id -u ada).slice --uid=ada --working-directory=/home/ada sleep 3600"
    )
    boot = workbench.ssh("cat /proc/sys/kernel/random/boot_id").stdout
    ec2.detach_volume(VolumeId=facts.volume_id, Force=True)
    wait_for(lambda: says_that_it_is_missing(workbench), "the page")
    assert (
        page(workbench, "application/json").json()["message"].startswith("The disk with the homes is missing")
    )
    wait_for(lambda: "active" not in states(workbench), "the services' end")
    assert (
        workbench.ssh("findmnt -rn -o TARGET /srv/workbench; findmnt -rn -o TARGET /home", check=False).stdout
        == ""
    )
    assert workbench.ssh("systemctl is-active at-work", check=False).stdout.strip() != "active"
    nothing_is_written(workbench)
    told = " ".join(workbench.command("status", check=False).stdout.replace("│", " ").split())
    assert "disk /srv/workbench missing; see `workbench doctor`" in told
    assert "the data volume is missing" in told
    said = " ".join(workbench.command("doctor", check=False).stdout.split())
    assert f"{facts.volume_id} is attached to no server" in said
    assert f"aws ec2 attach-volume --volume-id {facts.volume_id} --instance-id {facts.instance_id}" in said
    attach(ec2, workbench)
    wait_for(lambda: page(workbench).status_code == 200, "the landing page")
    wait_for(lambda: states(workbench) == {"active"}, "the services")
    assert workbench.ssh("cat /home/ada/kept; rm /home/ada/kept").stdout == "precious\n"
    assert workbench.ssh("cat /proc/sys/kernel/random/boot_id").stdout == boot, (
        "without a restart of the server"
    )
    assert workbench.ssh("systemctl is-active workbench-missing", check=False).stdout.strip() == "inactive"


def nothing_is_written(workbench: Workbench) -> None:
    """Neither by a user nor by root, into the places where the volume belongs."""
    for path in ("/srv/workbench", "/home"):
        for who in ("grace", "root"):
            workbench.ssh(f"runuser -u {who} -- touch {path}/x", check=False)
        assert workbench.ssh(f"ls -A {path}").stdout == "", path


@pytest.mark.long
def test_a_boot_without_the_volume_says_so_and_a_late_one_is_taken_up(workbench: Workbench, ec2: Any) -> None:
    facts = workbench.outputs
    workbench.ssh("echo precious > /home/ada/kept && sync")
    ec2.stop_instances(InstanceIds=[facts.instance_id])
    ec2.detach_volume(VolumeId=facts.volume_id)
    ec2.start_instances(InstanceIds=[facts.instance_id])
    wait_for(lambda: says_that_it_is_missing(workbench), "the page")
    assert workbench.ssh("true").returncode == 0, "the administrator gets in"
    assert "active" not in states(workbench)
    nothing_is_written(workbench)
    before = tries(workbench)
    time.sleep(45)  # four of systemd's waits for the device
    assert tries(workbench) - before <= 2, (
        "each login has systemd try once, and nothing tries again and again"
    )
    attach(ec2, workbench)
    wait_for(lambda: page(workbench).status_code == 200, "the landing page")
    wait_for(lambda: states(workbench) == {"active"}, "the services")
    assert workbench.ssh("cat /home/ada/kept; rm /home/ada/kept").stdout == "precious\n"
    assert workbench.ssh("systemctl --failed --plain --no-legend").stdout == ""
    workbench.command("deploy")  # the lab's machines have their container's name after a boot


def tries(workbench: Workbench) -> int:
    """How often systemd has waited for the volume in vain since the boot."""
    count = "journalctl -b -o cat _PID=1 | grep -c '^Timed out waiting for device.*workbench-data'"
    return int(workbench.ssh(count).stdout)
