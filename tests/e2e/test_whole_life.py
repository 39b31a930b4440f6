"""A workbench's life: bigger in place, destroyed, brought back on other hardware, and nothing is lost."""

import json

import pytest

from lab.visitor import Visitor
from tests import workbench_in_lab
from tests.workbench_in_lab import STACK, Workbench
from workbench import stackfile

pytestmark = pytest.mark.lab
NOTEBOOK = "life.ipynb"
CONTENT = json.dumps({"cells": [], "metadata": {"made": "before"}, "nbformat": 4, "nbformat_minor": 5})
WHAT_STAYS = (
    "cd /home && for f in $(find . -type f -name 'life*' | sort); do sha256sum $f; stat -c '%n %u %g %a' $f; done; "
    "id ada; id grace; cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub; cat /etc/workbench/ca.crt; "
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


def test_nothing_is_lost_when_it_is_resized_destroyed_and_brought_back(workbench: Workbench) -> None:
    # ada changes her password herself: that, too, has to survive
    changed = "chosen by herself 1815"
    workbench.ssh(f"echo 'ada:{changed}' | chpasswd")
    assert visit(workbench, changed) == CONTENT
    before, server = workbench.ssh(WHAT_STAYS).stdout, instance(workbench)
    volume = workbench.context.outputs.volume_id

    workbench.command("up", "--yes", "--size", "m6i.large")
    resized = instance(workbench)
    assert resized == {**server, "type": "m6i.large"}, "a bigger size is an update in place"
    assert workbench.ssh(WHAT_STAYS).stdout == before
    assert visit(workbench, changed) == CONTENT

    said = workbench.command("destroy", "--yes").stdout
    assert volume in said
    assert set(workbench_in_lab.resources()) <= {
        "workbench:infra:Storage$aws:ebs/volume:Volume::data",
        "workbench:infra:Storage::storage",
        f"pulumi:pulumi:Stack::workbench-{STACK}",
    } | {urn for urn in workbench_in_lab.resources() if urn.startswith("pulumi:providers:")}
    done = workbench.command("status", check=False)
    assert done.returncode == 3
    assert "gone" in done.stdout

    # a second destroy is harmless
    workbench.command("destroy", "--yes")

    stackfile.set_value(stackfile.path_of(STACK), "dataVolumeGib", 6)
    workbench.command("up", "--yes", "--size", "m6i.xlarge")
    back = instance(workbench)
    assert back["type"] == "m6i.xlarge"
    assert back["id"] != server["id"]
    assert workbench.context.outputs.volume_id == volume
    assert workbench.ssh(WHAT_STAYS).stdout == before
    assert visit(workbench, changed) == CONTENT
    size = int(workbench.ssh("df --output=size -BM /srv/workbench | tail -1 | tr -dc 0-9").stdout)
    assert size > 5 * 1024, "the file system grew with the volume"
