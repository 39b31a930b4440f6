"""A deploy that changes nothing: `workbench deploy` and stock pyinfra, near and 80 ms away, and Ansible's equal.

Ours is the whole command, from its start to its last line, with asking `pulumi` for settings and outputs; stock
pyinfra asks it too, from the inventory.
"""

from bench import ansible
from bench.delay import ROUND_TRIP, far
from bench.results import keep, median, rounded, show, timed
from bench.workbench import IDLE, Measured


def measure(bench: Measured) -> None:
    """All in one go, so that they have the same machine under the same load."""
    bench.deploy()
    said = IDLE.search(bench.idle_deploy())
    assert said is not None
    operations = int(said[1])
    measured = {"near_s": median(bench.idle_deploy)}
    with far(bench.outputs.address, 22) as port:
        away = {"WORKBENCH_BENCH_PORT": str(port)}
        measured["far_s"] = median(lambda: bench.idle_deploy(**away))
        measured["stock_near_s"] = median(lambda: bench.stock_idle_deploy(), runs=2)
        measured["stock_far_s"] = median(lambda: bench.stock_idle_deploy(**away), runs=1)
    with ansible.playbook(bench) as (checks, play):
        measured["ansible_near_s"] = timed(play)
    show(f"{operations} operations that change nothing", measured, measured["near_s"], "near")
    how = {"operations": operations, "ansible_checks": checks, "round_trip_ms": round(ROUND_TRIP * 1000)}
    keep("noop", {**how, **rounded(measured)})
