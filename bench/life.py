"""How long each verb of a workbench's life takes."""

from bench.results import keep, median, rounded, show, timed
from bench.workbench import Measured
from tests.workbench_in_lab import STACK, run


def measure(bench: Measured) -> None:
    """Each verb once, and what changes nothing several times."""
    measured = {"create_s": bench.create_s, "of_it_configure_s": bench.configure_s}
    measured["up_noop_s"] = median(lambda: bench.command("up", "--yes"))
    measured["pulumi_up_noop_s"] = median(lambda: run(["pulumi", "up", "--yes", "--stack", STACK]))
    measured["deploy_noop_s"] = median(bench.apply)
    measured["resize_s"] = timed(lambda: bench.command("up", "--yes", "--size", "m6i.large"))
    measured["destroy_s"] = timed(lambda: bench.command("destroy", "--yes"))
    measured["bring_back_s"] = timed(lambda: bench.command("up", "--yes", "--size", "m6i.xlarge"))
    show("A workbench's life", measured, measured["create_s"], "create")
    keep("life", rounded(measured))
