"""`make bench`, or `python -m bench [life|noop|growth ...]`: measures, prints tables, writes bench/results.json."""

import sys

from bench import growth, life, noop
from bench.workbench import made

MEASURES = {
    "noop": noop.measure,
    "growth": growth.measure,
    "life": life.measure,
}  # life ends with another server


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
