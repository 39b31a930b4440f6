"""The `workbench` command: what begins it, with little imported."""

import sys

from workbench import ROOT
from workbench.connector import process


def run() -> None:
    """Entry point. A deploy's pyinfra begins first: it takes as long to import as all that it has to wait for."""
    if sys.argv[1:2] == ["deploy"] and "--help" not in sys.argv:
        process.begin_ahead(ROOT)
    try:
        from workbench.cli import main

        main.run()
    finally:
        process.stop_ahead()
