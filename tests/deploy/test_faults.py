"""What may befall a configured host: power cut off, disk full, filesystem dirty or damaged.

Files of all kinds (tests/dataset.py) are compared before and after. Stand-ins: the power cut (the lab shuts the
volume's filesystem down in the kernel and kills all, lab/containers.py), and the damage, which debugfs writes into the
volume while the server is stopped.
"""

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from lab.paths import Layout, home
from lab.visitor import Visitor
from tests import dataset
from tests.deploy.test_storage_missing import page, says_that_it_is_missing, states, wait_for
from tests.workbench_in_lab import Workbench
from workbench_host.volume.content import LABEL

pytestmark = pytest.mark.lab

long = pytest.mark.long
SET = "/home/ada/of-all-kinds"
COUNT = 600
DATABASE = "/srv/workbench/jupyterhub/jupyterhub.sqlite"
WHOLE = (
    f"python3 -c \"import sqlite3; print(sqlite3.connect('{DATABASE}').execute('PRAGMA integrity_check')"
    '.fetchone()[0])"'
)


@pytest.fixture
def work(workbench: Workbench) -> Iterator[str]:
    """What there is to know of the files that are there before the fault, which they have to be like afterwards."""
    dataset.make(workbench, SET, COUNT)
    workbench.ssh("sync")
    told = dataset.told(workbench, SET)
    yield told
    workbench.ssh(f"rm -rf {SET}")


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What a command said that failed, in one sentence."""
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0, said
    assert said.count("error: ") == 1, said
    assert "Traceback" not in said
    return said


def as_before(workbench: Workbench, work: str) -> None:
    """All runs, the files are what they were, the hub's database is whole, and the next `up` has nothing left to do."""
    wait_for(lambda: page(workbench).status_code == 200, "the landing page")
    wait_for(lambda: states(workbench) == {"active"}, "the services")
    assert dataset.told(workbench, SET) == work
    assert workbench.ssh(WHOLE).stdout == "ok\n"
    # The lab's machines have their container's name after a boot, and other tests changed settings by pyinfra alone.
    workbench.command("up", "--yes")
    said = workbench.command("up", "--yes").stdout
    assert not {"created", "updated", "replaced", "deleted"} & set(said.split()), said
    told = " ".join(workbench.command("doctor", check=False).stdout.split())
    assert "nothing unfinished, nothing in AWS that its state does not know" in told
    assert workbench.ssh("systemctl --failed --plain --no-legend").stdout == ""
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", workbench.password("ada"))
        visitor.spawn()
        assert visitor.run_code("5 * 4").strip() == "20"


def boot(workbench: Workbench) -> str:
    return workbench.ssh("cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1", check=False).stdout


def cut_power(workbench: Workbench) -> None:
    request = f"{os.environ['AWS_ENDPOINT_URL']}/lab/cut"
    urllib.request.urlopen(request, workbench.outputs.instance_id.encode(), timeout=60).close()


def gone(workbench: Workbench, before: str) -> bool:
    """Whether another boot than that answers."""
    now = boot(workbench)
    return bool(now) and now != before


def test_a_host_whose_power_is_cut_comes_back_with_all_that_was_written(
    workbench: Workbench, work: str
) -> None:
    workbench.ssh(
        "mkdir -p /home/ada/busy && chown ada: /home/ada/busy && systemd-run --quiet --unit=busy --uid=ada "
        "--slice=user-$(id -u ada).slice sh -c 'while :; do n=$((n+1)); echo $n > /home/ada/busy/$((n % 500)); done'"
    )
    with Visitor(workbench.url, workbench.ca) as visitor:  # a database that has just been written to
        visitor.login("grace", workbench.password("grace"))
    before = boot(workbench)
    cut_power(workbench)
    wait_for(lambda: gone(workbench, before), "another boot")
    wait_for(lambda: states(workbench) == {"active"}, "the services")
    journal = workbench.ssh("journalctl -b -o cat -u 'systemd-fsck@*'").stdout
    assert "recovering journal" in journal, "it was no power cut"
    workbench.ssh("rm -rf /home/ada/busy")
    as_before(workbench, work)


FREE = "df --output=avail -B1 /home | tail -1"  # for users: what is kept for root is not among it


@pytest.fixture
def full(workbench: Workbench) -> Iterator[None]:
    """The data volume has no room left for users: grace took all of it, as she may."""
    workbench.ssh(f"runuser -u grace -- fallocate -l $(($({FREE}) - 4000000)) /home/grace/fill")
    workbench.ssh("runuser -u grace -- sh -c 'cat /dev/zero > /home/grace/fill-end'", check=False)
    assert int(workbench.ssh(FREE).stdout) < 100_000
    yield
    workbench.ssh("rm -f /home/grace/fill* /srv/workbench/fill*")


def test_a_full_disk_stops_nobody_from_getting_in_and_making_room(
    workbench: Workbench, work: str, full: None
) -> None:
    assert page(workbench).status_code == 200
    workbench.command("deploy")
    workbench.ssh("systemctl restart jupyterhub caddy")
    wait_for(lambda: states(workbench) == {"active"}, "the services")
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("grace", workbench.password("grace"))
        visitor.spawn()
        assert visitor.run_code("import os; os.remove('/home/grace/fill-end')").strip() == ""
    told = " ".join(workbench.command("doctor", check=False).stdout.split())
    assert "The disk at /srv/workbench is nearly full" in told
    assert "set workbench:dataVolumeGib higher, then `workbench up`" in told
    workbench.command("snapshot", "--name", "full")
    workbench.command("delete-snapshot", "full", "--yes")
    workbench.ssh("rm -f /home/grace/fill*")
    as_before(workbench, work)


@pytest.fixture
def ec2(workbench: Workbench) -> Any:
    return boto3.client("ec2", region_name=workbench.outputs.region)


def stopped(workbench: Workbench, ec2: Any) -> Path:
    """Stops the server; the file that its data volume is in the lab."""
    workbench.command("stop", "--yes")
    disk = Layout(home()).volumes / f"{workbench.outputs.volume_id}.img"
    shown = subprocess.run(["e2label", str(disk)], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == LABEL
    return disk


def debugfs(disk: Path, request: str) -> str:
    done = subprocess.run(
        ["debugfs", "-w", "-R", request, str(disk)], capture_output=True, text=True, check=True
    )
    return done.stdout


@long
def test_a_filesystem_with_an_error_on_record_is_checked_at_the_boot_and_goes_on(
    workbench: Workbench, work: str, ec2: Any
) -> None:
    disk = stopped(workbench, ec2)
    debugfs(disk, "ssv state 2")  # as the kernel notes it when it meets one
    debugfs(disk, "ssv free_blocks_count 7")
    workbench.command("start")
    wait_for(lambda: states(workbench) == {"active"}, "the services")
    as_before(workbench, work)
    told = workbench.ssh(f"dumpe2fs -h /dev/disk/by-label/{LABEL} 2>/dev/null | grep state").stdout
    assert "clean" in told
    assert "error" not in told


@long
def test_a_damage_that_only_a_person_may_repair_is_said_and_nothing_is_written_until_then(
    workbench: Workbench, work: str, ec2: Any
) -> None:
    workbench.ssh("mkdir /home/ada/doomed && echo doomed > /home/ada/doomed/file && sync")
    disk = stopped(workbench, ec2)
    debugfs(disk, "clri /home/ada/doomed")  # a folder that is none any more: e2fsck asks what to do
    debugfs(disk, "ssv state 2")
    workbench.command("start", check=False)
    wait_for(lambda: says_that_it_is_missing(workbench), "the page")
    assert "active" not in states(workbench)
    said = sentence(workbench.command("deploy", check=False))
    assert "is damaged beyond what e2fsck repairs by itself" in said
    assert "take a snapshot, then run `e2fsck /dev/disk/by-id/" in said
    told = " ".join(workbench.command("doctor", check=False).stdout.split())
    assert "is attached; why it is not mounted, the server's journal says." in told
    workbench.command("snapshot", "--name", "damaged")
    workbench.ssh(f"e2fsck -y /dev/disk/by-label/{LABEL}", check=False)
    workbench.command("deploy")
    workbench.command("delete-snapshot", "damaged", "--yes")
    workbench.ssh("rm -rf /home/ada/doomed /srv/workbench/lost+found/*")
    as_before(workbench, work)
