"""A deploy that changes nothing: ours and pyinfra's own connector, near and 80 ms away, and Ansible's equal."""

import re

from bench import ansible
from bench.delay import ROUND_TRIP, far
from bench.results import keep, median, rounded, show, timed
from bench.workbench import Measured

STOCK = {"WORKBENCH_BENCH_CONNECTOR": "ssh"}


def measure(bench: Measured) -> None:
    """All in one go, so that they have the same machine under the same load."""
    bench.deploy()
    operations = operations_of(bench.idle_deploy().output)
    measured = {"near_s": median(bench.idle_deploy)}
    with far(bench.context.outputs.address, 22) as port:
        away = {"WORKBENCH_BENCH_PORT": str(port)}
        measured["far_s"] = median(lambda: bench.idle_deploy(**away))
        measured["stock_near_s"] = median(lambda: bench.idle_deploy(**STOCK), runs=2)
        measured["stock_far_s"] = median(lambda: bench.idle_deploy(**STOCK, **away), runs=1)
    with ansible.playbook(bench) as (checks, play):
        measured["ansible_near_s"] = timed(play)
    show(f"{operations} operations that change nothing", measured, measured["near_s"], "near")
    how = {"operations": operations, "ansible_checks": checks, "round_trip_ms": round(ROUND_TRIP * 1000)}
    keep("noop", {**how, **rounded(measured)})


def operations_of(output: str) -> int:
    """How many operations pyinfra says that a run had."""
    found = re.search(r"Grand total\s+(\d+)", re.sub(r"\x1b\[[0-9;]*m", "", output))
    if found is None:
        raise RuntimeError("pyinfra has not said how many operations there were.")
    return int(found[1])
