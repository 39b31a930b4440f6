"""`make bench`, or `python -m bench NAME ...`: measures, prints tables, writes bench/results.json."""

import sys

from bench import change, environments, growth, judges, life, noop, provisioning, spawn
from bench.workbench import made

MEASURES = {
    "noop": noop.measure,
    "change": change.measure,
    "growth": growth.measure,
    "judges": judges.measure,  # which installs on the host what it judges with
    "spawn": spawn.measure,
    "environments": environments.measure,
    "life": life.measure,  # which ends with another server
    "provisioning": provisioning.measure,  # and this with one that is not configured by `up`
}


def main(names: list[str]) -> None:
    """Makes a workbench in a lab of its own, and measures what is named, or all."""
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        sys.exit(f"There is no measurement called {unknown[0]}; there are {', '.join(MEASURES)}.")
    with made() as bench:
        for name, measure in MEASURES.items():
            if name in names or not names:
                measure(bench)


if __name__ == "__main__":
    main(sys.argv[1:])
