"""Snapshots of a workbench on which people work: made, restored, looked into, and all that is left of a stack."""

import json
import re
import time
from collections.abc import Iterator

import boto3
import pytest

from lab.visitor import Visitor
from tests import dataset
from tests.workbench_in_lab import Workbench
from workbench import volumes

pytestmark = pytest.mark.lab

DATA = "/home/ada/of-all-kinds"
WHO = (
    "id ada; id grace; cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub; "
    "sha256sum /srv/workbench/jupyterhub/jupyterhub_cookie_secret"
)
HASHES = "grep -E '^(ada|grace):' /etc/shadow | cut -d: -f1,2"
WRITER = (
    "while :; do n=$((n+1)); echo $n > /home/ada/busy/$((n % 50)); [ $((n % 20)) -gt 0 ] || sleep 0.001; done"
)
STAMP = "stat -c %Y /proc/1"


def listed(workbench: Workbench) -> dict[str, list[dict[str, str]]]:
    return dict(json.loads(workbench.command("snapshots", "--json").stdout))


def roles() -> dict[str, str]:
    """All volumes of the account that are somebody's data, by their role."""
    found = boto3.client("ec2").describe_volumes(Filters=[{"Name": "tag-key", "Values": ["Role"]}])["Volumes"]
    told = {one["VolumeId"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]}["Role"] for one in found}
    return {volume: role for volume, role in told.items() if role != "root"}


@pytest.fixture
def writing(workbench: Workbench) -> Iterator[None]:
    """Ada writes, on and on."""
    workbench.ssh("mkdir -p /home/ada/busy && chown ada: /home/ada/busy")
    workbench.ssh(
        f"systemd-run --quiet --unit=busy --uid=ada --slice=user-$(id -u ada).slice sh -c '{WRITER}'"
    )
    yield
    workbench.ssh("systemctl stop busy; rm -rf /home/ada/busy", check=False)


@pytest.fixture
def clean(workbench: Workbench) -> Iterator[None]:
    """Nothing is left of a test, whatever became of it: snapshots, volumes that were kept, files."""
    yield
    assert volumes.DATA in roles().values(), "a snapshot may be all that there is of the data"
    told = listed(workbench)
    for one in [*told["snapshots"], *told["kept_volumes"]]:
        workbench.command("delete-snapshot", one["id"], "--yes")
    workbench.ssh(f"rm -rf {DATA} /home/ada/restored-*")


def refused(workbench: Workbench, *arguments: str) -> str:
    done = workbench.command(*arguments, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def test_a_snapshot_under_writes_is_restored_whole_and_the_volume_before_is_kept(
    workbench: Workbench, writing: None, clean: None
) -> None:
    dataset.make(workbench, DATA)
    before = dataset.told(workbench, DATA)
    assert before.startswith("31"), "3,000 files and their folders"
    who, hashes = workbench.ssh(WHO).stdout, workbench.ssh(HASHES).stdout
    first, booted = roles(), workbench.ssh(STAMP).stdout
    began = time.monotonic()
    said = workbench.command("snapshot", "--name", "before").stdout
    assert re.search(r"is complete; at most \d+\.\d\d USD a month", said)
    assert "Note:" not in said, "all was written out"
    assert (
        workbench.ssh(
            'cd /home/ada/busy; a=$(cat *); sleep 0.5; [ "$a" != "$(cat *)" ]', check=False
        ).returncode
        == 0
    )
    print(f"snapshot {time.monotonic() - began:.1f} s")

    # What is proved of it beforehand, and one file out of it.
    proved = workbench.command("restore", "before", "--drill").stdout
    assert re.search(
        r"before .* is whole: filesystem checked, its journal replayed, \d+ homes, \d+ accounts", proved
    )
    workbench.command("restore", "before", "--home", "ada", "of-all-kinds")
    (folder,) = workbench.ssh("ls -d /home/ada/restored-*").stdout.split()
    assert dataset.told(workbench, f"{folder}/of-all-kinds") == before
    assert workbench.ssh(f"stat -c '%U %a' {folder}").stdout == "ada 700\n"
    assert roles() == first, "the throw-away volumes are gone"
    assert workbench.ssh(STAMP).stdout == booted

    assert "ada computes at this moment" in refused(workbench, "restore", "before", "--yes")
    workbench.ssh(f"systemctl stop busy; rm -rf {DATA} {folder}; echo new > /home/ada/made-since")
    began = time.monotonic()
    workbench.command("restore", "before", "--yes")
    print(f"restore {time.monotonic() - began:.1f} s")
    (old,) = first
    now = roles()
    (new,) = [volume for volume, role in now.items() if role == volumes.DATA]
    assert now == {old: volumes.KEPT, new: volumes.DATA}
    assert workbench.outputs.volume_id == new
    assert dataset.told(workbench, DATA) == before
    assert "made-since" not in workbench.ssh("ls /home/ada").stdout
    assert (workbench.ssh(WHO).stdout, workbench.ssh(HASHES).stdout) == (who, hashes)
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", workbench.password("ada"))
        visitor.spawn()
        assert visitor.run_code("5 * 4").strip() == "20"
    assert "unchanged" in workbench.command("up", "--yes").stdout
    told = listed(workbench)
    assert [one["id"] for one in told["kept_volumes"]] == [old]


@pytest.mark.long
def test_a_snapshot_of_the_middle_of_writing_is_whole(
    workbench: Workbench, writing: None, clean: None
) -> None:
    """As those are that AWS makes every day: of what the disk has at that moment, as after a power cut."""
    volume = workbench.outputs.volume_id
    ec2 = boto3.client("ec2")
    own = ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Tags"]
    tags = [tag for tag in own if tag["Key"] not in ("Role", "Name")]
    tags += [{"Key": "Role", "Value": "snapshot"}, {"Key": "Made", "Value": "daily"}]
    ec2.create_snapshot(VolumeId=volume, TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}])
    said = workbench.command("restore", "--drill").stdout
    assert "is whole: filesystem checked, its journal replayed" in said


@pytest.mark.long
def test_a_stack_that_is_only_a_snapshot_any_more_comes_back(workbench: Workbench, clean: None) -> None:
    dataset.make(workbench, DATA)
    before, who = dataset.told(workbench, DATA), workbench.ssh(WHO).stdout
    hashes = workbench.ssh(HASHES).stdout
    said = workbench.command("destroy", "--data", "snapshot", "--yes").stdout
    assert roles() == {}
    (last,) = listed(workbench)["snapshots"]
    assert last["made"] == "final"
    assert f"`workbench restore {last['name']} --stack {workbench.stack}` makes one" in said
    assert re.search(r"What stays costs about \d+\.\d\d USD a month", said)
    assert f"no data volume, but 1 snapshot of one, the newest {last['id']}" in refused(
        workbench, "up", "--yes"
    )
    workbench.command("restore", last["name"], "--yes")
    workbench.command("up", "--yes")
    assert dataset.told(workbench, DATA) == before
    assert (workbench.ssh(WHO).stdout, workbench.ssh(HASHES).stdout) == (who, hashes)
    assert workbench.outputs.volume_id in roles()
