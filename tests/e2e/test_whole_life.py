"""A workbench's life: bigger in place, destroyed, brought back on other hardware, and nothing is lost."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import probe
from lab.visitor import Visitor
from tests import acme_in_lab, dataset, workbench_in_lab
from tests.acme_in_lab import DOMAIN, Ca
from tests.life_in_lab import Run
from tests.workbench_in_lab import FRONT, OUTAGE_SECONDS, STACK, Workbench
from workbench import stackfile, team

pytestmark = pytest.mark.lab
NOTEBOOK = "life.ipynb"
CONTENT = json.dumps({"cells": [], "metadata": {"made": "before"}, "nbformat": 4, "nbformat_minor": 5})
CHANGED = "chosen by herself 1815"  # a password that ada has set herself: that, too, has to survive
DATA = "/home/ada/of-all-kinds"
HUB = (
    "import sqlite3; hub = sqlite3.connect('file:/srv/workbench/jupyterhub/jupyterhub.sqlite?mode=ro', uri=True); "
    "print(hub.execute('select id, name, admin, created from users order by id').fetchall())"
)
WHAT_STAYS = (
    "cd /home && for f in $(find . -type f -name 'life*' | sort); do sha256sum $f; stat -c '%n %u %g %a' $f; done; "
    "id ada; id grace; grep -E '^(ada|grace):' /etc/shadow | cut -d: -f1,2; sha256sum /etc/ssh/ssh_host_*; "
    f'sha256sum /srv/workbench/jupyterhub/jupyterhub_cookie_secret; python3 -c "{HUB}"'
)

MOVED_IN = (
    "runuser -l ada -c \"workbench-env geo python -c 'import six; print(six.__version__)'; "
    "workbench-schedule list | awk '/^tea/ {print \\$1, \\$2, \\$3}'\"; readlink /opt/environments/geo"
)


def visit(workbench: Workbench, password: str) -> str:
    """Logs in as ada, computes, and gives back the notebook as she finds it (makes it where there is none)."""
    with Visitor(workbench.url, workbench.ca) as visitor:
        visitor.login("ada", password)
        visitor.spawn()
        assert visitor.run_code("5 * 4").strip() == "20"
        return visitor.run_code(
            f"import pathlib\np = pathlib.Path.home() / {NOTEBOOK!r}\n"
            f"p.exists() or p.write_text({CONTENT!r})\nprint(p.read_text())"
        ).strip()


def instance(workbench: Workbench) -> dict[str, str]:
    report = json.loads(workbench.command("status", "--json").stdout)
    return dict(report["instance"])


@pytest.fixture
def ca(workbench: Workbench, tmp_path: Path) -> Iterator[Ca]:
    with acme_in_lab.running(workbench, tmp_path, acme_in_lab.LONG) as ca:
        yield ca
    workbench.apply()  # without a domain again


def named(workbench: Workbench, ca: Ca) -> int:
    """Deploys with a domain; gives back the serial number of the certificate that is then shown."""
    applied = acme_in_lab.apply(workbench, DOMAIN, **ca.settings())
    assert applied.status == 0, applied.output
    return acme_in_lab.shown(workbench.outputs.address, DOMAIN, ca.trust()).serial_number


@dataclass(frozen=True)
class Kept:
    """What has to be the same ever after: what the host told, and of which kinds of files."""

    told: str
    data: str

    def require(self, workbench: Workbench) -> None:
        """Fails unless all is as it was, and ada finds her notebook with the password that she has chosen."""
        assert workbench.ssh(WHAT_STAYS).stdout == self.told
        assert dataset.told(workbench, DATA) == self.data
        assert visit(workbench, CHANGED) == CONTENT


@pytest.fixture
def kept(workbench: Workbench) -> Iterator[Kept]:
    workbench.ssh(f"echo 'ada:{CHANGED}' | chpasswd")
    assert visit(workbench, CHANGED) == CONTENT
    dataset.make(workbench, DATA)
    kept = Kept(workbench.ssh(WHAT_STAYS).stdout, dataset.told(workbench, DATA))
    assert kept.data.startswith("31"), "3,000 files and their folders"
    assert "'ada', " in kept.told, "the hub's own of her"
    yield kept
    workbench.ssh(f"rm -rf {DATA}")


@pytest.fixture
def kept_address(workbench: Workbench) -> Iterator[str]:
    """The public address, which is to stay while this lasts."""
    stackfile.set_value(stackfile.path_of(STACK), "keepAddress", True)
    workbench.command("up", "--yes")
    yield workbench.outputs.address
    stackfile.set_value(stackfile.path_of(STACK), "keepAddress", False)
    workbench.command("up", "--yes")


@pytest.fixture
def moved_in(workbench: Workbench) -> Iterator[str]:
    """A team's environment from its lock, and a schedule of ada's; what the host says of both, which is to stay."""
    path = stackfile.path_of(STACK)
    folder = path.resolve().parent / "team-of-life"
    folder.mkdir()
    try:
        (folder / "geo.txt").write_text("six==1.16.0\n")
        one = {"name": "geo", "python": "3.13", "requirements": "team-of-life/geo.txt"}
        stackfile.set_value(path, "environments", [one])
        stackfile.set_value(path, "limits", {"timers": True})
        workbench.command("lock")
        workbench.apply().require()
        workbench.ssh("runuser -l ada -c 'workbench-schedule add tea yearly true'")
        told = workbench.ssh(MOVED_IN).stdout
        assert told.split()[:2] == ["1.16.0", "tea"]
        yield told
        workbench.ssh("runuser -l ada -c 'workbench-schedule remove tea'")
    finally:
        stackfile.set_value(path, "environments", [])
        stackfile.set_value(path, "limits", {})
        shutil.rmtree(folder)
        shutil.rmtree(team.folder(path))


def test_nothing_is_lost_when_it_is_resized_stopped_and_started(workbench: Workbench, kept: Kept) -> None:
    server = instance(workbench)
    with probe.watching(workbench.outputs.address) as seen:
        said = workbench.command("resize", "m6i.large", "--yes").stdout
    assert "becomes m6i.large (2 CPUs, 8 GiB of memory) instead of t3.medium" in said
    resized = instance(workbench)
    assert resized == {**server, "type": "m6i.large"}, "a bigger size is an update in place"
    assert len([gap for gap in seen.gaps() if gap > OUTAGE_SECONDS]) == 1
    assert [workbench.starts(unit) for unit in FRONT] == [1, 1], "nothing is started a second time"
    kept.require(workbench)

    workbench.command("stop", "--yes")
    workbench.command("start")
    assert instance(workbench) == resized
    kept.require(workbench)


def test_nothing_is_lost_when_it_is_destroyed_and_brought_back(
    workbench: Workbench, ca: Ca, kept: Kept, kept_address: str, moved_in: str
) -> None:
    server, volume = instance(workbench), workbench.outputs.volume_id
    workbench.ssh(f"echo '{kept_address} {DOMAIN}' >> /etc/hosts")
    certificate, orders = named(workbench, ca), ca.orders()
    authority = workbench.ca.read_text()

    said = workbench.command("destroy", "--yes").stdout
    assert volume in said
    assert set(workbench_in_lab.resources()) <= {
        "workbench:infra:Workbench$workbench:infra:Storage$aws:ebs/volume:Volume::data",
        "workbench:infra:Workbench$workbench:infra:Storage::storage",
        "workbench:infra:Workbench$workbench:infra:Server$aws:ec2/eip:Eip::address",
        "workbench:infra:Workbench$workbench:infra:Server::server",
        "workbench:infra:Workbench::workbench",
        f"pulumi:pulumi:Stack::workbench-{STACK}",
    }
    done = workbench.command("status", check=False)
    assert done.returncode == 3
    assert "gone" in done.stdout
    workbench.command("destroy", "--yes")  # a second one is harmless

    come_back_bigger(workbench)
    back = instance(workbench)
    assert back["type"] == "m6i.xlarge"
    assert back["id"] != server["id"]
    assert workbench.outputs.volume_id == volume
    assert workbench.outputs.address == kept_address
    assert workbench.ca.read_text() == authority, "whose certificate is for that address"
    kept.require(workbench)
    assert workbench.ssh(MOVED_IN).stdout == moved_in
    size = int(workbench.ssh("df --output=size -BM /srv/workbench | tail -1 | tr -dc 0-9").stdout)
    assert size > 5 * 1024, "the file system grew with the volume"
    # The new server could not even prove that the name is its own: the certificate is the one from before.
    assert named(workbench, ca) == certificate
    assert ca.orders() == orders


def come_back_bigger(workbench: Workbench) -> None:
    """By plain Pulumi, whose whole group is killed while the host is being configured: the next run goes on."""
    workbench_in_lab.let_the_volume_change_again()  # another test of this lab may have had it grow
    stackfile.set_value(stackfile.path_of(STACK), "dataVolumeGib", 6)
    stackfile.set_value(stackfile.path_of(STACK), "size", "m6i.xlarge")
    run = Run(["pulumi", "up", "--yes", "--stack", STACK], os.environ)
    run.until("apt | ")
    run.kill()
    said = workbench.command("up", "--yes").stdout
    assert "Configuration configuration was being created" in said
    assert "left its lock" in said
