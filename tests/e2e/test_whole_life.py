"""A workbench's life: bigger in place, destroyed, brought back on other hardware, and nothing is lost."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import probe
from lab.visitor import Visitor
from tests import acme_in_lab, workbench_in_lab
from tests.acme_in_lab import DOMAIN, Ca
from tests.life_in_lab import Run
from tests.workbench_in_lab import STACK, Workbench
from workbench import stackfile

pytestmark = pytest.mark.lab
HICCUP_SECONDS = 0.3  # of a machine that is busy with other tests
NOTEBOOK = "life.ipynb"
CONTENT = json.dumps({"cells": [], "metadata": {"made": "before"}, "nbformat": 4, "nbformat_minor": 5})
WHAT_STAYS = (
    "cd /home && for f in $(find . -type f -name 'life*' | sort); do sha256sum $f; stat -c '%n %u %g %a' $f; done; "
    "id ada; id grace; cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub; "
    "sha256sum /srv/workbench/jupyterhub/jupyterhub_cookie_secret"
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


def test_nothing_is_lost_when_it_is_resized_destroyed_and_brought_back(workbench: Workbench, ca: Ca) -> None:
    # ada changes her password herself: that, too, has to survive
    changed = "chosen by herself 1815"
    workbench.ssh(f"echo 'ada:{changed}' | chpasswd")
    assert visit(workbench, changed) == CONTENT
    before, server = workbench.ssh(WHAT_STAYS).stdout, instance(workbench)
    volume = workbench.outputs.volume_id

    with probe.watching(workbench.outputs.address) as seen:
        said = workbench.command("resize", "m6i.large", "--yes").stdout
    assert "becomes m6i.large (2 CPUs, 8 GiB of memory) instead of t3.medium" in said
    resized = instance(workbench)
    assert resized == {**server, "type": "m6i.large"}, "a bigger size is an update in place"
    assert len([gap for gap in seen.gaps() if gap > HICCUP_SECONDS]) == 1, "nothing is started a second time"
    assert workbench.ssh(WHAT_STAYS).stdout == before
    assert visit(workbench, changed) == CONTENT

    workbench.ssh(f"echo '{workbench.outputs.address} {DOMAIN}' >> /etc/hosts")
    certificate, orders = named(workbench, ca), ca.orders()
    authority, address = workbench.ca.read_text(), workbench.outputs.address

    said = workbench.command("destroy", "--yes").stdout
    assert volume in said
    assert set(workbench_in_lab.resources()) <= {
        "workbench:infra:Workbench$workbench:infra:Storage$aws:ebs/volume:Volume::data",
        "workbench:infra:Workbench$workbench:infra:Storage::storage",
        "workbench:infra:Workbench::workbench",
        f"pulumi:pulumi:Stack::workbench-{STACK}",
    } | {urn for urn in workbench_in_lab.resources() if urn.startswith("pulumi:providers:")}
    done = workbench.command("status", check=False)
    assert done.returncode == 3
    assert "gone" in done.stdout

    # a second destroy is harmless
    workbench.command("destroy", "--yes")

    workbench_in_lab.let_the_volume_change_again()  # another test of this lab may have had it grow
    stackfile.set_value(stackfile.path_of(STACK), "dataVolumeGib", 6)
    stackfile.set_value(stackfile.path_of(STACK), "size", "m6i.xlarge")
    # By plain Pulumi, whose whole group is killed while the host is being configured: the next run goes on.
    run = Run(["pulumi", "up", "--yes", "--stack", STACK], os.environ)
    run.until("apt | ")
    run.kill()
    said = workbench.command("up", "--yes").stdout
    assert "Configuration configuration was being created" in said
    assert "left its lock" in said
    back = instance(workbench)
    assert back["type"] == "m6i.xlarge"
    assert back["id"] != server["id"]
    assert workbench.outputs.volume_id == volume
    assert workbench.ssh(WHAT_STAYS).stdout == before
    # The own CA vouches for one address.
    assert (workbench.ca.read_text() == authority) == (workbench.outputs.address == address)
    assert visit(workbench, changed) == CONTENT
    size = int(workbench.ssh("df --output=size -BM /srv/workbench | tail -1 | tr -dc 0-9").stdout)
    assert size > 5 * 1024, "the file system grew with the volume"
    # The new server could not even prove that the name is its own: the certificate is the one from before.
    assert named(workbench, ca) == certificate
    assert ca.orders() == orders
