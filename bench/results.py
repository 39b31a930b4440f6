"""How results are taken, shown and kept: bench/results.json, a section for each measurement."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results.json"
RUNS = 3


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    start = time.monotonic()
    work()
    return time.monotonic() - start


def median(work: Callable[[], object], runs: int = RUNS) -> float:
    """Median of the seconds of a few runs."""
    return statistics.median(timed(work) for _ in range(runs))


def show(title: str, measured: Mapping[str, float], unit: float, of: str) -> None:
    """The figures in seconds, and each as a multiple of `unit`, which is called `of`."""
    table = Table("what", "seconds", f"of {of}", title=title, title_justify="left")
    for name, seconds in measured.items():
        table.add_row(name.removesuffix("_s"), f"{seconds:.1f}", f"{seconds / unit:.2f}")
    Console().print(table)


def keep(section: str, found: Mapping[str, Any]) -> None:
    """Writes one section of the results, with the day and the machine; the others stay."""
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores"
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known[section] = {"made": date.today().isoformat(), "machine": machine, **found}
    RESULTS.write_text(json.dumps(known, indent=2) + "\n")


def rounded(measured: Mapping[str, float]) -> dict[str, float]:
    """Seconds as they are kept."""
    return {name: round(seconds, 1) for name, seconds in measured.items()}
