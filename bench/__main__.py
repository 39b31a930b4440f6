"""`make bench`: makes a workbench in a lab of its own, measures, prints a table, writes bench/results.json."""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests import workbench_in_lab
from tests.workbench_in_lab import STACK, Workbench, run
from workbench import configure

RESULTS = Path(__file__).parent / "results.json"
RUNS = 3


def main() -> None:
    """Measures each verb of the workbench once, and what changes nothing several times."""
    measured: dict[str, float] = {}
    with workbench_in_lab.lab():
        workbench_in_lab.write_stack_file()
        run(["pulumi", "stack", "init", STACK])
        bench, began = Workbench(), time.time()
        measured["create_s"] = timed(lambda: bench.command("up", "--yes"))
        measured["of_it_configure_s"] = configure.seconds_of_last_run(STACK, began) or 0.0
        measured["up_noop_s"] = median(lambda: run(["pulumi", "up", "--yes", "--skip-preview"]))
        measured["deploy_noop_s"] = median(bench.apply)
        measured["resize_s"] = timed(lambda: bench.command("up", "--yes", "--size", "m6i.large"))
        measured["destroy_s"] = timed(lambda: bench.command("destroy", "--yes"))
        measured["bring_back_s"] = timed(lambda: bench.command("up", "--yes", "--size", "m6i.xlarge"))
    show(measured)
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores"
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rounded = {key: round(value, 1) for key, value in measured.items()}
    known["life"] = {"made": date.today().isoformat(), "machine": machine, **rounded}
    RESULTS.write_text(json.dumps(known, indent=2) + "\n")


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    start = time.monotonic()
    work()
    return time.monotonic() - start


def median(work: Callable[[], object]) -> float:
    """Median of the seconds of a few runs."""
    return statistics.median(timed(work) for _ in range(RUNS))


def show(measured: dict[str, float]) -> None:
    """The figures, and each as a share of making the workbench."""
    table = Table("what", "seconds", "of create")
    for name, seconds in measured.items():
        table.add_row(name.removesuffix("_s"), f"{seconds:.1f}", f"{seconds / measured['create_s']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
