"""How long each verb of a workbench's life takes, and for how long nobody could work meanwhile."""

from collections.abc import Callable

from bench import probe
from bench.results import keep, median, rounded, show, timed
from bench.workbench import Measured
from tests.workbench_in_lab import STACK, run


def measure(bench: Measured) -> None:
    """Each verb once, and what changes nothing several times."""
    measured = {"create_s": bench.create_s, "of_it_configure_s": bench.configure_s}
    measured["up_noop_s"] = median(lambda: bench.command("up", "--yes"))
    measured["pulumi_up_noop_s"] = median(lambda: run(["pulumi", "up", "--yes", "--stack", STACK]))
    measured["deploy_noop_s"] = median(bench.apply)
    measured |= _watched(bench, "resize", lambda: bench.command("resize", "m6i.large", "--yes"))
    measured |= _watched(bench, "stop_start", lambda: _stop_and_start(bench))
    measured |= _watched(bench, "rebuild", lambda: bench.command("rebuild", "--yes"))
    measured["destroy_s"] = timed(lambda: bench.command("destroy", "--yes"))
    measured["bring_back_s"] = timed(lambda: bench.command("up", "--yes", "--size", "m6i.xlarge"))
    show("A workbench's life", measured, measured["create_s"], "create")
    keep("life", rounded(measured))


def _stop_and_start(bench: Measured) -> None:
    bench.command("stop", "--yes")
    bench.command("start")


def _watched(bench: Measured, verb: str, work: Callable[[], object]) -> dict[str, float]:
    """The seconds of a verb, how many gaps there were in which the hub's page was not to be had, and their seconds."""
    with probe.watching(bench.outputs.address) as seen:
        seconds = timed(work)
    gaps = seen.gaps()
    return {f"{verb}_s": seconds, f"{verb}_down_s": sum(gaps), f"{verb}_gaps": float(len(gaps))}
