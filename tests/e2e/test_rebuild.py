"""A workbench on which people work is rebuilt: another server of a newer image, and nothing else is another.

Debian's newer image is a stand-in of the lab's (lab/faults.py), which boots the same system for every image.
"""

import json
from collections.abc import Iterator

import boto3
import pytest

from bench import probe
from lab.paths import Layout
from lab.visitor import Visitor
from tests import dataset
from tests.workbench_in_lab import FRONT, HOME, OUTAGE_SECONDS, STACK, Workbench
from workbench import servers, stackfile

pytestmark = pytest.mark.lab

DATA = "/home/ada/of-all-kinds"
NEWER = "20261123-2300"
WHAT_STAYS = (
    "id ada; id grace; cut -d' ' -f1,2 /etc/ssh/ssh_host_*_key.pub; grep -E '^(ada|grace):' /etc/shadow | "
    "cut -d: -f1,2; sha256sum /srv/workbench/jupyterhub/jupyterhub_cookie_secret /etc/workbench/ca.crt"
)


@pytest.fixture
def newer() -> Iterator[None]:
    """Debian has published another image since the workbench was made."""
    faults = Layout(HOME).faults
    faults.write_text(json.dumps({"debian": NEWER}))
    yield
    faults.unlink()


@pytest.fixture
def clean(workbench: Workbench) -> Iterator[None]:
    yield
    for one in json.loads(workbench.command("snapshots", "--json").stdout)["snapshots"]:
        workbench.command("delete-snapshot", one["id"], "--yes")
    workbench.ssh(f"rm -rf {DATA}")


def server() -> dict[str, str]:
    """The account's only server: its id, image and state."""
    found = boto3.client("ec2").describe_instances()["Reservations"]
    there = [one for reservation in found for one in reservation["Instances"]]
    (one,) = [one for one in there if one["State"]["Name"] != "terminated"]
    tags = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
    return {
        "id": one["InstanceId"],
        "image": one["ImageId"],
        "state": one["State"]["Name"],
        "role": tags["Role"],
    }


def visit(workbench: Workbench) -> None:
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", workbench.password("ada"))
        visitor.spawn()
        assert visitor.run_code("5 * 4").strip() == "20"


def test_a_rebuilt_workbench_has_another_server_and_all_else_is_as_it_was(
    workbench: Workbench, newer: None, clean: None
) -> None:
    dataset.make(workbench, DATA)
    workbench.ssh("echo of-the-root-disk > /root/by-hand")
    data, what = dataset.told(workbench, DATA), workbench.ssh(WHAT_STAYS).stdout
    old, volume, address = server(), workbench.outputs.volume_id, workbench.outputs.address
    with probe.watching(address) as seen:
        said = " ".join(workbench.command("rebuild", "--yes").stdout.split())
    print(said[-400:], seen.gaps())
    new = server()
    assert new["id"] != old["id"]
    assert new["image"] != old["image"]
    assert (new["state"], new["role"]) == ("running", servers.SERVER)
    assert f"of debian-13-amd64-{NEWER}" in said
    assert (workbench.outputs.address, workbench.outputs.volume_id) == (address, volume)
    assert dataset.told(workbench, DATA) == data
    assert workbench.ssh(WHAT_STAYS).stdout == what
    assert workbench.ssh("ls /root/by-hand", check=False).returncode != 0
    assert len([gap for gap in seen.gaps() if gap > OUTAGE_SECONDS]) == 1
    assert [workbench.starts(unit) for unit in FRONT] == [1, 1], "nothing is started a second time"
    visit(workbench)
    assert "unchanged" in workbench.command("up", "--yes").stdout
    assert f"Stack {STACK} is well" in workbench.command("doctor", check=False).stdout


@pytest.mark.long
def test_a_new_server_that_cannot_be_configured_goes_and_the_old_one_is_back(
    workbench: Workbench, newer: None, clean: None
) -> None:
    """The deploy fails by a setting that nothing can judge beforehand: an R that no mirror has."""
    dataset.make(workbench, DATA)
    data, what, old = dataset.told(workbench, DATA), workbench.ssh(WHAT_STAYS).stdout, server()
    path = stackfile.path_of(STACK)
    before = path.read_text()
    stackfile.set_value(path, "mirrors", {"debian": "http://127.0.0.1:9/debian"})
    try:
        done = workbench.command("rebuild", "--yes", check=False)
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 1
        assert "Traceback" not in said
        assert f"The server {old['id']} is back and runs, with data and address" in said
        assert server() == old
    finally:
        path.write_text(before)
    workbench.command("up", "--yes")
    assert server() == old
    assert dataset.told(workbench, DATA) == data
    assert workbench.ssh(WHAT_STAYS).stdout == what
    visit(workbench)
