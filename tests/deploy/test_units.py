"""Units of ours on a host that runs: each in a sandbox, with a limit of memory, and with a rule for when it ends."""

import re

import pytest

from cli.findings import EXPOSED, EXPOSURE
from tests.workbench_in_lab import Workbench
from workbench_host.checkup import units

pytestmark = pytest.mark.lab

IN_A_SLICE = {"workbench-apps@.service"}  # of a user, whose limits hold; its socket starts it again


@pytest.fixture(scope="module")
def ours(workbench: Workbench) -> dict[str, str]:
    """The services that the deploy wrote: unit -> its file's text."""
    listed = workbench.ssh("find /etc/systemd/system -maxdepth 1 -type f -name '*.service'").stdout.split()
    return {path.rpartition("/")[2]: workbench.ssh(f"cat {path}").stdout for path in listed}


def test_the_units_are_there(ours: dict[str, str]) -> None:
    assert {"workbench-health.service", "workbench-accounts.service", "workbench-proc.service"} <= set(ours)


def test_no_unit_of_ours_is_more_exposed_than_it_has_to_be(
    workbench: Workbench, ours: dict[str, str]
) -> None:
    paths = " ".join(f"/etc/systemd/system/{unit}" for unit in sorted(ours))
    judge = "systemd-analyze security --offline=true --no-pager $unit 2>&1 | tail -n 1"
    said = workbench.ssh(f"for unit in {paths}; do {judge}; done").stdout
    found = units.of_templates(said)
    assert set(found) == set(ours), said
    assert {unit: level for unit, level in found.items() if level > EXPOSED.get(unit, EXPOSURE)} == {}


def test_each_unit_has_a_limit_of_memory_and_what_runs_on_starts_again(ours: dict[str, str]) -> None:
    unlimited = {unit for unit, text in ours.items() if not re.search(r"^Memory(Max|High)=\d", text, re.M)}
    assert unlimited - IN_A_SLICE == set()
    for unit, text in ours.items():
        if unit not in IN_A_SLICE and "Type=oneshot" not in text and "StandardInput=socket" not in text:
            assert re.search(r"^Restart=(always|on-failure)$", text, re.M), unit


def test_what_a_deploy_begins_with_has_a_tmp_of_its_own(workbench: Workbench) -> None:
    shown = workbench.ssh("systemctl show -p PrivateTmp apt-daily.service apt-daily-upgrade.service").stdout
    assert shown.split() == ["PrivateTmp=yes"] * 2
